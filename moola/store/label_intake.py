"""What a label file brings into the store: windows, their names, their spans and decisions."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import NamedTuple

from sqlalchemy import select

from moola.exceptions import RefusedRow, SchemaError, StoreError
from moola.proposals import proposal_id
from moola.schema import LABELLED_STATES, TRUE_NEGATIVE_REASONS, check_span
from moola.store import queries
from moola.store.changes import Operation, Row
from moola.store.decisions import tell
from moola.store.incoming import ImportedSpan, ImportedWindow, ImportSummary
from moola.store.intake import put_series, put_window, utc_text
from moola.store.span_rows import is_turning_point
from moola.store.tables import aliases, proposals, reviews, rules, spans, windows
from moola.windows import window_uid


def put_imported(
    op: Operation, imported: Sequence[ImportedWindow], *, source: str
) -> tuple[ImportSummary, list[RefusedRow]]:
    """Add windows, their names, spans, proposals and decisions; return what was refused as well.

    A window with spans and without a decision becomes verified: its labels are a person's. What is
    there already is not added again; what contradicts the store is refused with its row number.
    """
    by_series: defaultdict[str, list[ImportedWindow]] = defaultdict(list)
    for item in imported:
        by_series[put_series(op, item.series).series_id].append(item)
    n_new_windows = sum(_put_named_window(op, item, source) for item in imported)
    spans_before = len(op.changes)
    told = _Told(refused=[], repaired=[])
    for series_id, items in by_series.items():
        _put_spans(op, series_id, items, told)
        for item in items:
            _put_proposals(op, item)
            _decide(op, item, told)
    new_spans = [change for change in op.changes[spans_before:] if change.table == "span"]
    summary = ImportSummary(
        n_windows=len({_uid(item) for item in imported}),
        n_spans=len({_absolute(item, span) for item in imported for span in item.spans}),
        n_new_windows=n_new_windows,
        n_new_spans=len(new_spans),
        repaired=tuple(dict.fromkeys(told.repaired)),
    )
    return summary, sorted(told.refused, key=lambda at_fault: at_fault.row)


class _Told(NamedTuple):
    """What an import says beside what it writes."""

    refused: list[RefusedRow]
    repaired: list[str]


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


def _put_spans(op: Operation, series_id: str, items: Sequence[ImportedWindow], told: _Told) -> None:
    """Add the spans of one series' windows, and bring decisions about them up to date."""
    before = queries.series_spans(op.connection, op.layer, series_id)
    live = list(before)
    row_of: dict[str, tuple[int, str]] = {}
    known = _reviews_of_series(op, series_id)
    for item, span in [(owner, span) for owner in items for span in owner.spans]:
        if reason := _misfit(item, span):
            told.refused.append(RefusedRow(span.row, reason))
            continue
        new = _span_row(op, item, span, told)
        rivals = [
            row for row in live if queries.overlaps(row, new) and not is_turning_point(row, new)
        ]
        if not rivals:
            if reason := _against_decision(known.get(_uid(item))):
                told.refused.append(RefusedRow(span.row, reason, against=0))
                continue
            op.put(spans, new)
            live.append(new)
            row_of[new["span_id"]] = (span.row, _uid(item))
        elif _repeats(rivals, new):
            first, uid = row_of.get(rivals[0]["span_id"], (0, ""))
            if uid == _uid(item):  # in an overlapping window it is simply seen twice
                told.repaired.append(f"row {span.row} repeats row {first}; it was taken once")
        else:
            told.refused.append(_overlap(item, span, rivals[0], row_of))
    live.sort(key=lambda row: row["seq_start"])
    for review, bar_start in known.values():
        tell(op, dict(review), bar_start, before=before, after=live)


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
) -> RefusedRow:
    first = item.bar_start
    known, _ = row_of.get(rival["span_id"], (0, ""))
    owner = f"of row {known}" if known else "that is in the store already"
    start, end = rival["seq_start"] - first, rival["seq_end"] - first
    reason = (
        f"{span.type} {span.start}..{span.end} contradicts the span {start}..{end} {rival['type']} "
        f"{owner}, on the same bars"
    )
    return RefusedRow(span.row, reason, against=known)


def _decide(op: Operation, item: ImportedWindow, told: _Told) -> None:
    """Write the file's decision about a window, unless the store holds one that says otherwise.

    A decision that is there stays as it is; only a wish for a second look comes on top of it.
    """
    state = item.state or ("verified" if item.spans else None)
    known = op.get(reviews, _uid(item), op.layer)
    stored = known["state"] if known else None
    if state in LABELLED_STATES and not _holds_span(op, item):
        told.refused.append(RefusedRow(item.row, f"{state} should mean that it holds a span"))
        return
    if known and stored == "rejected" and item.spans and not _was_there(op, known):
        reason = f"its window holds spans and is rejected ({known['reason']}) in the same file"
        told.refused.append(RefusedRow(item.row, reason))
        return
    wants_look = state == "flagged" and not item.spans and stored in LABELLED_STATES
    if state is None or (stored and not wants_look):
        if state == "rejected" and stored in LABELLED_STATES:
            reason = f"rejected ({item.reason}) contradicts the window in the store: {stored}"
            told.refused.append(RefusedRow(item.row, reason, against=0))
        return
    if state == "rejected" and item.reason in TRUE_NEGATIVE_REASONS and _holds_span(op, item):
        reason = f"rejected ({item.reason}) contradicts a span that the store has in the window"
        told.refused.append(RefusedRow(item.row, reason, against=0))
        return
    note = "; ".join(text for text in (known["note"] if known else "", item.note) if text)
    row = {
        "window_uid": _uid(item),
        "annotator": op.layer,
        "state": state,
        "reason": item.reason if state == "rejected" else None,
        "note": note,
        "rev": known["rev"] + 1 if known else 1,
        "updated_at": utc_text(item.decided_at) or op.ts,
        "seconds": item.seconds,
        "mode": item.mode,
    }
    op.put(reviews, row)


def _holds_span(op: Operation, item: ImportedWindow) -> bool:
    place = item.series.series_id, item.bar_start
    live = queries.live_spans(op.connection, op.layer, [place])
    return any(queries.lies_inside(row, item.bar_start) for row in live)


def _was_there(op: Operation, review: Row) -> bool:
    """Return whether a decision is older than this import."""
    return not any(change.table == reviews.name and change.after == review for change in op.changes)


def _misfit(item: ImportedWindow, span: ImportedSpan) -> str | None:
    """Return which rule of the store a span breaks by itself."""
    try:
        check_span(span.start, span.end)
    except SchemaError as error:
        return str(error).rstrip(".")
    first, last = -item.bar_start, item.series.n_bars - 1 - item.bar_start
    edges = (("start", span.start, span.start_range), ("end", span.end, span.end_range))
    for name, edge, bars in edges:
        if bars is not None and not first <= bars[0] <= edge <= bars[1] <= last:
            return f"the range of its {name} should lie around bar {edge}. Found {bars}"
    if span.pre_start is not None and not first <= span.pre_start < span.start:
        return f"pre_start should be a bar before {span.start}. Found {span.pre_start}"
    return None


def _put_proposals(op: Operation, item: ImportedWindow) -> None:
    series_id = item.series.series_id
    for found in item.proposals:
        check_span(found.start, found.end, where=f"proposal of {found.source}")
        seq_start, seq_end = item.bar_start + found.start, item.bar_start + found.end
        key = found.proposal_id or proposal_id(series_id, found.source, seq_start, seq_end)
        if op.get(proposals, key) is not None:
            continue
        row = {
            "proposal_id": key,
            "window_uid": _uid(item),
            "series_id": series_id,
            "source": found.source,
            "seq_start": seq_start,
            "seq_end": seq_end,
            "direction": found.direction,
            "type": found.type,
            "score": found.score,
        }
        op.put(proposals, row | dict.fromkeys(("rule_version", "run_id", "edge_entropy")))


def _span_row(op: Operation, item: ImportedWindow, span: ImportedSpan, told: _Told) -> Row:
    seq_start, seq_end = _absolute(item, span)[1:]
    is_free = span.span_id is not None and op.get(spans, span.span_id) is None
    return {
        "span_id": span.span_id if is_free else op.new_id(),
        "series_id": item.series.series_id,
        "annotator": op.layer,
        "seq_start": seq_start,
        "seq_end": seq_end,
        "type": span.type,
        "direction": span.direction,
        "origin": span.origin,
        "proposal_id": None,
        "deleted_at": None,
        "grade": span.grade,
        "confidence": span.confidence,
        **_range("start", span.start_range, item.bar_start),
        **_range("end", span.end_range, item.bar_start),
        "pre_seq_start": None if span.pre_start is None else item.bar_start + span.pre_start,
        "rule_version": _known_rule(op, span, told),
    }


def _range(edge: str, bars: tuple[int, int] | None, bar_start: int) -> Row:
    """Return the columns of an edge's doubt; a range of one bar is none."""
    low, high = bars if bars is not None and bars[0] < bars[1] else (None, None)
    return {
        f"{edge}_{name}": None if bar is None else bar_start + bar
        for name, bar in (("lo", low), ("hi", high))
    }


def _known_rule(op: Operation, span: ImportedSpan, told: _Told) -> str | None:
    """Return the rule that the file names, None if the store has none of that name."""
    if span.rule_version is None or op.get(rules, span.rule_version) is not None:
        return span.rule_version
    told.repaired.append(
        f"the store has no rule {span.rule_version}; the spans made under it name none"
    )
    return None


def _uid(item: ImportedWindow) -> str:
    return window_uid(item.series.series_id, item.bar_start)


def _absolute(item: ImportedWindow, span: ImportedSpan) -> tuple[str, int, int]:
    return item.series.series_id, item.bar_start + span.start, item.bar_start + span.end
