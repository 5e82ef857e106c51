"""What a person does to one window: draw, move, describe, delete, accept, reject, flag, note.

Every function works inside the transaction of an `Operation`. Spans belong to the series, so a
change made through one window may reach into its neighbours; `neighbours_told` sees to them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from sqlalchemy import select

from moola.exceptions import ConflictError, StoreError
from moola.schema import (
    HIDING_MODES,
    LABELLED_STATES,
    SPAN_TYPES,
    TRUE_NEGATIVE_REASONS,
    WINDOW_LENGTH,
    RejectReason,
    ReviewState,
)
from moola.store import queries
from moola.store.bar_rows import LAST
from moola.store.changes import Operation, Row
from moola.store.records import WindowView
from moola.store.span_rows import described, moved, new_span, own_span, put_span
from moola.store.tables import reviews, spans, windows


def open_window(op: Operation, window_uid: str, *, rev: int) -> WindowView:
    """Return the window to change; `ConflictError` if it is no longer at revision `rev`."""
    view = queries.load_view(op.connection, window_uid, op.layer)
    if view.rev != rev:
        drawn = ", ".join(f"{span.start}..{span.end} {span.type}" for span in view.spans)
        raise ConflictError(
            f"Window {view.alias or window_uid} was changed meanwhile: it is {view.state} now, "
            f"with {f'the span {drawn}' if drawn else 'no span'} (revision {view.rev}, the change "
            f"was made to {rev})."
        )
    return view


def draw_span(
    op: Operation,
    view: WindowView,
    start: int,
    end: int,
    *,
    span_id: str | None = None,
    values: Mapping[str, Any],
) -> None:
    """Add a span; without a type it takes that of a proposal it is drawn over, or the first."""
    if span_id is not None and op.get(spans, span_id) is not None:
        raise StoreError(f"A new span should have an id of its own. Found {span_id} in use.")
    found = [item for item in view.proposals if item.start <= end and start <= item.end]
    if op.mode in HIDING_MODES:
        found = []  # he could not see them
    proposal = max(found, key=lambda item: item.score, default=None)
    row = new_span(op, view, start, end, span_id)
    row["type"] = proposal.type if proposal else SPAN_TYPES[0]
    if proposal:
        row |= {
            "origin": "edited",
            "proposal_id": proposal.proposal_id,
            "direction": proposal.direction,
        }
    with neighbours_told(op, view):
        put_span(op, view, described(row, view, values))
    decide(op, view, "edited")


def move_span(
    op: Operation, view: WindowView, span_id: str, start: int, end: int, values: Mapping[str, Any]
) -> None:
    """Move a span of the window, and say of it what `values` hold."""
    row = own_span(op, view, span_id)
    row = moved(row, view.bar_start + start, view.bar_start + end)
    row = described(row, view, values) | {"origin": _edited(row)}
    with neighbours_told(op, view):
        put_span(op, view, row)
    decide(op, view, "edited")


def set_span(op: Operation, view: WindowView, span_id: str, values: Mapping[str, Any]) -> None:
    """Say something of a span without moving it: its type, direction, grade, doubt."""
    row = own_span(op, view, span_id)
    row = described(row, view, values) | {"origin": _edited(row)}
    with neighbours_told(op, view):
        put_span(op, view, row)
    decide(op, view, "edited")


def delete_span(op: Operation, view: WindowView, span_id: str) -> None:
    """Delete a span; a window that is left without one is undecided again."""
    row = own_span(op, view, span_id)
    with neighbours_told(op, view):
        op.put(spans, row | {"deleted_at": op.ts})
    decide(op, view, "edited" if len(view.spans) > 1 else None)


def accept(op: Operation, view: WindowView) -> None:
    """Take the window as drawn; in a proposed or empty one, its proposals become spans."""
    adopted = view.proposals if view.state == "proposed" or not view.spans else ()
    if op.mode in HIDING_MODES:
        adopted = ()  # nobody accepts what he could not see
    if not adopted and not view.spans:
        raise StoreError(
            "An accepted window should hold a span. Found none in "
            f"{view.alias or view.window_uid}: draw a span or reject it."
        )
    with neighbours_told(op, view):
        for item in adopted:
            row = new_span(op, view, item.start, item.end, None) | {
                "type": item.type,
                "direction": item.direction,
                "origin": "accepted",
                "proposal_id": item.proposal_id,
            }
            put_span(op, view, row)
    decide(op, view, "verified")


def reject(
    op: Operation, view: WindowView, reason: RejectReason, *, note: str | None = None
) -> None:
    """Say that the window holds no expansion to learn; spans inside its view are deleted."""
    with neighbours_told(op, view):
        for span in view.spans:
            op.put(spans, own_span(op, view, span.span_id) | {"deleted_at": op.ts})
    decide(op, view, "rejected", reason=reason, note=note)


def adopt(op: Operation, view: WindowView, layer: str) -> None:
    """Take over what another layer says of the window: its decision, and its spans as they are."""
    if layer == op.layer:
        raise StoreError(f"A version to take over should be another layer's. Found {layer}'s own.")
    other = queries.load_view(op.connection, view.window_uid, layer)
    if other.state == "rejected" and other.reason is not None:
        reject(op, view, other.reason)
        return
    if other.state not in LABELLED_STATES:
        raise StoreError(
            f"A version to take over should keep or reject the window. Found that {layer} has it "
            f"{other.state}."
        )
    with neighbours_told(op, view):
        for span in view.spans:
            op.put(spans, own_span(op, view, span.span_id) | {"deleted_at": op.ts})
        for span in other.spans:
            row = op.get(spans, span.span_id) or {}
            own = {"span_id": op.new_id(), "annotator": op.layer, "origin": "accepted"}
            put_span(op, view, row | own)
    decide(op, view, "verified")


def set_reason(
    op: Operation, view: WindowView, reason: RejectReason, *, note: str | None = None
) -> None:
    """Give a rejected window another reason."""
    if view.state != "rejected":
        raise StoreError(
            f"A reason belongs to a rejected window. Found {view.alias or view.window_uid} "
            f"{view.state}."
        )
    op.seconds, op.mode = view.seconds, view.mode  # those of the decision itself
    decide(op, view, "rejected", reason=reason, note=note)


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
            "annotator": op.layer,
            "state": state,
            "reason": reason,
            "note": view.note if note is None else note,
            "rev": view.rev + 1,
            "updated_at": op.ts,
            # without a decision there is no time that it took
            "seconds": op.seconds if state else None,
            "mode": op.mode if state else "normal",
        },
    )


def set_note(op: Operation, view: WindowView, note: str) -> None:
    """Write the note and leave the decision as it is, with the time it took."""
    review = op.get(reviews, view.window_uid, op.layer) or {}
    op.seconds, op.mode = view.seconds, view.mode
    decide(op, view, review.get("state"), reason=review.get("reason"), note=note)


@contextmanager
def neighbours_told(op: Operation, view: WindowView) -> Iterator[None]:
    """Bring decisions about overlapping windows up to date after their spans have changed."""
    starts = (view.bar_start + shift for shift in (-WINDOW_LENGTH, 0, WINDOW_LENGTH))
    near = [(view.series_id, start) for start in starts]
    before = queries.live_spans(op.connection, op.layer, near)
    yield
    after = queries.live_spans(op.connection, op.layer, near)
    query = (
        select(reviews, windows.c.bar_start)
        .join(windows)
        .where(
            windows.c.series_id == view.series_id,
            windows.c.bar_start.between(view.bar_start - LAST, view.bar_start + LAST),
            windows.c.window_uid != view.window_uid,
            reviews.c.annotator == op.layer,
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


def _edited(row: Row) -> str:
    return "human" if row["origin"] == "human" else "edited"
