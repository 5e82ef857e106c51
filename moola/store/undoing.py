"""Take an event back, or take the taking back back: compensating events, never deleted ones."""

from __future__ import annotations

from moola.exceptions import ConflictError
from moola.schema import LABELLED_STATES, TRUE_NEGATIVE_REASONS
from moola.store import queries
from moola.store.changes import Operation, Row, changes_of, row_key, same_content
from moola.store.moving import standing_move
from moola.store.records import Event
from moola.store.span_rows import rivals
from moola.store.tables import STATE_TABLES, proposals, reviews, spans, windows

UNDECIDED: Row = {"state": None, "reason": None, "seconds": None, "mode": "normal"}


def take_back(op: Operation, event: Event) -> None:
    """Undo an event: put every row it changed back as it was.

    `ConflictError` if a row is no longer as the event left it. Revisions never go back, so that
    one who still holds the undone state cannot overwrite what came after.
    """
    op.undoes = event.op_id
    moved = standing_move(op.connection, event.window_uid, after_seq=event.seq)
    for change in reversed(changes_of(event)):
        if change.before is None and change.table in (windows.name, proposals.name):
            continue  # a view of the feed stays: others may have begun to work on it
        change = moved[1].change(change) if moved else change
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
            blank = {**current, **UNDECIDED, "note": ""}
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
        if change.table == spans.name and row and not row["deleted_at"] and rivals(op, row):
            raise ConflictError(
                "The deletion of a span cannot be undone: another span lies on its bars now."
            )
    for change in op.changes:
        if change.table == reviews.name and change.after:
            _check_decision(op, change.after)


def _check_decision(op: Operation, review: Row) -> None:
    view = queries.load_view(op.connection, review["window_uid"], review["annotator"])
    emptied = view.state in LABELLED_STATES and not view.spans
    refuted = view.reason in TRUE_NEGATIVE_REASONS and view.spans
    if emptied or refuted:
        raise ConflictError(
            f"The window {view.alias or view.window_uid} cannot be {view.state} again: its spans "
            "have changed since."
        )
