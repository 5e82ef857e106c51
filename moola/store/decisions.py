"""What a person does to one window: draw, move, type, delete, accept, reject, flag, note, undo.

Every function works inside the transaction of an `Operation`. Spans belong to the series, so a
change made through one window may reach into its neighbours; `neighbours_told` sees to them.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import select

from moola.exceptions import ConflictError, StoreError
from moola.schema import (
    LABELLED_STATES,
    SPAN_TYPES,
    TRUE_NEGATIVE_REASONS,
    WINDOW_LENGTH,
    RejectReason,
    ReviewState,
    SpanType,
)
from moola.store import queries
from moola.store.changes import Operation, Row, changes_of, row_key, same_content
from moola.store.records import Event, WindowView
from moola.store.tables import STATE_TABLES, reviews, spans, windows


def open_window(op: Operation, window_uid: str, *, rev: int) -> WindowView:
    """Return the window to change; `ConflictError` if it is no longer at revision `rev`."""
    view = queries.load_view(op.connection, window_uid, op.annotator)
    if view.rev != rev:
        drawn = ", ".join(f"{span.start}..{span.end} {span.type}" for span in view.spans)
        raise ConflictError(
            f"Window {view.alias or window_uid} was changed meanwhile: it is {view.state} now, "
            f"with {f'the span {drawn}' if drawn else 'no span'} (revision {view.rev}, the change "
            f"was made to {rev})."
        )
    return view


def draw_span(
    op: Operation, view: WindowView, start: int, end: int, *, type: SpanType | None
) -> None:
    """Add a span; without a type it takes that of a proposal it is drawn over, or the first."""
    found = [item for item in view.proposals if item.start <= end and start <= item.end]
    proposal = max(found, key=lambda item: item.score, default=None)
    row = _new_span(op, view, start, end)
    row["type"] = type or (proposal.type if proposal else SPAN_TYPES[0])
    if proposal:
        row |= {
            "origin": "edited",
            "proposal_id": proposal.proposal_id,
            "direction": proposal.direction,
        }
    with neighbours_told(op, view):
        _put_span(op, view, row)
    decide(op, view, "edited")


def move_span(
    op: Operation, view: WindowView, span_id: str, start: int, end: int, *, type: SpanType | None
) -> None:
    """Move a span of the window, and give it another type if one is named."""
    row = _own_span(op, view, span_id)
    row |= {"seq_start": view.bar_start + start, "seq_end": view.bar_start + end}
    row |= {"type": type or row["type"], "origin": _edited(row)}
    with neighbours_told(op, view):
        _put_span(op, view, row)
    decide(op, view, "edited")


def set_type(op: Operation, view: WindowView, span_id: str, type: SpanType) -> None:
    """Give a span of the window its type."""
    row = _own_span(op, view, span_id)
    with neighbours_told(op, view):
        op.put(spans, row | {"type": type, "origin": _edited(row)})
    decide(op, view, "edited")


def delete_span(op: Operation, view: WindowView, span_id: str) -> None:
    """Delete a span; a window that is left without one is undecided again."""
    row = _own_span(op, view, span_id)
    with neighbours_told(op, view):
        op.put(spans, row | {"deleted_at": op.ts})
    decide(op, view, "edited" if len(view.spans) > 1 else None)


def accept(op: Operation, view: WindowView) -> None:
    """Take the window as drawn; in a proposed or empty one, its proposals become spans."""
    adopted = view.proposals if view.state == "proposed" or not view.spans else ()
    if not adopted and not view.spans:
        raise StoreError(
            "An accepted window should hold a span. Found none in "
            f"{view.alias or view.window_uid}: draw a span or reject it."
        )
    with neighbours_told(op, view):
        for item in adopted:
            row = _new_span(op, view, item.start, item.end) | {
                "type": item.type,
                "direction": item.direction,
                "origin": "accepted",
                "proposal_id": item.proposal_id,
            }
            _put_span(op, view, row)
    decide(op, view, "verified")


def reject(op: Operation, view: WindowView, reason: RejectReason) -> None:
    """Say that the window holds no expansion to learn; spans inside its view are deleted."""
    with neighbours_told(op, view):
        for span in view.spans:
            op.put(spans, _own_span(op, view, span.span_id) | {"deleted_at": op.ts})
    decide(op, view, "rejected", reason=reason)


def decide(
    op: Operation,
    view: WindowView,
    state: ReviewState | None,
    *,
    reason: RejectReason | None = None,
    note: str | None = None,
) -> None:
    """Write the decision about a window and count its revision."""
    op.put(
        reviews,
        {
            "window_uid": view.window_uid,
            "annotator": op.annotator,
            "state": state,
            "reason": reason,
            "note": view.note if note is None else note,
            "rev": view.rev + 1,
            "updated_at": op.ts,
        },
    )


def set_note(op: Operation, view: WindowView, note: str) -> None:
    """Write the note and leave the decision as it is."""
    review = op.get(reviews, view.window_uid, op.annotator) or {"state": None, "reason": None}
    decide(op, view, review["state"], reason=review["reason"], note=note)


@contextmanager
def neighbours_told(op: Operation, view: WindowView) -> Iterator[None]:
    """Bring decisions about overlapping windows up to date after their spans have changed."""
    near = {"series_ids": {view.series_id}, "bar_start": view.bar_start, "margin": WINDOW_LENGTH}
    before = queries.live_spans(op.connection, op.annotator, **near)
    yield
    after = queries.live_spans(op.connection, op.annotator, **near)
    query = (
        select(reviews, windows.c.bar_start)
        .join(windows)
        .where(
            windows.c.series_id == view.series_id,
            windows.c.bar_start.between(
                view.bar_start - queries.LAST, view.bar_start + queries.LAST
            ),
            windows.c.window_uid != view.window_uid,
            reviews.c.annotator == op.annotator,
        )
    )
    for row in op.connection.execute(query).mappings().all():
        review = dict(row)
        bar_start = review.pop("bar_start")
        tell(op, review, bar_start, before=before, after=after)


def tell(
    op: Operation, review: Row, bar_start: int, *, before: list[Row], after: list[Row]
) -> None:
    """Count a new revision of a decision whose spans changed; it is stale if they contradict it.

    A labelled window that lost its last span is, and so is one that was rejected as holding no
    expansion and now holds one.
    """
    old = [row for row in before if queries.lies_inside(row, bar_start)]
    new = [row for row in after if queries.lies_inside(row, bar_start)]
    if old == new:
        return
    lost = review["state"] in LABELLED_STATES and old and not new
    refuted = review["reason"] in TRUE_NEGATIVE_REASONS and new
    if lost or refuted:
        review |= {"state": "stale", "reason": None}
    op.put(reviews, review | {"rev": review["rev"] + 1, "updated_at": op.ts})


def take_back(op: Operation, event: Event) -> None:
    """Undo an event: put every row it changed back as it was.

    `ConflictError` if a row is no longer as the event left it. Revisions never go back, so that
    one who still holds the undone state cannot overwrite what came after.
    """
    for change in reversed(changes_of(event)):
        table = STATE_TABLES[change.table]
        current = op.get(table, *row_key(change))
        if change.is_bookkeeping:
            target = current
        elif same_content(current, change.after):
            target = change.before
        else:
            raise ConflictError(
                f"{event.kind.replace('_', ' ').capitalize()} cannot be undone: the {table.name} "
                "it changed has moved on since."
            )
        if table is reviews and current is not None:
            blank = {**current, "state": None, "reason": None, "note": ""}
            target = {**(target or blank), "rev": current["rev"] + 1, "updated_at": op.ts}
        if target is not None:
            op.put(table, target)
        elif current is not None:
            op.remove(table, current)
    _check_restored(op)


def _check_restored(op: Operation) -> None:
    """Refuse an undo whose rows no longer fit what others have added meanwhile."""
    for change in op.changes:
        row = change.after
        if change.table == spans.name and row and not row["deleted_at"] and _rivals(op, row):
            raise ConflictError(
                "The deletion of a span cannot be undone: another span lies on its bars now."
            )
    for change in op.changes:
        if change.table == reviews.name and change.after:
            _check_decision(op, change.after)


def _check_decision(op: Operation, review: Row) -> None:
    view = queries.load_view(op.connection, review["window_uid"], op.annotator)
    emptied = view.state in LABELLED_STATES and not view.spans
    refuted = view.reason in TRUE_NEGATIVE_REASONS and view.spans
    if emptied or refuted:
        raise ConflictError(
            f"The window {view.alias or view.window_uid} cannot be {view.state} again: its spans "
            "have changed since."
        )


def _new_span(op: Operation, view: WindowView, start: int, end: int) -> Row:
    return {
        "span_id": op.new_id(),
        "series_id": view.series_id,
        "annotator": op.annotator,
        "seq_start": view.bar_start + start,
        "seq_end": view.bar_start + end,
        "type": None,
        "direction": None,
        "origin": "human",
        "proposal_id": None,
        "deleted_at": None,
    }


def _put_span(op: Operation, view: WindowView, row: Row) -> None:
    """Write a live span; no two of an annotator may share a bar."""
    if rivals := _rivals(op, row):
        other, first = rivals[0], view.bar_start
        raise StoreError(
            f"Spans should not share bars. Found {row['seq_start'] - first}.."
            f"{row['seq_end'] - first} over the span {other['seq_start'] - first}.."
            f"{other['seq_end'] - first} {other['type']}."
        )
    op.put(spans, row)


def _rivals(op: Operation, row: Row) -> list[Row]:
    query = select(spans).where(
        spans.c.series_id == row["series_id"],
        spans.c.annotator == row["annotator"],
        spans.c.deleted_at.is_(None),
        spans.c.span_id != row["span_id"],
        spans.c.seq_start <= row["seq_end"],
        spans.c.seq_end >= row["seq_start"],
    )
    return [dict(found) for found in op.connection.execute(query).mappings()]


def _own_span(op: Operation, view: WindowView, span_id: str) -> Row:
    """Return a span that lies wholly in the window; others are edited through their own."""
    row = op.get(spans, span_id)
    if row is None or span_id not in {span.span_id for span in view.spans}:
        raise StoreError(
            f"Window {view.alias or view.window_uid} should hold the span {span_id}. Found "
            f"{len(view.spans)} other spans."
        )
    return row


def _edited(row: Row) -> str:
    return "human" if row["origin"] == "human" else "edited"
