"""The rows that one step of a person, an import or a proposal writes, and their rules."""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, select

from moola.exceptions import RefusedRow, SchemaError, StoreError
from moola.schema import (
    LABELLED_STATES,
    WINDOW_LENGTH,
    RejectReason,
    ReviewState,
    Span,
    SpanType,
    check_type,
)
from moola.store import reading, tables
from moola.store.changes import Changes, Row, to_json
from moola.store.records import ImportedWindow, ProposedWindow, Series, WindowView
from moola.windows import window_uid as uid_of

UNDOABLE = ("save_span", "set_type", "delete_span", "accept", "reject", "flag", "set_note")


def now() -> str:
    """Return the current moment as the store keeps it: ISO 8601 in UTC."""
    return datetime.now(UTC).isoformat()


def event_by_op(connection: Connection, op_id: str) -> Any:
    """Return the event of an operation, if it was done."""
    log = tables.event_log
    return connection.execute(select(log).where(log.c.op_id == op_id)).mappings().first()


def newest_step(connection: Connection, annotator: str) -> Any:
    """Return the annotator's newest event that can be undone and is not."""
    log = tables.event_log
    undone = select(log.c.undoes).where(log.c.undoes.is_not(None))
    query = select(log).where(
        log.c.annotator == annotator, log.c.kind.in_(UNDOABLE), log.c.seq.not_in(undone)
    )
    return connection.execute(query.order_by(log.c.seq.desc()).limit(1)).mappings().first()


def append_event(
    changes: Changes,
    *,
    kind: str,
    op_id: str,
    annotator: str,
    window_uid: str | None,
    undoes: int | None = None,
) -> None:
    """Log what was changed, with who did it."""
    changes.connection.execute(
        tables.event_log.insert().values(
            op_id=op_id,
            ts_utc=now(),
            annotator=annotator,
            kind=kind,
            window_uid=window_uid,
            undoes=undoes,
            changes_json=to_json(changes.made),
        )
    )


def conflict(view: WindowView, rev: int) -> str:
    """Say what stands there now, to somebody who saw revision `rev`."""
    spans = ", ".join(f"{s.start}..{s.end} {s.type}" for s in view.spans) or "no span"
    when = f" since {view.updated_at:%H:%M:%S} UTC" if view.updated_at else ""
    return (
        f"This window should still be as you saw it (revision {rev}). Found revision {view.rev}: "
        f"{view.state}, {spans}{when}. Nothing of yours was written; look at it and decide again."
    )


def all_rows(changes: Changes, table: Any) -> Any:
    """Return every row of a table."""
    return changes.connection.execute(select(table)).mappings()


def overlap(span: Any, first: int, last: int) -> bool:
    """Return whether a span has a bar in ``first..last``."""
    return span["seq_start"] <= last and span["seq_end"] >= first


def iso(moment: datetime | None) -> str | None:
    """Return a moment as the store keeps it."""
    return None if moment is None else moment.astimezone(UTC).isoformat()


def put_series(changes: Changes, series: Series) -> None:
    """Add a series; the same id with other bars is an error."""
    row = asdict(series) | {"start_ts": iso(series.start_ts), "end_ts": iso(series.end_ts)}
    present = select(tables.series.c.content_hash).where(
        tables.series.c.series_id == series.series_id
    )
    found = changes.connection.scalar(present)
    if found is None:
        changes.put_new(tables.series, [row])
    elif found != series.content_hash:
        raise StoreError(
            f"The series {series.series_id} should hold the same bars as before. Found others."
        )


def put_window(
    changes: Changes,
    series_id: str,
    bar_start: int,
    *,
    start_ts: datetime | None,
    aliases: Sequence[str] = (),
    source: str,
) -> bool:
    """Add a window and its aliases; return whether the window is new."""
    name = uid_of(series_id, bar_start)
    known = select(tables.window.c.window_uid).where(tables.window.c.window_uid == name)
    is_new = changes.connection.scalar(known) is None
    if is_new:
        row = {
            "window_uid": name,
            "series_id": series_id,
            "bar_start": bar_start,
            "n_bars": WINDOW_LENGTH,
            "start_ts": iso(start_ts),
        }
        changes.put_new(tables.window, [row])
    for alias in aliases:
        changes.put(tables.window_alias, {"alias": alias, "window_uid": name, "source": source})
    return is_new


def import_spans(
    changes: Changes, window: ImportedWindow, annotator: str
) -> tuple[int, list[RefusedRow]]:
    """Add the spans that are not there yet; return their number and the contradicting rows."""
    refused: list[RefusedRow] = []
    new: list[Row] = []
    for span, number in zip(window.spans, window.rows or range(1, 1000), strict=False):
        place = (window.bar_start + span.start, window.bar_start + span.end)
        there = reading.live_spans(
            changes.connection, annotator, series_id=window.series_id, overlapping=place
        )
        if not there:
            row = span_values(window.series_id, annotator, *place, type=span.type, origin="import")
            changes.put_new(tables.span, [row])
            new.append(row)
        elif [(s["seq_start"], s["seq_end"], s["type"]) for s in there] != [(*place, span.type)]:
            refused.append(RefusedRow(number, contradiction(span, there[0], window.bar_start)))
    return len(new), refused


def contradiction(span: Span, there: Any, bar_start: int) -> str:
    """Say which stored span an imported one contradicts."""
    start, end = there["seq_start"] - bar_start, there["seq_end"] - bar_start
    return (
        f"{span.start}..{span.end} {span.type} contradicts {start}..{end} {there['type']} of the "
        f"same bars ({there['series_id']})."
    )


def verify_undecided(changes: Changes, window: ImportedWindow, annotator: str) -> None:
    """Mark an imported window verified unless somebody has decided it."""
    name = uid_of(window.series_id, window.bar_start)
    review = reading.find_review(changes.connection, name, annotator)
    if window.spans and (review is None or review["state"] is None):
        before = dict(review) if review else blank_review(name, annotator)
        row = before | {"state": "verified", "rev": before["rev"] + 1, "updated_at": now()}
        changes.put(tables.review, row)


def proposal_id(source: str, series_id: str, item: ProposedWindow) -> str:
    """Return a name that follows from who proposed which bars."""
    place = f"{source}|{series_id}|{item.seq_start}|{item.seq_end}"
    return hashlib.sha1(place.encode()).hexdigest()[:16]


def put_proposal(
    changes: Changes, name: str, series_id: str, item: ProposedWindow, source: str
) -> None:
    """Add a proposal and its window."""
    put_window(changes, series_id, item.bar_start, start_ts=item.start_ts, source=source)
    row = {
        "proposal_id": name,
        "window_uid": uid_of(series_id, item.bar_start),
        "source": source,
        "seq_start": item.seq_start,
        "seq_end": item.seq_end,
        "direction": item.direction,
        "type": item.type,
        "score": item.score,
    }
    changes.put_new(tables.proposal, [row])


def span_values(
    series_id: str, annotator: str, seq_start: int, seq_end: int, *, type: SpanType, origin: str
) -> Row:
    """Return the row of a new span."""
    return {
        "span_id": uuid.uuid4().hex,
        "series_id": series_id,
        "annotator": annotator,
        "seq_start": seq_start,
        "seq_end": seq_end,
        "direction": None,
        "type": type,
        "origin": origin,
        "deleted": False,
        "rev": 0,
        "updated_at": now(),
    }


def new_span(view: WindowView, seq_start: int, seq_end: int, *, type: SpanType, origin: str) -> Row:
    """Return the row of a span drawn in a window."""
    check_type(type)
    return span_values(view.series_id, view.annotator, seq_start, seq_end, type=type, origin=origin)


def span_row(changes: Changes, view: WindowView, span_id: str) -> Row:
    """Return the stored row of a span that lies wholly inside the window."""
    if span_id not in {span.span_id for span in view.spans}:
        raise StoreError(f"The span {span_id} should lie inside this window. Found no such span.")
    query = select(tables.span).where(tables.span.c.span_id == span_id)
    return dict(changes.connection.execute(query).mappings().one())


def put_span(changes: Changes, row: Row, view: WindowView) -> None:
    """Write a span; live spans of one annotator never share a bar."""
    if not row["deleted"]:
        place = (row["seq_start"], row["seq_end"])
        others = reading.live_spans(
            changes.connection, view.annotator, series_id=view.series_id, overlapping=place
        )
        for other in others:
            if other["span_id"] != row["span_id"]:
                mine = f"{place[0] - view.bar_start}..{place[1] - view.bar_start}"
                start = other["seq_start"] - view.bar_start
                end = other["seq_end"] - view.bar_start
                raise SchemaError(
                    f"Spans should not share bars. Found {mine} over {start}..{end}: move or "
                    "remove one of them."
                )
    changes.put(tables.span, row | {"rev": row["rev"] + 1, "updated_at": now()})


def blank_review(window_uid: str, annotator: str) -> Row:
    """Return a review without decision or note."""
    return {
        "window_uid": window_uid,
        "annotator": annotator,
        "state": None,
        "reason": None,
        "note": "",
        "rev": 0,
        "updated_at": now(),
    }


def review_row(changes: Changes, view: WindowView) -> Row:
    """Return the annotator's review of a window as it stands, or a blank one."""
    found = reading.find_review(changes.connection, view.window_uid, view.annotator)
    row = dict(found) if found else blank_review(view.window_uid, view.annotator)
    return row | {"updated_at": now()}


def put_review(
    changes: Changes,
    view: WindowView,
    *,
    state: ReviewState | None,
    reason: RejectReason | None = None,
) -> None:
    """Write a decision."""
    row = review_row(changes, view)
    changes.put(tables.review, row | {"state": state, "reason": reason, "rev": row["rev"] + 1})


def mark_stale(changes: Changes, view: WindowView) -> None:
    """Mark decided windows beside this one that a changed span has left without any span."""
    if not any(change.table == tables.span.name for change in changes.made):
        return
    window = tables.window
    beside = select(window.c.window_uid).where(
        window.c.series_id == view.series_id,
        window.c.bar_start.between(
            view.bar_start - WINDOW_LENGTH + 1, view.bar_start + WINDOW_LENGTH - 1
        ),
        window.c.window_uid != view.window_uid,
    )
    for name in changes.connection.scalars(beside).all():
        other = reading.read_window(changes.connection, name, view.annotator)
        if other.state in LABELLED_STATES and not other.spans:
            put_review(changes, other, state="stale")
