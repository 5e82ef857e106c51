"""Decisions are written once, against what their author saw, and never break the span rules."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from moola.exceptions import ConflictError, SchemaError, StoreError, UnknownWindow
from moola.store import WindowView
from tests.store.store_desk import Desk

# drawing


def test_a_drawn_span_is_there_and_the_window_is_edited(desk: Desk) -> None:
    (uid,) = desk.add_windows(10)
    view = desk.store.save_span(uid, 50, 65, rev=0, op_id="draw", type="reversal")
    (span,) = view.spans
    assert (span.start, span.end, span.type, span.origin) == (50, 65, "reversal", "human")
    assert span.length_bars == 16
    assert (view.state, view.rev) == ("edited", 1)
    assert view.updated_at is not None
    assert desk.store.window(uid) == view


def test_a_moved_span_keeps_its_id_and_type(desk: Desk) -> None:
    (uid,) = desk.add_windows(10, spans=[(50, 65, "retracement")])
    before = desk.store.window(uid)
    moved = desk.store.save_span(
        uid, 40, 41, rev=before.rev, op_id="move", span_id=before.spans[0].span_id
    )
    (span,) = moved.spans
    assert (span.span_id, span.start, span.end) == (before.spans[0].span_id, 40, 41)
    assert (span.type, span.origin, moved.state) == ("retracement", "edited", "edited")


def test_spans_of_one_bar_and_of_the_whole_window_are_legal(desk: Desk) -> None:
    one, all_bars = desk.add_windows(0, 200)
    assert desk.draw(one, 104, 104).spans[0].length_bars == 1
    assert desk.draw(all_bars, 0, 104).spans[0].length_bars == 105


@pytest.mark.parametrize(("start", "end"), [(-1, 5), (0, 105), (60, 50)])
def test_a_span_outside_the_window_is_refused(desk: Desk, start: int, end: int) -> None:
    (uid,) = desk.add_windows(10)
    with pytest.raises(SchemaError):
        desk.draw(uid, start, end)
    assert desk.store.window(uid).rev == 0


@pytest.mark.parametrize(
    ("start", "end", "legal"),
    [(40, 49, True), (66, 70, True), (40, 50, False), (65, 70, False), (55, 56, False),
     (40, 80, False)],
)  # fmt: skip
def test_spans_share_no_bar_but_may_touch(desk: Desk, start: int, end: int, legal: bool) -> None:
    (uid,) = desk.add_windows(10)
    desk.draw(uid, 50, 65)
    if legal:
        assert len(desk.draw(uid, start, end).spans) == 2
        return
    with pytest.raises(StoreError, match=rf"Found {start}\.\.{end} over the span 50\.\.65"):
        desk.draw(uid, start, end)
    assert desk.spans(uid) == [(50, 65)]


def test_a_span_seen_only_in_part_still_holds_its_bars(desk: Desk) -> None:
    left, right = desk.add_windows(0, 60)
    desk.draw(left, 50, 65)
    with pytest.raises(StoreError, match=r"0\.\.3 over the span -10\.\.5"):
        desk.draw(right, 0, 3)
    assert desk.draw(right, 6, 9).spans[0].start == 6


def test_a_span_may_be_moved_over_its_own_bars_only(desk: Desk) -> None:
    (uid,) = desk.add_windows(10)
    first = desk.draw(uid, 10, 20).spans[0]
    rev = desk.draw(uid, 30, 40).rev
    moved = desk.store.save_span(uid, 15, 25, rev=rev, op_id="move", span_id=first.span_id)
    with pytest.raises(StoreError, match="share bars"):
        desk.store.save_span(uid, 15, 30, rev=moved.rev, op_id="far", span_id=first.span_id)


def test_a_span_of_another_window_is_not_touched(desk: Desk) -> None:
    near, far = desk.add_windows(0, 300)
    span = desk.draw(near, 50, 65).spans[0]
    for act in (
        lambda: desk.store.delete_span(far, span.span_id, rev=0, op_id="a"),
        lambda: desk.store.set_type(far, span.span_id, "reversal", rev=0, op_id="b"),
        lambda: desk.store.save_span(far, 1, 2, rev=0, op_id="c", span_id=span.span_id),
        lambda: desk.store.delete_span(near, "no such span", rev=1, op_id="d"),
    ):
        with pytest.raises(StoreError, match="should hold the span"):
            act()
    assert desk.spans(near) == [(50, 65)]


def test_a_span_drawn_over_a_proposal_takes_its_type(desk: Desk) -> None:
    (uid,) = desk.add_windows(100)
    desk.propose((120, 130, "retracement", 1.0))
    view = desk.store.save_span(uid, 18, 31, rev=0, op_id="draw")
    (span,) = view.spans
    assert (span.type, span.origin, span.direction) == ("retracement", "edited", "up")
    assert view.proposals == ()


def test_type_changes_are_kept(desk: Desk) -> None:
    (uid,) = desk.add_windows(10, spans=[(50, 65, "consolidation")])
    span = desk.store.window(uid).spans[0]
    view = desk.store.set_type(uid, span.span_id, "reversal", rev=1, op_id="type")
    assert (view.types, view.state) == (("reversal",), "edited")
    with pytest.raises(SchemaError, match="'breakout'"):
        desk.store.set_type(uid, span.span_id, "breakout", rev=2, op_id="x")  # type: ignore[arg-type]


# deciding


def test_accept_verifies_what_is_drawn(desk: Desk) -> None:
    (uid,) = desk.add_windows(10)
    desk.draw(uid, 50, 65)
    view = desk.accept(uid)
    assert (view.state, desk.spans(uid)) == ("verified", [(50, 65)])


def test_accepting_a_proposed_window_makes_its_proposals_spans(desk: Desk) -> None:
    (uid,) = desk.add_windows(100)
    desk.propose((120, 130, "retracement", 1.0), (150, 160, "reversal", 2.0))
    view = desk.accept(uid)
    assert [(s.start, s.end, s.type, s.origin) for s in view.spans] == [
        (20, 30, "retracement", "accepted"),
        (50, 60, "reversal", "accepted"),
    ]
    assert (view.state, view.proposals) == ("verified", ())


def test_accepting_a_drawn_window_leaves_other_proposals_out(desk: Desk) -> None:
    (uid,) = desk.add_windows(100)
    desk.propose((120, 130, "retracement", 1.0), (150, 160, "reversal", 2.0))
    desk.draw(uid, 18, 30)
    desk.accept(uid)
    assert desk.spans(uid) == [(18, 30)]


def test_accepting_nothing_is_refused(desk: Desk) -> None:
    (uid,) = desk.add_windows(10)
    with pytest.raises(StoreError, match="draw a span or reject it"):
        desk.accept(uid)


def test_reject_needs_a_known_reason_and_deletes_the_spans_inside(desk: Desk) -> None:
    uid, behind = desk.add_windows(10, 100)
    desk.draw(uid, 50, 65)
    desk.draw(behind, 30, 40)
    view = desk.reject(uid, "chop")
    assert (view.state, view.reason, view.spans) == ("rejected", "chop", ())
    assert desk.spans(behind) == [(30, 40)]
    with pytest.raises(SchemaError, match="'boredom'"):
        desk.reject(uid, "boredom")


def test_a_decision_after_a_rejection_drops_its_reason(desk: Desk) -> None:
    (uid,) = desk.add_windows(10)
    desk.reject(uid)
    view = desk.draw(uid, 50, 65)
    assert (view.state, view.reason) == ("edited", None)


def test_a_window_without_its_last_span_is_undecided_again(desk: Desk) -> None:
    (uid,) = desk.add_windows(10)
    first = desk.draw(uid, 10, 20).spans[0]
    second = desk.draw(uid, 30, 40).spans[1]
    one_left = desk.store.delete_span(uid, first.span_id, rev=2, op_id="one")
    assert (one_left.state, desk.spans(uid)) == ("edited", [(30, 40)])
    none_left = desk.store.delete_span(uid, second.span_id, rev=3, op_id="two")
    assert (none_left.state, none_left.rev) == ("unseen", 4)


def test_a_note_decides_nothing_and_outlives_decisions(desk: Desk) -> None:
    (uid,) = desk.add_windows(10)
    noted = desk.store.set_note(uid, "half a halt", rev=0, op_id="note")
    assert (noted.state, noted.note, noted.rev) == ("unseen", "half a halt", 1)
    rejected = desk.reject(uid, "gap_or_halt")
    assert (rejected.note, rejected.reason) == ("half a halt", "gap_or_halt")
    renoted = desk.store.set_note(uid, "a halt", rev=2, op_id="again")
    assert (renoted.state, renoted.reason) == ("rejected", "gap_or_halt")


# once, and against what was seen

Act = Callable[[Desk, WindowView, str], WindowView]
ACTS: dict[str, Act] = {
    "draw": lambda d, v, op: d.store.save_span(v.window_uid, 1, 4, rev=v.rev, op_id=op),
    "move": lambda d, v, op: d.store.save_span(
        v.window_uid, 51, 66, rev=v.rev, op_id=op, span_id=v.spans[0].span_id
    ),
    "type": lambda d, v, op: d.store.set_type(
        v.window_uid, v.spans[0].span_id, "reversal", rev=v.rev, op_id=op
    ),
    "delete": lambda d, v, op: d.store.delete_span(
        v.window_uid, v.spans[0].span_id, rev=v.rev, op_id=op
    ),
    "accept": lambda d, v, op: d.store.accept(v.window_uid, rev=v.rev, op_id=op),
    "reject": lambda d, v, op: d.store.reject(v.window_uid, rev=v.rev, op_id=op),
    "flag": lambda d, v, op: d.store.flag(v.window_uid, rev=v.rev, op_id=op),
    "note": lambda d, v, op: d.store.set_note(v.window_uid, "n", rev=v.rev, op_id=op),
}


@pytest.mark.parametrize("act", ACTS.values(), ids=list(ACTS))
def test_the_same_operation_twice_writes_once_and_answers_alike(desk: Desk, act: Act) -> None:
    (uid,) = desk.add_windows(10, spans=[(50, 65, "consolidation")])
    view = desk.store.window(uid)
    first = act(desk, view, "once")
    events = desk.store.events()
    assert act(desk, view, "once") == first, "although the revision has moved on"
    assert desk.store.events() == events


@pytest.mark.parametrize("act", ACTS.values(), ids=list(ACTS))
def test_a_change_of_what_was_not_seen_is_a_conflict(desk: Desk, act: Act) -> None:
    (uid,) = desk.add_windows(10, spans=[(50, 65, "consolidation")])
    seen = desk.store.window(uid)
    now = desk.store.flag(uid, rev=seen.rev, op_id="meanwhile")
    message = r"it is flagged now, with the span 50\.\.65 consolidation \(revision 2"
    with pytest.raises(ConflictError, match=message):
        act(desk, seen, "late")
    assert desk.store.window(uid) == now


def test_an_op_id_is_not_used_for_two_operations(desk: Desk) -> None:
    one, two = desk.add_windows(10, 300)
    desk.store.flag(one, rev=0, op_id="twice")
    with pytest.raises(StoreError, match="'twice' used before, for flag"):
        desk.store.flag(two, rev=0, op_id="twice")
    with pytest.raises(StoreError, match="'twice' used before, for flag"):
        desk.store.accept(one, rev=1, op_id="twice")


def test_a_refused_operation_leaves_no_trace_and_may_be_mended(desk: Desk) -> None:
    (uid,) = desk.add_windows(10)
    events = desk.store.events()
    with pytest.raises(StoreError):
        desk.store.accept(uid, rev=0, op_id="try")
    assert desk.store.events() == events
    with pytest.raises(UnknownWindow):
        desk.store.accept("nobody", rev=0, op_id="try")
    assert desk.store.flag(uid, rev=0, op_id="try").state == "flagged"


def test_events_tell_who_did_what_newest_first(desk: Desk) -> None:
    one, two = desk.add_windows(10, 300)
    desk.draw(one, 50, 65)
    desk.store.flag(two, rev=0, op_id="flag", annotator="ann")
    newest, drawn = desk.store.events(limit=2)
    assert (newest.kind, newest.annotator, newest.window_uid) == ("flag", "ann", two)
    assert drawn.payload["args"]["start"] == 50
    assert [event.kind for event in desk.store.events(window_uid=one)] == ["save_span"]
