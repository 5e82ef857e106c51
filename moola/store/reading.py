"""Read the state tables of one annotator into records."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, and_, select

from moola.exceptions import UnknownWindow
from moola.schema import WINDOW_LENGTH, ReviewState
from moola.store import tables
from moola.store.records import Event, Proposal, Series, StoredSpan, WindowRow, WindowView

Row = Any


def read_series(connection: Connection) -> list[Series]:
    """Return all series, by symbol."""
    query = select(tables.series).order_by(tables.series.c.symbol, tables.series.c.series_id)
    return [_series(row) for row in connection.execute(query).mappings()]


def _series(row: Row) -> Series:
    moments = {name: _moment(row[name]) for name in ("start_ts", "end_ts")}
    return Series(**{**row, **moments})


def _moment(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)


def read_rows(
    connection: Connection, annotator: str, *, series_id: str | None = None
) -> list[WindowRow]:
    """Return the queue: every window with its state, its spans' types and its best proposal."""
    windows = _window_rows(connection, annotator, series_id)
    spans = live_spans(connection, annotator, series_id=series_id)
    by_series: dict[str, list[Row]] = defaultdict(list)
    for row in spans:
        by_series[row["series_id"]].append(row)
    proposals: dict[str, list[Row]] = defaultdict(list)
    for row in connection.execute(select(tables.proposal)).mappings():
        proposals[row["window_uid"]].append(row)
    alias = _first_aliases(connection)
    return [
        _window_row(
            row,
            spans=[span for span in by_series[row["series_id"]] if _inside(span, row)],
            proposals=proposals[row["window_uid"]],
            alias=alias.get(row["window_uid"]),
        )
        for row in windows
    ]


def _window_rows(connection: Connection, annotator: str, series_id: str | None) -> Sequence[Row]:
    window, review = tables.window, tables.review
    mine = and_(review.c.window_uid == window.c.window_uid, review.c.annotator == annotator)
    query = select(window, review.c.state, review.c.reason).select_from(
        window.outerjoin(review, mine)
    )
    if series_id is not None:
        query = query.where(window.c.series_id == series_id)
    return (
        connection.execute(query.order_by(window.c.series_id, window.c.bar_start)).mappings().all()
    )


def _first_aliases(connection: Connection) -> dict[str, str]:
    query = select(tables.window_alias).order_by(tables.window_alias.c.alias.desc())
    return {row["window_uid"]: row["alias"] for row in connection.execute(query).mappings()}


def _window_row(
    row: Row, *, spans: Sequence[Row], proposals: Sequence[Row], alias: str | None
) -> WindowRow:
    shown = spans or proposals
    return WindowRow(
        window_uid=row["window_uid"],
        series_id=row["series_id"],
        bar_start=row["bar_start"],
        start_ts=_moment(row["start_ts"]),
        alias=alias,
        state=_state(row["state"], proposals),
        reason=row["reason"],
        types=tuple(dict.fromkeys(item["type"] for item in shown)),
        score=max((item["score"] for item in proposals), default=None),
    )


def _state(stored: ReviewState | None, proposals: Sequence[Row]) -> ReviewState:
    return stored or ("proposed" if proposals else "unseen")


def live_spans(
    connection: Connection,
    annotator: str,
    *,
    series_id: str | None = None,
    overlapping: tuple[int, int] | None = None,
) -> Sequence[Row]:
    """Return undeleted spans in order; `overlapping` keeps those that meet bars start..end."""
    span = tables.span
    query = select(span).where(span.c.annotator == annotator, span.c.deleted.is_(False))
    if series_id is not None:
        query = query.where(span.c.series_id == series_id)
    if overlapping is not None:
        first, last = overlapping
        query = query.where(span.c.seq_start <= last, span.c.seq_end >= first)
    return connection.execute(query.order_by(span.c.series_id, span.c.seq_start)).mappings().all()


def _inside(span: Row, window: Row) -> bool:
    """Return whether a span lies wholly inside a window: only then it counts for it."""
    return (
        window["bar_start"] <= span["seq_start"]
        and span["seq_end"] < window["bar_start"] + WINDOW_LENGTH
    )


def read_window(connection: Connection, window_uid: str, annotator: str) -> WindowView:
    """Return everything about one window."""
    window = find_window(connection, window_uid)
    review = find_review(connection, window_uid, annotator)
    first = window["bar_start"]
    spans = live_spans(
        connection,
        annotator,
        series_id=window["series_id"],
        overlapping=(first, first + WINDOW_LENGTH - 1),
    )
    proposals = window_proposals(connection, window_uid)
    aliases = select(tables.window_alias.c.alias).where(
        tables.window_alias.c.window_uid == window_uid
    )
    return WindowView(
        window_uid=window_uid,
        series_id=window["series_id"],
        bar_start=first,
        start_ts=_moment(window["start_ts"]),
        aliases=tuple(connection.scalars(aliases.order_by("alias"))),
        state=_state(review["state"] if review else None, proposals),
        reason=review["reason"] if review else None,
        note=review["note"] if review else "",
        rev=review["rev"] if review else 0,
        annotator=annotator,
        updated_at=_moment(review["updated_at"]) if review else None,
        spans=tuple(_stored_span(row, first) for row in spans if _inside(row, window)),
        cut_spans=tuple(_stored_span(row, first) for row in spans if not _inside(row, window)),
        proposals=tuple(_proposal(row, first) for row in proposals),
    )


def find_window(connection: Connection, window_uid: str) -> Row:
    """Return the row of a window or raise `UnknownWindow`."""
    query = select(tables.window).where(tables.window.c.window_uid == window_uid)
    row = connection.execute(query).mappings().first()
    if row is None:
        raise UnknownWindow(f"The store should know the window {window_uid!r}. Found no such id.")
    return row


def find_review(connection: Connection, window_uid: str, annotator: str) -> Row | None:
    """Return an annotator's row about a window, if there is one."""
    review = tables.review
    query = select(review).where(review.c.window_uid == window_uid, review.c.annotator == annotator)
    return connection.execute(query).mappings().first()


def window_proposals(connection: Connection, window_uid: str) -> Sequence[Row]:
    """Return a window's proposals in order."""
    proposal = tables.proposal
    query = select(proposal).where(proposal.c.window_uid == window_uid)
    return connection.execute(query.order_by(proposal.c.seq_start)).mappings().all()


def _stored_span(row: Row, first: int) -> StoredSpan:
    return StoredSpan(
        span_id=row["span_id"],
        start=row["seq_start"] - first,
        end=row["seq_end"] - first,
        type=row["type"],
        direction=row["direction"],
        origin=row["origin"],
        rev=row["rev"],
    )


def _proposal(row: Row, first: int) -> Proposal:
    return Proposal(
        proposal_id=row["proposal_id"],
        start=row["seq_start"] - first,
        end=row["seq_end"] - first,
        type=row["type"],
        direction=row["direction"],
        source=row["source"],
        score=row["score"],
    )


def resolve(connection: Connection, name: str) -> str:
    """Return the window_uid of an id or an alias; an alias of two windows names neither."""
    known = select(tables.window.c.window_uid).where(tables.window.c.window_uid == name)
    if connection.scalar(known):
        return name
    alias = tables.window_alias
    query = select(alias.c.window_uid).where(alias.c.alias == name).distinct()
    found = connection.scalars(query).all()
    if len(found) == 1:
        return found[0]
    what = f"{len(found)} windows of that name" if found else "none"
    raise UnknownWindow(f"{name!r} should be the id or the alias of one window. Found {what}.")


def read_events(connection: Connection, *, window_uid: str | None, limit: int) -> Iterable[Event]:
    """Return the newest events first."""
    log = tables.event_log
    query = select(log).order_by(log.c.seq.desc()).limit(limit)
    if window_uid is not None:
        query = query.where(log.c.window_uid == window_uid)
    for row in connection.execute(query).mappings():
        yield Event(
            seq=row["seq"],
            op_id=row["op_id"],
            ts=datetime.fromisoformat(row["ts_utc"]),
            annotator=row["annotator"],
            kind=row["kind"],
            window_uid=row["window_uid"],
            undoes=row["undoes"],
        )
