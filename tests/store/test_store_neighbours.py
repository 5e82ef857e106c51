"""Overlapping windows share their spans, and hear of every change made through another one."""

from __future__ import annotations

import pytest

from moola.exceptions import ConflictError
from tests.store.store_desk import Desk


def test_a_span_drawn_in_one_window_is_seen_in_the_next(desk: Desk) -> None:
    left, right = desk.add_windows(0, 40)
    desk.draw(left, 50, 65)
    assert desk.spans(right) == [(10, 25)]
    assert desk.store.window(right).state == "unseen", "nobody has decided about it"
    assert desk.accept(right).state == "verified"


def test_a_span_may_be_moved_through_either_window(desk: Desk) -> None:
    left, right = desk.add_windows(0, 40)
    span = desk.draw(left, 50, 65).spans[0]
    desk.store.save_span(right, 11, 25, rev=0, op_id="move", span_id=span.span_id)
    assert desk.spans(left) == [(51, 65)]


@pytest.mark.parametrize("first", ["accepted", "drawn"])
def test_a_labelled_window_that_loses_its_last_span_goes_stale(desk: Desk, first: str) -> None:
    left, right = desk.add_windows(0, 40)
    span = desk.draw(left, 50, 65).spans[0]
    if first == "accepted":
        desk.accept(left)
    desk.store.delete_span(right, span.span_id, rev=0, op_id="delete")
    assert desk.store.window(left).state == "stale"


def test_moving_a_span_out_of_a_neighbour_leaves_it_stale(desk: Desk) -> None:
    left, right = desk.add_windows(0, 40)
    span = desk.draw(left, 90, 100).spans[0]
    desk.accept(left)
    desk.store.save_span(right, 65, 75, rev=0, op_id="move", span_id=span.span_id)
    view = desk.store.window(left)
    assert (view.state, view.spans) == ("stale", ())
    assert desk.store.window(right).state == "edited"


def test_a_rejection_reaches_the_neighbours_whose_spans_it_deletes(desk: Desk) -> None:
    left, middle, right = desk.add_windows(0, 40, 80)
    desk.draw(left, 10, 20)
    desk.draw(middle, 15, 20)
    desk.draw(right, 70, 80)
    for uid in (left, middle, right):
        desk.accept(uid)
    desk.reject(middle)
    assert desk.store.window(left).state == "verified", "it has another span"
    assert desk.spans(left) == [(10, 20)]
    assert desk.store.window(right).state == "verified", "its span is outside the rejected view"


def test_a_window_with_another_span_stays_labelled(desk: Desk) -> None:
    left, right = desk.add_windows(0, 40)
    shared = desk.draw(left, 50, 65).spans[0]
    desk.draw(left, 5, 9)
    desk.accept(left)
    desk.store.delete_span(right, shared.span_id, rev=0, op_id="delete")
    assert desk.store.window(left).state == "verified"


def test_a_rejected_window_that_holds_a_span_after_all_goes_stale(desk: Desk) -> None:
    empty, broken, other = desk.add_windows(0, 10, 40)
    desk.reject(empty, "no_expansion")
    desk.reject(broken, "bad_bars")
    desk.draw(other, 10, 25)
    assert desk.store.window(empty).state == "stale"
    assert desk.store.window(empty).reason is None
    assert desk.store.window(broken).state == "rejected", "bad bars stay bad"


def test_an_import_reaches_decisions_about_overlapping_windows(desk: Desk) -> None:
    (empty,) = desk.add_windows(0)
    desk.reject(empty)
    desk.add_windows(40, spans=[(10, 25, "reversal")])
    assert desk.store.window(empty).state == "stale"


def test_a_change_through_a_neighbour_is_a_conflict_for_who_has_not_seen_it(desk: Desk) -> None:
    left, right = desk.add_windows(0, 40)
    seen = desk.draw(left, 50, 65)
    desk.store.save_span(right, 10, 30, rev=0, op_id="move", span_id=seen.spans[0].span_id)
    with pytest.raises(ConflictError, match=r"50\.\.70"):
        desk.store.accept(left, rev=seen.rev, op_id="late")


def test_a_change_elsewhere_is_no_conflict(desk: Desk) -> None:
    left, right = desk.add_windows(0, 40)
    seen = desk.draw(left, 50, 65)
    desk.draw(right, 80, 90)
    assert desk.store.accept(left, rev=seen.rev, op_id="fine").state == "verified"


def test_proposals_taken_through_a_neighbour_are_spans_there(desk: Desk) -> None:
    left, right = desk.add_windows(0, 40)
    desk.propose((50, 60, "reversal", 1.0), (120, 130, "reversal", 1.0))
    desk.accept(left)
    view = desk.store.window(right)
    assert view.state == "proposed", "it still has to be looked at"
    assert desk.spans(right) == [(10, 20)]
    assert [(item.start, item.end) for item in view.proposals] == [(80, 90)]
    desk.accept(right)
    assert desk.spans(right) == [(10, 20), (80, 90)]
