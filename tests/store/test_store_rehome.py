"""A window that came alone goes home to the feed that holds its bars, with all said of it."""

from __future__ import annotations

from typing import Any

import pytest

from moola.exceptions import ConflictError, StoreError
from moola.proposals import ProposedSpan
from moola.store import (
    GOLD,
    Answer,
    Decision,
    ImportedSpan,
    ImportedWindow,
    LabelStore,
    Rehomed,
    Series,
)
from moola.windows import window_uid
from tests.store.store_desk import FEED, Desk

ALONE = Series(
    series_id="W-0123456789ab",
    kind="window",
    symbol="old",
    bar=None,
    tick_size=0.25,
    content_hash="a" * 64,
    n_bars=105,
    start_ts=None,
    end_ts=None,
    source="old.parquet",
)
HERE = window_uid(ALONE.series_id, 0)
SHIFT = 300
THERE = window_uid(FEED.series_id, SHIFT)
SPAN = "a" * 16


def import_alone(desk: Desk) -> None:
    """One window by itself: a span 50..65, two names, and nobody but the file to say so."""
    window = ImportedWindow(
        series=ALONE, bar_start=0, start_ts=None, aliases=("X_exp_1", "X_exp_2"),
        spans=(ImportedSpan(start=50, end=65, type="reversal", row=1, start_range=(49, 52)),),
    )  # fmt: skip
    desk.store.import_labels([window], op_id="import", source="old")


def rehome(desk: Desk, op_id: str = "home", shift: int = SHIFT) -> Rehomed:
    return desk.store.rehome(ALONE.series_id, FEED.series_id, shift, op_id=op_id)


def do(desk: Desk, uid: str | None, kind: str, who: str = "anna", **fields: Any) -> Answer:
    options = {"layer": fields.pop("layer", None)}
    args = fields.pop("args", {})
    fields.setdefault("op_id", desk.op())
    if uid is not None and not {"rev", "after"} & set(fields):
        fields["rev"] = desk.store.window(uid, annotator=options["layer"] or who).rev
    decision = Decision(kind=kind, window_uid=uid, args=args, **fields)  # type: ignore[arg-type]
    (answer,) = desk.store.apply([decision], annotator=who, **options)
    return answer


def draw(desk: Desk, uid: str, start: int, end: int, who: str = "anna", **fields: Any) -> Answer:
    args = {"start": start, "end": end, "span_id": SPAN, "new": True}
    answer = do(desk, uid, "save_span", who, args=args, **fields)
    assert answer.status == "done", answer
    return answer


def test_spans_decisions_names_and_proposals_of_all_layers_move(desk: Desk) -> None:
    import_alone(desk)
    desk.store.propose(ALONE.series_id, [_proposed(80, 90)], op_id="propose")
    draw(desk, HERE, 10, 20, layer=GOLD)
    do(desk, HERE, "reject", "bob", args={"reason": "chop", "note": "noise"})
    before = {j.layer: j for j in desk.store.judgements()}

    found = rehome(desk)

    assert found == Rehomed(window_uid=THERE, n_spans=2, n_layers=3, n_aliases=2, n_proposals=1)
    after = {j.layer: j for j in desk.store.judgements()}
    assert {j.window_uid for j in after.values()} == {THERE}
    for layer, old in before.items():
        new = after[layer]
        same = ("state", "reason", "note", "spans", "mode", "seconds", "updated_at")
        assert [getattr(new, name) for name in same] == [getattr(old, name) for name in same]
    assert [series.series_id for series in desk.store.series()] == [FEED.series_id]
    assert desk.store.resolve("X_exp_2") == THERE
    assert desk.store.resolve(HERE) == THERE, "an old link still leads to the window"
    (view,) = desk.store.views(annotator="carol")
    assert [(item.start, item.end) for item in view.proposals] == [(80, 90)]
    assert desk.store.find_damage() == []


def test_the_same_rehome_twice_moves_once_and_answers_alike(desk: Desk) -> None:
    import_alone(desk)
    first, version = rehome(desk), desk.store.version()
    assert rehome(desk) == first
    assert desk.store.version() == version
    with pytest.raises(StoreError, match="moved to NQ-00000000 before"):
        rehome(desk, "again")


def test_proposals_are_those_that_a_run_on_the_feed_would_make(desk: Desk) -> None:
    import_alone(desk)
    desk.store.propose(ALONE.series_id, [_proposed(80, 90)], op_id="alone")
    rehome(desk)
    found = desk.store.propose(
        FEED.series_id, [_proposed(SHIFT + 80, SHIFT + 90)], op_id="on the feed"
    )
    assert (found.n_new, found.n_labelled) == (0, 0)


def test_a_proposal_that_the_feed_has_already_is_there_once(desk: Desk) -> None:
    import_alone(desk)
    for owner, shift in ((ALONE, 0), (FEED, SHIFT)):
        desk.store.propose(owner.series_id, [_proposed(80 + shift, 90 + shift)], op_id=desk.op())
    accepted = do(desk, HERE, "accept")
    assert accepted.status == "done"
    rehome(desk)
    assert [len(view.proposals) for view in desk.store.views(annotator="carol")] == [1, 1]
    assert desk.store.find_damage() == []


def test_a_window_that_the_same_layer_has_decided_there_refuses_the_move(desk: Desk) -> None:
    import_alone(desk)
    desk.add_windows(SHIFT)
    do(desk, THERE, "reject", "local")
    with pytest.raises(StoreError, match=r"a window there that local has decided: rejected"):
        rehome(desk)
    assert desk.store.window(HERE).state == "verified"
    assert desk.store.find_damage() == []


def test_spans_on_the_same_bars_refuse_the_move_and_are_named(desk: Desk) -> None:
    import_alone(desk)
    desk.add_windows(SHIFT + 40, spans=[(20, 30, "retracement")])
    with pytest.raises(StoreError, match=r"350\.\.365 reversal of local over 360\.\.370 retr"):
        rehome(desk)
    assert desk.spans(HERE) == [(50, 65)]


def test_another_layer_in_the_feed_is_no_contradiction(desk: Desk) -> None:
    import_alone(desk)
    desk.add_windows(SHIFT)
    draw(desk, THERE, 55, 70)
    do(desk, THERE, "defer", "local")
    rehome(desk)
    spans = {j.layer: [(s.start, s.end) for s in j.spans] for j in desk.store.judgements()}
    assert spans == {"anna": [(55, 70)], "local": [(50, 65)]}
    assert desk.store.window(THERE).state == "verified"


def test_overlapping_windows_of_the_feed_hear_of_the_spans_that_came(desk: Desk) -> None:
    import_alone(desk)
    (near,) = desk.add_windows(SHIFT + 20)
    do(desk, near, "reject", "local")
    rehome(desk)
    assert desk.store.window(near).state == "stale"
    desk.store.undo_rehome(ALONE.series_id, op_id="back")
    assert desk.store.window(near).state == "rejected"


def test_notes_of_both_places_are_kept(desk: Desk) -> None:
    import_alone(desk)
    desk.add_windows(SHIFT)
    for uid, note in ((HERE, "from the file"), (THERE, "from the feed")):
        do(desk, uid, "set_note", "local", args={"note": note})
    rehome(desk)
    assert desk.store.window(THERE).note == "from the feed\nfrom the file"


@pytest.mark.parametrize("shift", [-1, 896])
def test_a_place_outside_the_feed_is_refused(desk: Desk, shift: int) -> None:
    import_alone(desk)
    with pytest.raises(StoreError, match=r"should lie in its series, 0\.\.895"):
        rehome(desk, shift=shift)


def test_only_a_window_that_came_alone_moves_and_only_to_a_feed(desk: Desk) -> None:
    import_alone(desk)
    with pytest.raises(StoreError, match="A window can move that came alone"):
        desk.store.rehome(FEED.series_id, FEED.series_id, 0, op_id="feed to feed")
    with pytest.raises(StoreError, match="should move to a feed"):
        desk.store.rehome(ALONE.series_id, ALONE.series_id, 0, op_id="to itself")


def test_undo_and_redo_walk_through_decisions_made_before_and_after_the_move(desk: Desk) -> None:
    import_alone(desk)
    rows = [desk.store.window(HERE, annotator="anna")]
    draw(desk, HERE, 10, 20)
    rows.append(desk.store.window(HERE, annotator="anna"))
    move = {"start": 12, "end": 25, "span_id": SPAN}
    do(desk, HERE, "save_span", args=move)
    do(desk, None, "undo")
    rehome(desk)
    do(desk, None, "redo")
    do(desk, THERE, "accept")
    assert _seen(desk) == ("verified", [(12, 25)])
    for expected in (("edited", [(12, 25)]), ("edited", [(10, 20)]), ("unseen", [])):
        answer = do(desk, None, "undo")
        assert answer.view is not None
        assert answer.view.window_uid == THERE
        assert _seen(desk) == expected
    for expected in (("edited", [(10, 20)]), ("edited", [(12, 25)]), ("verified", [(12, 25)])):
        assert do(desk, None, "redo").status == "done"
        assert _seen(desk) == expected
    assert desk.store.find_damage() == []


def test_what_was_sent_for_the_old_window_arrives_at_the_new_one(desk: Desk) -> None:
    import_alone(desk)
    drawn = draw(desk, HERE, 10, 20, op_id="drawn")
    rehome(desk)
    again = draw(desk, HERE, 10, 20, op_id="drawn", rev=0)
    assert again.rev == drawn.rev
    assert again.view is not None
    assert again.view.window_uid == THERE
    late = do(desk, HERE, "accept", after="drawn")
    assert (late.status, desk.store.window(THERE, annotator="anna").state) == ("done", "verified")
    stale = do(desk, HERE, "flag", rev=1)
    assert stale.status == "conflict"
    assert stale.view is not None
    assert stale.view.window_uid == THERE


def test_a_move_can_be_taken_back_and_made_again(desk: Desk) -> None:
    import_alone(desk)
    draw(desk, HERE, 10, 20)
    desk.store.propose(ALONE.series_id, [_proposed(80, 90)], op_id="propose")
    content = [(j.layer, j.state, j.spans) for j in desk.store.judgements()]
    for n in range(2):
        rehome(desk, f"home {n}")
        desk.store.undo_rehome(ALONE.series_id, op_id=f"back {n}")
        desk.store.undo_rehome(ALONE.series_id, op_id=f"back {n}")
        assert {j.window_uid for j in desk.store.judgements()} == {HERE}
        assert [(j.layer, j.state, j.spans) for j in desk.store.judgements()] == content
        assert desk.store.resolve("X_exp_1") == HERE
        assert len(desk.store.window(HERE, annotator="carol").proposals) == 1
    do(desk, None, "undo")
    assert desk.store.window(HERE, annotator="anna").state == "proposed"
    assert desk.store.find_damage() == []


def test_a_move_is_not_taken_back_over_what_people_decided_since(desk: Desk) -> None:
    import_alone(desk)
    rehome(desk)
    draw(desk, THERE, 10, 20)
    with pytest.raises(ConflictError, match="Undo them first"):
        desk.store.undo_rehome(ALONE.series_id, op_id="too late")
    do(desk, None, "undo")
    desk.store.undo_rehome(ALONE.series_id, op_id="back")
    with pytest.raises(StoreError, match="should have been moved to a feed"):
        desk.store.undo_rehome(ALONE.series_id, op_id="back again")
    assert desk.store.find_damage() == []


def test_a_move_outlives_a_restart(desk: Desk) -> None:
    import_alone(desk)
    draw(desk, HERE, 10, 20)
    rehome(desk)
    desk.store.close()
    store = LabelStore.open(desk.url)
    view = store.undo(op_id="after restart", annotator="anna")
    assert view is not None
    assert (view.window_uid, view.spans) == (THERE, ())
    store.close()


def _proposed(start: int, end: int) -> ProposedSpan:
    return ProposedSpan(start, end, "up", "reversal", 1.0)


def _seen(desk: Desk) -> tuple[str, list[tuple[int, int]]]:
    view = desk.store.window(THERE, annotator="anna")
    return view.state, [(span.start, span.end) for span in view.spans]
