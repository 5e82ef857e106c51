"""Move what was said of a window that came alone to the feed whose bars hold it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, delete, select

from moola.exceptions import ConflictError, StoreError
from moola.proposals import proposal_id
from moola.schema import WINDOW_LENGTH
from moola.store import queries
from moola.store.changes import Operation, Row, event_of
from moola.store.decisions import neighbours_told
from moola.store.intake import put_window
from moola.store.moving import Move, standing_move
from moola.store.records import Event
from moola.store.span_rows import rivals
from moola.store.tables import (
    aliases,
    events,
    leases,
    proposals,
    reviews,
    series,
    spans,
    windows,
)
from moola.store.undoing import take_back
from moola.windows import window_uid


def rehome(
    op: Operation, series_id: str, to_series_id: str, shift: int, start_ts: datetime | None
) -> dict[str, Any]:
    """Move spans, decisions, names and proposals of all layers; the empty series goes.

    `StoreError` names everything in the feed that contradicts them, and moves nothing.
    """
    old, feed = _check_ends(op, series_id, to_series_id)
    put_window(op, queries.as_series(feed), shift, start_ts)
    found = _proposals(op, series_id)
    move = Move(
        series_id=series_id,
        to_series_id=to_series_id,
        shift=shift,
        proposals={row["proposal_id"]: _moved_id(row, to_series_id, shift) for row in found},
    )
    _refuse_contradictions(op, move)
    for row in found:
        _put_proposal(op, move, row)
    layers = _layers(op, move)
    n_spans = sum(_move_layer(replace(op, layer=layer), move) for layer in layers)
    names = _rows(op, aliases, aliases.c.window_uid == move.uid)
    for row in names:
        op.put(aliases, row | {"window_uid": move.to_uid})
    for row in found:
        op.remove(proposals, row)
    _remove_window(op, move.uid, old)
    return {
        "window_uid": move.to_uid,
        "n_spans": n_spans,
        "n_layers": len(layers),
        "n_aliases": len(names),
        "proposals": dict(move.proposals),
    }


def take_home(op: Operation, series_id: str) -> Event:
    """Take the move of a one-window series back; return the event that it undid.

    `ConflictError` if anything was decided about the window since: that is to be undone first.
    """
    found = standing_move(op.connection, window_uid(series_id, 0))
    event = event_of(op.connection, found[0]) if found else None
    if found is None or event is None:
        raise StoreError(f"The window of {series_id} should have been moved to a feed. It was not.")
    move = found[1]
    if _is_worked_on(op.connection, move.to_uid, event.seq):
        raise ConflictError(
            f"The window of {series_id} cannot go back to a series of its own: decisions about it "
            f"were made in {move.to_series_id} since. Undo them first."
        )
    take_back(op, event)
    return event


def _check_ends(op: Operation, series_id: str, to_series_id: str) -> tuple[Row, Row]:
    old, feed = op.get(series, series_id), op.get(series, to_series_id)
    if old is None:
        moved = standing_move(op.connection, window_uid(series_id, 0))
        where = f"it was moved to {moved[1].to_series_id} before" if moved else "none"
        raise StoreError(f"A series should have the id {series_id!r}. Found {where}.")
    if old["kind"] != "window" or old["n_bars"] != WINDOW_LENGTH:
        raise StoreError(
            f"A window can move that came alone. Found {series_id}, a {old['kind']} of "
            f"{old['n_bars']:,} bars."
        )
    if feed is None or feed["kind"] != "feed":
        raise StoreError(
            f"A window should move to a feed. Found {'none' if feed is None else 'no feed'} of "
            f"the id {to_series_id!r}."
        )
    return old, feed


def _refuse_contradictions(op: Operation, move: Move) -> None:
    if found := list(_contradictions(op, move)):
        raise StoreError(
            f"The window of {move.series_id} should fit bars {move.shift}.."
            f"{move.shift + WINDOW_LENGTH - 1} of {move.to_series_id}. Found {'; '.join(found)}."
        )


def _contradictions(op: Operation, move: Move) -> Iterator[str]:
    for layer in _layers(op, move):
        own = op.get(reviews, move.uid, layer)
        there = op.get(reviews, move.to_uid, layer)
        live = _live(op, move, layer)
        if _is_decided(there) and there and (_is_decided(own) or live):
            yield f"a window there that {layer} has decided: {there['state']}"
            continue
        for row in map(move.span, live):
            for rival in rivals(op, row):
                yield (
                    f"{_bars(row)} {row['type']} of {layer} over {_bars(rival)} {rival['type']} "
                    "there"
                )


def _move_layer(op: Operation, move: Move) -> int:
    """Move the spans and the decision of the operation's layer; return the number of live spans."""
    here = queries.load_view(op.connection, move.to_uid, op.layer)
    live = _live(op, move, op.layer)
    with neighbours_told(op, here):
        for row in _rows(
            op, spans, spans.c.series_id == move.series_id, spans.c.annotator == op.layer
        ):
            op.put(spans, move.span(row))
    own = op.get(reviews, move.uid, op.layer)
    there = op.get(reviews, move.to_uid, op.layer)
    if own is not None:
        is_untouched = there is None and not (here.spans or here.cut_spans)
        op.put(reviews, _joined(own, there, move, is_untouched=is_untouched))
        op.remove(reviews, own)
    return len(live)


def _joined(own: Row, there: Row | None, move: Move, *, is_untouched: bool) -> Row:
    """Return the decision about the feed's window.

    Where nothing was there, the window looks as it did and keeps its revision: what was decided on
    it and has not arrived yet is still good.
    """
    row = own | {"window_uid": move.to_uid}
    if is_untouched:
        return row
    notes = [item["note"] for item in (there, own) if item and item["note"]]
    rev = max(own["rev"], there["rev"] if there else 0) + 1
    kept = there if there and _is_decided(there) else row
    return kept | {"note": "\n".join(dict.fromkeys(notes)), "rev": rev}


def _put_proposal(op: Operation, move: Move, row: Row) -> None:
    new_id = move.proposals[row["proposal_id"]]
    if op.get(proposals, new_id) is None:  # else the feed has the same one
        bars = {name: row[name] + move.shift for name in ("seq_start", "seq_end")}
        ids = {
            "proposal_id": new_id,
            "series_id": move.to_series_id,
            "window_uid": move.to_uid,
        }
        op.put(proposals, row | bars | ids)


def _moved_id(row: Row, to_series_id: str, shift: int) -> str:
    return proposal_id(
        to_series_id, row["source"], row["seq_start"] + shift, row["seq_end"] + shift
    )


def _remove_window(op: Operation, uid: str, old: Row) -> None:
    op.connection.execute(delete(leases).where(leases.c.window_uid == uid))
    window = op.get(windows, uid)
    if window is not None:
        op.remove(windows, window)
    op.remove(series, old)


def _is_worked_on(connection: Connection, uid: str, after_seq: int) -> bool:
    """Return whether a decision about a window stands that is younger than an event."""
    undone = select(events.c.undoes).where(events.c.undoes.is_not(None))
    query = select(events.c.seq).where(
        events.c.window_uid == uid,
        events.c.seq > after_seq,
        events.c.kind != "undo",
        events.c.op_id.not_in(undone),
    )
    return connection.execute(query.limit(1)).scalar_one_or_none() is not None


def _layers(op: Operation, move: Move) -> list[str]:
    decided = select(reviews.c.annotator).where(reviews.c.window_uid == move.uid)
    drawn = select(spans.c.annotator).where(spans.c.series_id == move.series_id)
    found = op.connection.execute(decided.union(drawn)).scalars()
    return sorted(found)


def _live(op: Operation, move: Move, layer: str) -> list[Row]:
    return queries.series_spans(op.connection, layer, move.series_id)


def _proposals(op: Operation, series_id: str) -> list[Row]:
    return _rows(op, proposals, proposals.c.series_id == series_id)


def _rows(op: Operation, table: Any, *conditions: Any) -> list[Row]:
    query = select(table).where(*conditions).order_by(*table.primary_key)
    return [dict(row) for row in op.connection.execute(query).mappings()]


def _is_decided(review: Row | None) -> bool:
    """Return whether a review holds a judgement that another one could contradict."""
    return review is not None and review["state"] not in (None, "deferred")


def _bars(row: Row) -> str:
    return f"{row['seq_start']}..{row['seq_end']}"
