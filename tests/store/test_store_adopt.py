"""Taking over another layer's version of a window: one event, all of it, and undone as one."""

from __future__ import annotations

from itertools import count
from typing import Any

import pytest

from moola.store import GOLD, Answer, Decision, WindowView
from tests.store.store_desk import Desk

numbers = count()


def decide(desk: Desk, uid: str, kind: Any, who: str, on: str | None = None, **args) -> Answer:
    rev = desk.store.window(uid, annotator=on or who).rev
    decision = Decision(
        op_id=f"adopt-{next(numbers)}", kind=kind, window_uid=uid, rev=rev, args=args
    )
    return desk.store.apply([decision], annotator=who, layer=on)[0]


def draw(desk: Desk, uid: str, who: str, start: int, end: int, **values) -> str:
    span_id = f"{next(numbers):016x}"
    answer = decide(
        desk, uid, "save_span", who, span_id=span_id, new=True, start=start, end=end, **values
    )
    assert answer.status == "done"
    return span_id


def adopt(desk: Desk, uid: str, layer: str) -> Answer:
    return decide(desk, uid, "adopt", "cleo", GOLD, layer=layer)


def gold(desk: Desk, uid: str) -> WindowView:
    return desk.store.window(uid, annotator=GOLD)


def test_every_span_is_taken_over_with_all_that_was_said_of_it(desk: Desk) -> None:
    (uid,) = desk.add_windows(0)
    own = draw(
        desk, uid, "anna", 50, 65, type="reversal", direction="down", grade="B", confidence=3,
        start_range=[48, 51], pre_start=40,
    )  # fmt: skip
    draw(desk, uid, "anna", 80, 90)
    assert adopt(desk, uid, "anna").status == "done"
    view = gold(desk, uid)
    assert view.state == "verified"
    assert [(span.start, span.end) for span in view.spans] == [(50, 65), (80, 90)]
    taken = view.spans[0]
    assert taken.span_id != own
    assert (taken.type, taken.direction, taken.grade, taken.confidence, taken.origin) == (
        "reversal", "down", "B", 3, "accepted",
    )  # fmt: skip
    assert (taken.start_range, taken.pre_start) == ((48, 51), 40)
    assert len(desk.store.window(uid, annotator="anna").spans) == 2


def test_another_version_replaces_the_one_taken_before(desk: Desk) -> None:
    (uid,) = desk.add_windows(0)
    draw(desk, uid, "anna", 50, 65)
    draw(desk, uid, "ben", 52, 60)
    adopt(desk, uid, "anna")
    adopt(desk, uid, "ben")
    assert [(span.start, span.end) for span in gold(desk, uid).spans] == [(52, 60)]


def test_a_rejection_is_taken_over_with_its_reason(desk: Desk) -> None:
    (uid,) = desk.add_windows(0)
    draw(desk, uid, "anna", 50, 65)
    decide(desk, uid, "reject", "ben", reason="chop")
    adopt(desk, uid, "anna")
    assert adopt(desk, uid, "ben").status == "done"
    assert (gold(desk, uid).state, gold(desk, uid).reason) == ("rejected", "chop")
    assert gold(desk, uid).spans == ()


def test_it_is_one_event_of_the_adjudicator_and_one_undo_takes_it_back(desk: Desk) -> None:
    (uid,) = desk.add_windows(0)
    draw(desk, uid, "anna", 50, 65)
    draw(desk, uid, "anna", 80, 90)
    version = desk.store.version()
    adopt(desk, uid, "anna")
    assert desk.store.version() == version + 1
    event = desk.store.events(limit=1)[0]
    assert (event.kind, event.annotator, event.payload["layer"]) == ("adopt", "cleo", GOLD)
    answer = desk.store.apply([Decision(op_id="back", kind="undo")], annotator="cleo")[0]
    assert answer.status == "done"
    assert (gold(desk, uid).state, gold(desk, uid).spans) == ("unseen", ())
    desk.store.apply([Decision(op_id="forth", kind="redo")], annotator="cleo")
    assert len(gold(desk, uid).spans) == 2
    assert desk.store.find_damage() == []


@pytest.mark.parametrize("state", ["unseen", "flagged", "deferred"])
def test_a_version_without_an_answer_is_refused(desk: Desk, state: str) -> None:
    (uid,) = desk.add_windows(0)
    if state != "unseen":
        decide(desk, uid, {"flagged": "flag", "deferred": "defer"}[state], "anna")
    answer = adopt(desk, uid, "anna")
    assert answer.status == "refused"
    assert f"anna has it {state}" in (answer.message or "")
    assert gold(desk, uid).rev == 0


def test_a_layers_own_version_cannot_be_taken_over(desk: Desk) -> None:
    (uid,) = desk.add_windows(0)
    draw(desk, uid, "anna", 50, 65)
    adopt(desk, uid, "anna")
    answer = adopt(desk, uid, GOLD)
    assert answer.status == "refused"
    assert "another layer's" in (answer.message or "")
    assert len(gold(desk, uid).spans) == 1


def test_a_gold_span_that_crosses_the_border_is_not_written_over(desk: Desk) -> None:
    near, far = desk.add_windows(0, 60)
    draw(desk, near, "anna", 50, 70)
    draw(desk, far, "ben", 0, 15)  # bars 60..75 of the series
    adopt(desk, near, "anna")
    answer = adopt(desk, far, "ben")
    assert answer.status == "refused"
    assert "should not share bars" in (answer.message or "")
    assert (gold(desk, far).spans, gold(desk, far).state) == ((), "unseen")
    assert len(gold(desk, near).spans) == 1
