"""What comes into the store in bulk: series, windows of a label file, proposals of a rule."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import asdict
from datetime import UTC, datetime

from sqlalchemy import select

from moola.exceptions import RefusedRow, StoreError
from moola.proposals import ProposedSpan, window_start
from moola.schema import WINDOW_LENGTH
from moola.store import queries
from moola.store.changes import Operation, Row
from moola.store.decisions import tell
from moola.store.records import (
    ImportedSpan,
    ImportedWindow,
    ImportSummary,
    ProposeSummary,
    Series,
)
from moola.store.tables import aliases, proposals, reviews, series, spans, windows
from moola.tables import refuse_rows
from moola.windows import window_uid

TimeOf = Callable[[int], datetime | None]


def put_series(op: Operation, new: Series) -> Series:
    """Add a series; the same bars under the same id are there once."""
    known = op.get(series, new.series_id)
    if known is None:
        row = asdict(new)
        row |= {name: _text(row[name]) for name in ("start_ts", "end_ts")}
        op.put(series, row)
        return new
    if known["content_hash"] != new.content_hash:
        raise StoreError(
            f"The series id {new.series_id} should stand for one set of bars. Found other bars "
            "under it."
        )
    return queries.as_series(known)


def put_imported(
    op: Operation, imported: Sequence[ImportedWindow], *, source: str
) -> ImportSummary:
    """Add windows, their names and their spans; `ImportRefused` leaves nothing behind.

    A window without a decision becomes verified: its labels are a person's. A span that is there
    already is not added again; one that contradicts the store is refused with its row number.
    """
    by_series: defaultdict[str, list[ImportedWindow]] = defaultdict(list)
    for item in imported:
        by_series[put_series(op, item.series).series_id].append(item)
    n_new_windows = sum(_put_named_window(op, item, source) for item in imported)
    spans_before = len(op.changes)
    refused: list[RefusedRow] = []
    repaired: list[str] = []
    for series_id, items in by_series.items():
        _put_spans(op, series_id, items, refused=refused, repaired=repaired)
    n_rows = sum(len(item.spans) for item in imported)
    refuse_rows(sorted(refused, key=lambda at_fault: at_fault.row), n_rows, source)
    new_spans = [change for change in op.changes[spans_before:] if change.table == "span"]
    return ImportSummary(
        n_windows=len({_uid(item) for item in imported}),
        n_spans=len({_absolute(item, span) for item in imported for span in item.spans}),
        n_new_windows=n_new_windows,
        n_new_spans=len(new_spans),
        repaired=tuple(repaired),
    )


def put_proposals(
    op: Operation, owner: Series, found: Sequence[ProposedSpan], *, source: str, time_of: TimeOf
) -> ProposeSummary:
    """Add proposals, each with a window around it, except on bars that carry a span already."""
    live = queries.live_spans(op.connection, op.annotator, series_ids={owner.series_id})
    n_new = n_labelled = n_new_windows = 0
    for span in found:
        row = _proposal_row(owner, span, source)
        if op.get(proposals, row["proposal_id"]) is not None:
            continue
        if any(queries.overlaps(row, labelled) for labelled in live):
            n_labelled += 1
            continue
        start = window_start(span, owner.n_bars)
        n_new_windows += put_window(op, owner, start, time_of(start))
        op.put(proposals, row)
        n_new += 1
    return ProposeSummary(
        n_proposals=len(found), n_new=n_new, n_labelled=n_labelled, n_new_windows=n_new_windows
    )


def _proposal_row(owner: Series, span: ProposedSpan, source: str) -> Row:
    key = f"{owner.series_id}|{source}|{span.start}|{span.end}"
    return {
        "proposal_id": hashlib.sha1(key.encode()).hexdigest()[:16],
        "window_uid": window_uid(owner.series_id, window_start(span, owner.n_bars)),
        "series_id": owner.series_id,
        "source": source,
        "seq_start": int(span.start),
        "seq_end": int(span.end),
        "direction": span.direction,
        "type": span.type,
        "score": float(span.score),
    }


def put_window(op: Operation, owner: Series, bar_start: int, start: datetime | None) -> bool:
    """Add the view that begins at a bar; return whether it is new."""
    if not 0 <= bar_start <= owner.n_bars - WINDOW_LENGTH:
        raise StoreError(
            f"A window should lie in its series, 0..{owner.n_bars - WINDOW_LENGTH}. Found bar "
            f"{bar_start} ({owner.series_id})."
        )
    uid = window_uid(owner.series_id, bar_start)
    if op.get(windows, uid) is not None:
        return False
    row = {
        "window_uid": uid,
        "series_id": owner.series_id,
        "bar_start": int(bar_start),
        "n_bars": WINDOW_LENGTH,
        "start_ts": _text(start),
    }
    op.put(windows, row)
    return True


def _put_named_window(op: Operation, item: ImportedWindow, source: str) -> bool:
    is_new = put_window(op, item.series, item.bar_start, item.start_ts)
    for alias in item.aliases:
        known = op.get(aliases, alias, source)
        if known is not None and known["window_uid"] != _uid(item):
            raise StoreError(
                f"The name {alias!r} should mean one window of {source}. Found another one that "
                "has it already."
            )
        op.put(aliases, {"alias": alias, "source": source, "window_uid": _uid(item)})
    return is_new


def _put_spans(
    op: Operation,
    series_id: str,
    items: Sequence[ImportedWindow],
    *,
    refused: list[RefusedRow],
    repaired: list[str],
) -> None:
    """Add the spans of one series' windows, then decide the windows that nobody has decided."""
    before = queries.live_spans(op.connection, op.annotator, series_ids={series_id})
    live = list(before)
    row_of: dict[str, tuple[int, str]] = {}
    known = _reviews_of_series(op, series_id)
    for item, span in [(owner, span) for owner in items for span in owner.spans]:
        rivals = [row for row in live if queries.overlaps(row, _span_row(op, item, span))]
        if not rivals:
            if reason := _against_decision(known.get(_uid(item))):
                refused.append(RefusedRow(span.row, reason))
                continue
            row = _span_row(op, item, span) | {"span_id": op.new_id()}
            op.put(spans, row)
            live.append(row)
            row_of[row["span_id"]] = (span.row, _uid(item))
        elif _repeats(rivals, _span_row(op, item, span)):
            first, uid = row_of.get(rivals[0]["span_id"], (0, ""))
            if uid == _uid(item):  # in an overlapping window it is simply seen twice
                repaired.append(f"row {span.row} repeats row {first}; it was taken once")
        else:
            refused.append(RefusedRow(span.row, _overlap(item, span, rivals[0], row_of)))
    live.sort(key=lambda row: row["seq_start"])
    for review, bar_start in known.values():
        tell(op, dict(review), bar_start, before=before, after=live)
    for item in items:
        _verify(op, item)


def _reviews_of_series(op: Operation, series_id: str) -> dict[str, tuple[Row, int]]:
    query = (
        select(reviews, windows.c.bar_start)
        .join(windows)
        .where(windows.c.series_id == series_id, reviews.c.annotator == op.annotator)
    )
    found = [dict(row) for row in op.connection.execute(query).mappings()]
    return {row["window_uid"]: (row, row.pop("bar_start")) for row in found}


def _against_decision(known: tuple[Row, int] | None) -> str | None:
    if known is None or known[0]["state"] != "rejected":
        return None
    return f"its window was rejected before ({known[0]['reason']})"


def _repeats(rivals: Sequence[Row], row: Row) -> bool:
    same = ("seq_start", "seq_end", "type")
    return len(rivals) == 1 and all(rivals[0][name] == row[name] for name in same)


def _overlap(
    item: ImportedWindow, span: ImportedSpan, rival: Row, row_of: dict[str, tuple[int, str]]
) -> str:
    first = item.bar_start
    known = row_of.get(rival["span_id"])
    owner = f"of row {known[0]}" if known else "that is in the store already"
    start, end = rival["seq_start"] - first, rival["seq_end"] - first
    return (
        f"{span.type} {span.start}..{span.end} contradicts the span {start}..{end} {rival['type']} "
        f"{owner}, on the same bars"
    )


def _verify(op: Operation, item: ImportedWindow) -> None:
    known = op.get(reviews, _uid(item), op.annotator)
    if not item.spans or (known and known["state"]):
        return
    row = {
        "window_uid": _uid(item),
        "annotator": op.annotator,
        "state": "verified",
        "reason": None,
        "note": known["note"] if known else "",
        "rev": known["rev"] + 1 if known else 1,
        "updated_at": op.ts,
    }
    op.put(reviews, row)


def _span_row(op: Operation, item: ImportedWindow, span: ImportedSpan) -> Row:
    seq_start, seq_end = _absolute(item, span)[1:]
    return {
        "series_id": item.series.series_id,
        "annotator": op.annotator,
        "seq_start": seq_start,
        "seq_end": seq_end,
        "type": span.type,
        "direction": None,
        "origin": "import",
        "proposal_id": None,
        "deleted_at": None,
    }


def _uid(item: ImportedWindow) -> str:
    return window_uid(item.series.series_id, item.bar_start)


def _absolute(item: ImportedWindow, span: ImportedSpan) -> tuple[str, int, int]:
    return item.series.series_id, item.bar_start + span.start, item.bar_start + span.end


def _text(time: datetime | None) -> str | None:
    """Return a time as the store keeps it, in UTC; a time without a zone is no time."""
    if time is None:
        return None
    if time.tzinfo is None:
        raise StoreError(f"A time in the store should carry a zone. Found {time} without one.")
    return time.astimezone(UTC).isoformat()
