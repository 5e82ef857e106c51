"""Decisions through the desk: written once, answered with the window, and told to neighbours."""

from __future__ import annotations

from typing import Any

import pytest

from moola.desk.board import Board
from moola.desk.trials import shift_bars
from moola.exceptions import SchemaError
from tests.desk.conftest import Office


def test_an_answer_carries_the_window_as_it_is_now_without_its_bars(office: Office) -> None:
    uid = office.uids()[0]
    answer = office.draw(uid, 10, 20, type="retracement", grade="B")
    item = answer["item"]
    assert (answer["rev"], item["rev"], item["state"]) == (1, 1, "edited")
    assert [(s["start"], s["end"], s["type"], s["grade"]) for s in item["spans"]] == [
        (10, 20, "retracement", "B")
    ]
    assert "bars" not in item
    assert item["facts"]["text"].startswith("NQ")


def test_an_operation_sent_again_answers_alike_and_writes_once(office: Office) -> None:
    uid = office.uids()[0]
    op = {
        "op_id": "same",
        "kind": "reject",
        "window_uid": uid,
        "rev": 0,
        "args": {"reason": "chop"},
    }
    first = office.send(op)["answers"][0]
    office.decide(uid, "set_note", note="after it")
    n_events = len(office.store.events())
    again = office.send(op)["answers"][0]
    assert (again["status"], again["rev"]) == (first["status"], first["rev"]) == ("done", 1)
    assert again["item"]["rev"] == 2
    assert len(office.store.events()) == n_events


def test_a_chain_of_operations_names_the_one_before(office: Office) -> None:
    uid = office.uids()[0]
    draw = {
        "op_id": "a", "kind": "save_span", "window_uid": uid, "rev": 0,
        "args": {"span_id": "0" * 16, "new": True, "start": 10, "end": 20},
    }  # fmt: skip
    nudge = {
        "op_id": "b", "kind": "set_span", "window_uid": uid, "after": "a",
        "args": {"span_id": "0" * 16, "grade": "A"},
    }  # fmt: skip
    accept = {"op_id": "c", "kind": "accept", "window_uid": uid, "after": "b", "seconds": 2.5}
    answers = office.send(draw, nudge, accept)["answers"]
    assert [(a["op_id"], a["status"], a["rev"]) for a in answers] == [
        ("a", "done", 1), ("b", "done", 2), ("c", "done", 3),
    ]  # fmt: skip
    view = office.store.window(uid, annotator="ann")
    assert (view.state, view.seconds, view.spans[0].grade) == ("verified", 2.5, "A")


def test_a_conflict_brings_the_window_as_the_other_tab_left_it(office: Office) -> None:
    uid = office.uids()[0]
    office.decide(uid, "flag")
    late = {
        "op_id": "late",
        "kind": "reject",
        "window_uid": uid,
        "rev": 0,
        "args": {"reason": "chop"},
    }
    answer = office.send(late)["answers"][0]
    assert (answer["status"], answer["item"]["state"]) == ("conflict", "flagged")
    assert "changed meanwhile" in answer["message"]


def test_a_refused_operation_brings_the_sentence_and_the_window(office: Office) -> None:
    uid = office.uids()[0]
    accept = {"op_id": "empty", "kind": "accept", "window_uid": uid, "rev": 0}
    answer = office.send(accept)["answers"][0]
    assert answer["status"] == "refused"
    assert "draw a span or reject" in answer["message"]
    assert answer["item"]["state"] == "unseen"


def test_a_gallery_is_written_whole_or_not_at_all(office: Office) -> None:
    uids = office.uids()[:12]
    ops = [
        {
            "op_id": f"g{i}",
            "kind": "reject",
            "window_uid": uid,
            "rev": 0,
            "args": {"reason": "chop"},
        }
        for i, uid in enumerate(uids)
    ]
    office.decide(uids[7], "flag")
    answers = office.send(*ops, together=True)["answers"]
    assert {answer["status"] for answer in answers} == {"conflict"}
    assert office.query()["progress"]["rejected"] == 0
    ops[7]["rev"] = 1
    answers = office.send(*[op | {"op_id": op["op_id"] + "b"} for op in ops], together=True)[
        "answers"
    ]
    assert {answer["status"] for answer in answers} == {"done"}
    assert office.query()["progress"]["rejected"] == 12


def test_windows_that_share_the_bars_of_a_span_come_back_as_neighbours(office: Office) -> None:
    office.add_windows(50, 60)
    first = office.uids()[0]
    by_start = {row.bar_start: row.window_uid for row in office.store.windows()}
    answered = office.send(
        {
            "op_id": "d", "kind": "save_span", "window_uid": first, "rev": 0,
            "args": {"span_id": "1" * 16, "new": True, "start": 70, "end": 80},
        }
    )  # fmt: skip
    beside = {item["uid"]: item for item in answered["neighbours"]}
    assert set(beside) == {by_start[50], by_start[60]}
    assert [(s["start"], s["end"]) for s in beside[by_start[50]]["spans"]] == [(20, 30)]
    rejected = office.decide(by_start[210], "reject", reason="chop")
    assert rejected["status"] == "done"


def test_a_decision_without_a_span_reaches_no_neighbour(office: Office) -> None:
    office.add_windows(50)
    op = {
        "op_id": "r", "kind": "reject", "window_uid": office.uids()[0], "rev": 0,
        "args": {"reason": "chop"},
    }  # fmt: skip
    assert office.send(op)["neighbours"] == []


def test_undo_and_redo_walk_across_windows_and_restarts(office: Office) -> None:
    first, second = office.uids()[:2]
    office.decide(first, "reject", reason="chop")
    office.draw(second, 10, 20)
    office.restart()
    back = [office.send({"op_id": f"u{i}", "kind": "undo"})["answers"][0] for i in range(3)]
    assert [a["item"] and a["item"]["uid"] for a in back] == [second, first, None]
    assert "nothing to undo" in back[2]["message"]
    assert office.query()["progress"]["done"] == 0
    forth = [office.send({"op_id": f"f{i}", "kind": "redo"})["answers"][0] for i in range(2)]
    assert [a["item"]["uid"] for a in forth] == [first, second]
    assert office.query()["progress"] == {"done": 2, "total": 18, "rejected": 1, "kept": 1}


def catchable(office: Office) -> str:
    office.propose((325, 335, 3.0))
    views = office.store.views(annotator="ann")
    return next(v.window_uid for v in views if shift_bars(v.window_uid, v.proposals))


def test_a_catch_trial_shows_a_moved_proposal_and_never_becomes_a_label(office: Office) -> None:
    uid = catchable(office)
    real = office.store.window(uid, annotator="ann").proposals[0]
    shown = office.desk.window(uid, "ann", mode="catch")["proposals"][0]
    assert 6 <= abs(shown["start"] - real.start) <= 12
    assert shown["end"] - shown["start"] == real.end - real.start
    answer = office.decide(uid, "accept", mode="catch")
    assert answer["item"]["mode"] == "catch"
    assert [(s["start"], s["end"]) for s in answer["item"]["spans"]] == [
        (shown["start"], shown["end"])
    ]
    assert office.store.window(uid, annotator="ann").state == "proposed"
    trust = office.query()["trust"]
    assert (trust["caught"], trust["trials"]) == (1, 1)


def test_a_catch_accept_sent_again_writes_once(office: Office) -> None:
    uid = catchable(office)
    op = {"op_id": "c", "kind": "accept", "window_uid": uid, "rev": 0, "mode": "catch"}
    first = office.send(op)["answers"]
    n_events = len(office.store.events())
    again = office.send(op)["answers"]
    assert [a["rev"] for a in again] == [a["rev"] for a in first]
    assert len(office.store.events()) == n_events


def test_whoever_mends_or_rejects_a_moved_proposal_is_not_caught(office: Office) -> None:
    uid = catchable(office)
    real = office.store.window(uid, annotator="ann").proposals[0]
    office.draw(uid, real.start, real.end, mode="catch")
    office.decide(uid, "accept", mode="catch")
    assert office.query()["trust"]["caught"] == 0
    assert office.query()["trust"]["trials"] == 1


WRONG: dict[str, Any] = {
    "no list": {"op_id": "a"},
    "an empty list": [],
    "no object": ["accept"],
    "no op_id": [{"kind": "accept", "window_uid": "u", "rev": 0}],
    "an unknown kind": [{"op_id": "a", "kind": "erase", "window_uid": "u", "rev": 0}],
    "a rev that is no number": [{"op_id": "a", "kind": "flag", "window_uid": "u", "rev": "0"}],
    "a rev that is true": [{"op_id": "a", "kind": "flag", "window_uid": "u", "rev": True}],
    "args that are a list": [{"op_id": "a", "kind": "flag", "args": [1]}],
    "negative seconds": [{"op_id": "a", "kind": "flag", "seconds": -1}],
    "an unknown mode": [{"op_id": "a", "kind": "flag", "mode": "loud"}],
}


@pytest.mark.parametrize("ops", WRONG.values(), ids=WRONG.keys())
def test_what_is_no_operation_is_refused_in_a_sentence(office: Office, ops: Any) -> None:
    with pytest.raises(SchemaError, match=r"should (be|hold|have)"):
        office.desk.perform(ops, annotator="ann")
    assert len(office.store.events()) == 2  # the feed and its windows


def test_a_board_kept_up_by_events_is_the_board_read_anew(office: Office) -> None:
    office.add_windows(*range(20, 1_700, 35))
    office.propose(*((start, start + 8, 1.0) for start in range(30, 1_800, 60)))
    kept = Board(office.store, "ann")
    kept.refresh()
    uids = office.uids()
    for number in range(0, 40, 2):
        uid = uids[(number * 7) % len(uids)]
        name = "ann" if number % 3 else "bob"
        view = office.store.window(uid, annotator=name)
        if view.proposals:
            office.decide(uid, "accept", annotator=name)
        elif view.spans:
            office.decide(uid, "delete_span", annotator=name, span_id=view.spans[0].span_id)
        else:
            office.decide(uid, "reject", annotator=name, reason="chop")
        if number % 5 == 0:
            office.send({"op_id": f"undo-{number}", "kind": "undo"})
        kept.refresh()
    office.add_windows(777)
    kept.refresh()
    anew = Board(office.store, "ann")
    anew.refresh()
    assert list(kept.views) == list(anew.views)
    assert kept.views == anew.views
