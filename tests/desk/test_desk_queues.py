"""Every queue on states made by hand: whom it holds, in which order, and who gets what."""

from __future__ import annotations

import pytest

from moola.exceptions import RunError, SchemaError
from tests.desk.conftest import N_WINDOWS, Office


def test_unlabelled_holds_what_a_person_has_not_decided_in_the_order_of_the_bars(
    office: Office,
) -> None:
    uids = office.uids()
    office.decide(uids[0], "reject", reason="chop")
    office.draw(uids[2], 10, 20)
    office.decide(uids[4], "set_note", note="seen, not decided")
    assert office.queue() == [uid for uid in uids if uid not in (uids[0], uids[2])]


def test_another_person_has_all_windows_before_him(office: Office) -> None:
    first = office.uids()[0]
    office.decide(first, "reject", reason="chop")
    assert office.queue("all", annotator="bob") == office.uids()
    assert first in office.queue(annotator="bob")


def test_proposals_come_by_score_until_one_beside_them_settles_them(office: Office) -> None:
    office.propose((20, 30, 1.0), (325, 335, 3.0), (120, 130, 2.0))
    items = office.query("proposals")["items"]
    # each is shown by the window that was there and by the one that was cut around it
    assert [item["proposals"][0]["score"] for item in items] == [3.0, 3.0, 2.0, 2.0, 1.0]
    office.decide(items[0]["uid"], "accept")
    assert office.queue("proposals") == [item["uid"] for item in items[2:]]


@pytest.mark.parametrize(("kind", "mode"), [("flag", "flagged"), ("defer", "deferred")])
def test_flagged_and_deferred_windows_have_queues(office: Office, kind: str, mode: str) -> None:
    uid = office.uids()[5]
    office.decide(uid, kind)
    assert office.queue(mode) == [uid]
    assert uid not in office.queue("unlabelled")
    office.decide(uid, "reject", reason="chop")
    assert office.queue(mode) == []


def test_a_decision_that_a_neighbour_contradicts_is_in_the_queue_stale(office: Office) -> None:
    first = office.uids()[0]
    office.add_windows(50)
    beside = next(row.window_uid for row in office.store.windows() if row.bar_start == 50)
    office.decide(first, "reject", reason="no_expansion")
    office.draw(beside, 10, 20)  # bars 60..70, which `first` shows as well
    assert office.queue("stale") == [first]


def test_disputed_are_the_windows_on_which_two_people_disagree(office: Office) -> None:
    agreed, disputed, single = office.uids()[:3]
    for name in ("ann", "bob"):
        office.decide(agreed, "reject", reason="chop", annotator=name)
    office.decide(disputed, "reject", reason="chop")
    office.draw(disputed, 10, 20, annotator="bob")
    office.decide(single, "reject", reason="chop")
    assert office.queue("disputed") == [disputed]
    assert office.query("disputed")["items"][0]["standing"] == "disputed"


def test_elsewhere_nobody_learns_that_another_disagrees(office: Office) -> None:
    uid = office.uids()[0]
    office.draw(uid, 10, 20, annotator="bob")
    answer = office.decide(uid, "reject", reason="chop")
    assert answer["item"]["standing"] == "single"
    assert office.query("all")["items"][0]["standing"] == "single"


def test_the_random_order_is_the_same_for_everybody_and_at_every_start(office: Office) -> None:
    order = office.queue("random")
    assert sorted(order) == sorted(office.uids())
    assert order != office.uids()
    for uid in order[:3]:
        office.decide(uid, "reject", reason="chop")
    office.restart()
    assert office.queue("random") == order[3:]
    office.store.release_claims("ann", "tab")
    assert office.queue("random", annotator="bob") == order


def test_blind_shows_no_proposal_and_does_not_give_one_away(office: Office) -> None:
    office.propose((20, 30, 1.0))
    items = office.query("blind")["items"]
    assert len(items) == len(office.uids())
    assert {item["mode"] for item in items} == {"blind"}
    assert {item["state"] for item in items} == {"unseen"}
    assert not any(item["proposals"] or item["model"] for item in items)


def test_a_blind_accept_adopts_nothing_that_was_hidden(office: Office) -> None:
    office.propose((20, 30, 1.0))
    uid = office.queue("proposals")[0]
    op = {"op_id": "x", "kind": "accept", "window_uid": uid, "rev": 0, "mode": "blind"}
    (answer,) = office.send(op)["answers"]
    assert answer["status"] == "refused"
    assert not office.store.window(uid, annotator="ann").spans


def test_repeats_are_own_decisions_of_yesterday_judged_once_more(office: Office) -> None:
    old, new, imported = office.uids()[:3]
    office.draw(old, 10, 20)
    office.age(old, hours=25)
    office.draw(new, 10, 20)
    office.age(new, hours=23)
    (item,) = office.query("repeats")["items"]
    assert (item["uid"], item["mode"], item["spans"], item["rev"]) == (old, "repeat", [], 0)
    office.decide(old, "reject", mode="repeat", reason="chop")
    assert office.queue("repeats") == []
    own, again = (office.store.window(old, annotator=name) for name in ("ann", "ann~repeat"))
    assert (own.state, again.state) == ("edited", "rejected")
    assert imported not in office.queue("repeats")


def test_the_queue_of_a_run_needs_the_run(office: Office) -> None:
    with pytest.raises(RunError, match="no-such-run"):
        office.queue("run", run="no-such-run")
    assert office.queue("run") == []


def test_an_unknown_queue_names_those_there_are(office: Office) -> None:
    with pytest.raises(SchemaError, match="unlabelled"):
        office.queue("newest")


def test_filters_narrow_the_queue_and_its_counts(office: Office) -> None:
    uids = office.uids()
    office.decide(uids[0], "reject", reason="chop")
    office.draw(uids[1], 10, 20, type="reversal")
    assert office.queue("all", filters={"states": frozenset({"rejected"})}) == [uids[0]]
    assert office.queue("all", filters={"types": frozenset({"reversal"})}) == [uids[1]]
    assert office.queue("all", filters={"series_id": "ES"}) == []
    cells = [item["facts"]["volatility"] for item in office.query("all")["items"]]
    calm = office.query("all", filters={"volatility": "calm"})
    assert len(calm["items"]) == calm["progress"]["total"] == cells.count("calm")
    assert {item["facts"]["volatility"] for item in calm["items"]} == {"calm"}
    assert office.queue("all", filters={"month": "2024-03"}) == uids
    assert office.queue("all", filters={"month": "2024-04"}) == []


def test_two_people_get_different_windows(office: Office) -> None:
    ann = office.queue(n=5)
    bob = office.queue(n=5, annotator="bob", client_id="other")
    assert not set(ann) & set(bob)
    assert office.queue(n=5) == ann  # one's own claim is no obstacle
    rest = office.query(n=100, annotator="bob", client_id="other")
    assert len(rest["items"]) == N_WINDOWS - 5
    assert rest["taken"] == 5


def test_claims_end_when_they_are_given_back(office: Office) -> None:
    ann = office.queue(n=5)
    office.store.release_claims("ann", "tab")
    assert office.queue(n=5, annotator="bob", client_id="other") == ann


def test_progress_counts_rejected_and_kept_and_pace_takes_the_last_fifty(office: Office) -> None:
    uids = office.uids()
    for uid in uids[:4]:
        office.decide(uid, "reject", reason="chop", seconds=2.0)
    office.draw(uids[4], 10, 20, seconds=7.0)
    found = office.query()
    assert found["progress"] == {"done": 5, "total": 18, "rejected": 4, "kept": 1}
    assert found["counts"]["unseen"] == found["total"] == 13
    assert found["pace"] == {"last50_s": 3.0, "left_s": 39.0}


def test_no_pace_is_claimed_before_anything_was_timed(office: Office) -> None:
    assert office.query()["pace"] == {"last50_s": None, "left_s": None}


def test_hasty_accepts_are_told_of_once_there_are_some(office: Office) -> None:
    told = []
    for uid in office.uids()[:5]:
        office.draw(uid, 10, 20)
        office.decide(uid, "accept", seconds=0.4)
        told.append(office.query()["trust"])
    assert [trust["warn"] for trust in told] == [False] * 4 + [True]
    assert (told[-1]["hasty"], told[-1]["accepts"]) == (5, 5)
