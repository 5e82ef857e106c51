"""Undo walks back through a person's decisions, and stops where somebody else has built on them."""

from __future__ import annotations

import pytest

from moola.exceptions import ConflictError
from moola.store import LabelStore, WindowView
from tests.store.store_desk import Desk


def content(view: WindowView) -> tuple[object, ...]:
    """What a person sees of a window: everything but the count of revisions."""
    return (view.state, view.reason, view.note, view.spans, view.proposals)


def test_nothing_to_undo_is_told_apart(desk: Desk) -> None:
    assert desk.undo() is None
    desk.add_windows(10, spans=[(50, 65, "reversal")])
    assert desk.undo() is None, "an import is no decision of a person"


def test_undo_walks_back_through_several_decisions(desk: Desk) -> None:
    one, two = desk.add_windows(100, 400)
    desk.propose((120, 130, "retracement", 1.0))
    states = [(uid, content(desk.store.window(uid))) for uid in (one, two)]
    history = [states]
    desk.accept(one)
    desk.draw(two, 50, 65)
    span = desk.store.window(one).spans[0]
    steps = [
        lambda: desk.store.save_span(
            one, 19, 33, rev=desk.rev(one), op_id="move", span_id=span.span_id
        ),
        lambda: desk.store.set_type(one, span.span_id, "reversal", rev=desk.rev(one), op_id="type"),
        lambda: desk.store.set_note(one, "odd", rev=desk.rev(one), op_id="note"),
        lambda: desk.store.delete_span(one, span.span_id, rev=desk.rev(one), op_id="delete"),
        lambda: desk.reject(two, "chop"),
        lambda: desk.store.flag(one, rev=desk.rev(one), op_id="flag"),
    ]
    for step in steps:
        history.append([(uid, content(desk.store.window(uid))) for uid in (one, two)])
        step()
    for before in reversed(history[1:]):
        assert desk.undo() is not None
        assert [(uid, content(desk.store.window(uid))) for uid in (one, two)] == before
    desk.undo()
    desk.undo()
    assert [(uid, content(desk.store.window(uid))) for uid in (one, two)] == states
    assert desk.undo() is None


def test_undo_answers_with_the_window_it_changed(desk: Desk) -> None:
    one, two = desk.add_windows(0, 300)
    desk.draw(one, 50, 65)
    desk.reject(two)
    undone = desk.undo()
    assert undone is not None
    assert (undone.window_uid, undone.state) == (two, "unseen")


def test_undo_outlives_a_restart(desk: Desk) -> None:
    (uid,) = desk.add_windows(0)
    desk.draw(uid, 50, 65)
    desk.store.close()
    view = LabelStore.open(desk.url).undo(op_id="after restart")
    assert view is not None
    assert view.spans == ()


def test_after_an_undo_new_decisions_are_undone_first(desk: Desk) -> None:
    (uid,) = desk.add_windows(0)
    desk.draw(uid, 10, 20)
    desk.draw(uid, 30, 40)
    desk.undo()
    desk.draw(uid, 50, 60)
    assert desk.spans(uid) == [(10, 20), (50, 60)]
    desk.undo()
    assert desk.spans(uid) == [(10, 20)]
    desk.undo()
    assert desk.spans(uid) == []


def test_the_same_undo_twice_undoes_once(desk: Desk) -> None:
    (uid,) = desk.add_windows(0)
    desk.draw(uid, 10, 20)
    desk.draw(uid, 30, 40)
    first = desk.store.undo(op_id="once")
    assert desk.store.undo(op_id="once") == first
    assert desk.spans(uid) == [(10, 20)]


def test_revisions_never_go_back(desk: Desk) -> None:
    (uid,) = desk.add_windows(0)
    seen = desk.draw(uid, 10, 20)
    undone = desk.undo()
    assert undone is not None
    assert undone.rev == seen.rev + 1
    redrawn = desk.draw(uid, 30, 40)
    assert redrawn.rev > undone.rev
    with pytest.raises(ConflictError):
        desk.store.accept(uid, rev=seen.rev, op_id="late")


def test_undo_brings_neighbours_back_too(desk: Desk) -> None:
    left, right = desk.add_windows(0, 40)
    desk.draw(left, 50, 65)
    desk.accept(left)
    desk.reject(right)
    assert desk.store.window(left).state == "stale"
    desk.undo()
    assert desk.store.window(left).state == "verified"
    assert desk.spans(left) == [(50, 65)]


def test_one_person_never_undoes_another(desk: Desk) -> None:
    (uid,) = desk.add_windows(0)
    desk.store.save_span(uid, 1, 5, rev=0, op_id="hers", annotator="ann")
    assert desk.undo() is None
    assert desk.store.undo(op_id="u", annotator="ann") is not None


def test_undo_is_refused_when_the_row_moved_on(desk: Desk) -> None:
    (empty,) = desk.add_windows(0)
    desk.reject(empty)
    desk.add_windows(40, spans=[(10, 25, "reversal")])  # makes the rejection stale
    before = desk.store.views(), desk.store.events()
    with pytest.raises(ConflictError, match="Reject cannot be undone: the review"):
        desk.undo()
    assert (desk.store.views(), desk.store.events()) == before


def test_undo_is_refused_when_the_bars_are_taken(desk: Desk) -> None:
    left, right = desk.add_windows(0, 300)
    span = desk.draw(left, 50, 65).spans[0]
    desk.store.delete_span(left, span.span_id, rev=1, op_id="delete")
    desk.add_windows(45, spans=[(10, 15, "reversal")])
    with pytest.raises(ConflictError, match="another span lies on its bars"):
        desk.undo()
    assert desk.spans(left) == [(55, 60)]
    assert desk.spans(right) == []


def test_undo_is_refused_when_the_decision_no_longer_fits_the_spans(desk: Desk) -> None:
    (uid,) = desk.add_windows(0)
    desk.propose((50, 60, "reversal", 1.0))
    desk.reject(uid)
    desk.accept(uid)
    desk.add_windows(10, spans=[(0, 9, "reversal")])
    with pytest.raises(ConflictError, match="cannot be rejected again"):
        desk.undo()
    assert desk.spans(uid) == [(10, 19), (50, 60)]
