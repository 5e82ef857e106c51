"""What a label file brings into the store: windows, their names, their spans and decisions."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from sqlalchemy import select

from moola.exceptions import RefusedRow, StoreError
from moola.store import queries
from moola.store.changes import Operation, Row
from moola.store.decisions import tell
from moola.store.incoming import ImportedSpan, ImportedWindow, ImportSummary
from moola.store.intake import put_series, put_window
from moola.store.span_rows import current_rule_version, is_turning_point
from moola.store.tables import aliases, reviews, spans, windows
from moola.tables import refuse_rows
from moola.windows import window_uid


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
    before = queries.live_spans(op.connection, op.layer, series_ids={series_id})
    live = list(before)
    row_of: dict[str, tuple[int, str]] = {}
    known = _reviews_of_series(op, series_id)
    for item, span in [(owner, span) for owner in items for span in owner.spans]:
        new = _span_row(op, item, span)
        rivals = [
            row for row in live if queries.overlaps(row, new) and not is_turning_point(row, new)
        ]
        if not rivals:
            if reason := _against_decision(known.get(_uid(item))):
                refused.append(RefusedRow(span.row, reason))
                continue
            row = new | {"span_id": op.new_id()}
            op.put(spans, row)
            live.append(row)
            row_of[row["span_id"]] = (span.row, _uid(item))
        elif _repeats(rivals, new):
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
        .where(windows.c.series_id == series_id, reviews.c.annotator == op.layer)
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
    """Decide a window that nobody has decided: its labels are a person's, and so is a rejection."""
    known = op.get(reviews, _uid(item), op.layer)
    is_decided = bool(item.spans) or item.state != "verified"
    if not is_decided or (known and known["state"]):
        return
    row = {
        "window_uid": _uid(item),
        "annotator": op.layer,
        "state": item.state,
        "reason": item.reason,
        "note": item.note or (known["note"] if known else ""),
        "rev": known["rev"] + 1 if known else 1,
        "updated_at": op.ts,
        "seconds": None,
        "mode": "normal",
    }
    op.put(reviews, row)


def _span_row(op: Operation, item: ImportedWindow, span: ImportedSpan) -> Row:
    """Return the row of an imported span; an id is given to it when it is written."""
    seq_start, seq_end = _absolute(item, span)[1:]
    ranges = {
        name: None if bar is None else item.bar_start + bar
        for columns, pair in (
            (("start_lo", "start_hi"), span.start_range),
            (("end_lo", "end_hi"), span.end_range),
        )
        for name, bar in zip(columns, pair or (None, None), strict=True)
    }
    return {
        "series_id": item.series.series_id,
        "annotator": op.layer,
        "seq_start": seq_start,
        "seq_end": seq_end,
        "type": span.type,
        "direction": span.direction,
        "origin": "import",
        "proposal_id": None,
        "deleted_at": None,
        "grade": span.grade,
        "confidence": span.confidence,
        **ranges,
        "pre_seq_start": None if span.pre_start is None else item.bar_start + span.pre_start,
        "rule_version": current_rule_version(op),
    }


def _uid(item: ImportedWindow) -> str:
    return window_uid(item.series.series_id, item.bar_start)


def _absolute(item: ImportedWindow, span: ImportedSpan) -> tuple[str, int, int]:
    return item.series.series_id, item.bar_start + span.start, item.bar_start + span.end
