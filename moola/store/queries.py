"""Read the store: windows with everything that lies in their view."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, overload

from sqlalchemy import Connection, select

from moola.exceptions import UnknownWindow
from moola.schema import ReviewState
from moola.second_look import GOLD, is_person
from moola.store.bar_rows import (
    FEW,
    Place,
    as_dicts,
    by_bar,
    by_series,
    in_places,
    lies_inside,
    places_of,
)
from moola.store.changes import Row
from moola.store.moving import standing_move
from moola.store.records import Proposal, Series, StoredSpan, WindowRow, WindowView
from moola.store.tables import aliases, proposals, reviews, series, spans, windows


def load_series(connection: Connection) -> list[Series]:
    """Return every series, feeds first, by id."""
    query = select(series).order_by(series.c.kind, series.c.series_id)
    return [as_series(dict(row)) for row in connection.execute(query).mappings()]


def load_one_series(connection: Connection, series_id: str) -> Series | None:
    """Return the series of this id, or None if there is none."""
    query = select(series).where(series.c.series_id == series_id)
    row = connection.execute(query).mappings().one_or_none()
    return None if row is None else as_series(dict(row))


def as_series(row: Row) -> Series:
    """Return a row of the series table as a record."""
    times = {name: as_time(row[name]) for name in ("start_ts", "end_ts")}
    return Series(**{**row, **times})


@overload
def as_time(text: str) -> datetime: ...
@overload
def as_time(text: None) -> None: ...
def as_time(text: str | None) -> datetime | None:
    """Return an aware time of its ISO 8601 text."""
    return datetime.fromisoformat(text) if text else None


def load_view(connection: Connection, window_uid: str, annotator: str) -> WindowView:
    """Return one window; `UnknownWindow` if there is none with this id."""
    views = load_views(connection, annotator, uids=[window_uid])
    if not views:
        raise UnknownWindow(f"A window should have the id {window_uid!r}. Found none.")
    return views[0]


def load_views(
    connection: Connection,
    annotator: str,
    *,
    series_id: str | None = None,
    uids: Sequence[str] | None = None,
) -> list[WindowView]:
    """Return windows by series and bar, all of them or those of a series or with some ids."""
    return [as_view(seen, annotator) for seen in _seen(connection, annotator, series_id, uids)]


def load_rows(
    connection: Connection,
    annotator: str,
    *,
    series_id: str | None = None,
    uids: Sequence[str] | None = None,
) -> list[WindowRow]:
    """Return what a queue shows of the windows: their spans are not made into records."""
    return [WindowRow(**_told_of(seen)) for seen in _seen(connection, annotator, series_id, uids)]


def _seen(
    connection: Connection, annotator: str, series_id: str | None, uids: Sequence[str] | None
) -> Iterator[Seen]:
    rows = window_rows(connection, series_id, uids)
    places = places_of(rows)
    drawn = by_series(live_spans(connection, annotator, places)) if rows else {}
    proposed = by_series(proposal_rows(connection, places)) if rows else {}
    review_rows = _reviews(connection, annotator, rows) if rows else {}
    names = load_aliases(connection, rows) if rows else {}
    for row in rows:
        uid, owner, bar_start = row["window_uid"], row["series_id"], row["bar_start"]
        yield Seen(
            row,
            review_rows.get(uid),
            names.get(uid, []),
            drawn[owner].near(bar_start) if owner in drawn else [],
            proposed[owner].near(bar_start) if owner in proposed else [],
        )


def live_spans(connection: Connection, annotator: str, places: Sequence[Place]) -> list[Row]:
    """Return an annotator's live spans that may touch the views at some places, by first bar."""
    query = select(spans).where(spans.c.annotator == annotator, spans.c.deleted_at.is_(None))
    return as_dicts(connection.execute(in_places(query, spans, places)))


def series_spans(connection: Connection, annotator: str, series_id: str) -> list[Row]:
    """Return an annotator's live spans of a series by their first bar."""
    query = select(spans).where(spans.c.series_id == series_id, spans.c.annotator == annotator)
    query = query.where(spans.c.deleted_at.is_(None)).order_by(*by_bar(spans))
    return as_dicts(connection.execute(query))


def labelled_spans(connection: Connection, series_id: str) -> list[Row]:
    """Return the live spans of a series that are labels: people's own and gold, no trials."""
    query = select(spans).where(spans.c.series_id == series_id, spans.c.deleted_at.is_(None))
    rows = as_dicts(connection.execute(query.order_by(*by_bar(spans))))
    return [row for row in rows if row["annotator"] == GOLD or is_person(row["annotator"])]


def resolve(connection: Connection, name: str) -> str:
    """Return the id of the window with this id or alias, or that had it before it moved."""
    query = select(windows.c.window_uid).where(windows.c.window_uid == name)
    if (uid := connection.execute(query).scalar_one_or_none()) is not None:
        return uid
    query = select(aliases.c.window_uid).where(aliases.c.alias == name).distinct()
    found = connection.execute(query).scalars().all()
    if len(found) > 1:
        raise UnknownWindow(
            f"The name {name!r} should mean one window. Found {len(found)}: "
            f"{', '.join(sorted(found))}."
        )
    if found:
        return found[0]
    if (moved := standing_move(connection, name)) is not None:
        return moved[1].to_uid
    raise UnknownWindow(f"A window should have the id or name {name!r}. Found none.")


def window_rows(
    connection: Connection, series_id: str | None = None, uids: Sequence[str] | None = None
) -> list[Row]:
    """Return windows by series and bar, all of them or those of a series or with some ids."""
    query = select(windows).order_by(windows.c.series_id, windows.c.bar_start)
    if series_id is not None:
        query = query.where(windows.c.series_id == series_id)
    if uids is not None and len(uids) <= FEW:
        query = query.where(windows.c.window_uid.in_(uids))
    rows = as_dicts(connection.execute(query))
    wanted = None if uids is None else set(uids)
    return rows if wanted is None else [row for row in rows if row["window_uid"] in wanted]


def proposal_rows(connection: Connection, places: Sequence[Place]) -> list[Row]:
    """Return the proposals that may touch the views at some places, by their first bar."""
    return as_dicts(connection.execute(in_places(select(proposals), proposals, places)))


def _reviews(connection: Connection, annotator: str, rows: list[Row]) -> dict[str, Row]:
    query = select(reviews).where(reviews.c.annotator == annotator)
    if len(rows) <= FEW:
        query = query.where(reviews.c.window_uid.in_([row["window_uid"] for row in rows]))
    return {row["window_uid"]: row for row in as_dicts(connection.execute(query))}


def load_aliases(connection: Connection, rows: list[Row]) -> defaultdict[str, list[str]]:
    """Return the names of windows by their ids."""
    query = select(aliases.c.window_uid, aliases.c.alias).distinct().order_by(aliases.c.alias)
    if len(rows) <= FEW:
        query = query.where(aliases.c.window_uid.in_([row["window_uid"] for row in rows]))
    names: defaultdict[str, list[str]] = defaultdict(list)
    for uid, alias in connection.execute(query):
        names[uid].append(alias)
    return names


@dataclass(frozen=True, slots=True)
class Seen:
    """The rows that make up a window as one layer has it."""

    window: Row
    review: Row | None
    names: list[str]
    spans: list[Row]
    """Live ones that touch the view."""
    proposals: list[Row]

    @property
    def inside(self) -> list[Row]:
        """Spans that lie wholly in the view."""
        return [span for span in self.spans if lies_inside(span, self.window["bar_start"])]

    @property
    def proposed(self) -> list[Row]:
        """Proposals that lie wholly in the view, whether or not a span took their place."""
        return [row for row in self.proposals if lies_inside(row, self.window["bar_start"])]


def as_view(seen: Seen, annotator: str) -> WindowView:
    """Return a window with the spans and proposals that touch it, as one layer has it."""
    bar_start, review = seen.window["bar_start"], seen.review
    cut = [span for span in seen.spans if not lies_inside(span, bar_start)]
    return WindowView(
        **_told_of(seen),
        aliases=tuple(seen.names),
        spans=tuple(as_span(span, bar_start) for span in seen.inside),
        cut_spans=tuple(as_span(span, bar_start) for span in cut),
        proposals=tuple(
            _as_proposal(item, bar_start) for item in _disjoint(seen.proposed, seen.spans)
        ),
        note=review["note"] if review else "",
        rev=review["rev"] if review else 0,
        updated_at=as_time(review["updated_at"]) if review else None,
        annotator=annotator,
    )


def _told_of(seen: Seen) -> dict[str, Any]:
    """Return the fields of a `WindowRow`."""
    window, review, proposed = seen.window, seen.review, seen.proposed
    shown = seen.inside or _disjoint(proposed, seen.spans)
    derived: ReviewState = "proposed" if proposed else "unseen"
    return {
        "window_uid": window["window_uid"],
        "series_id": window["series_id"],
        "bar_start": window["bar_start"],
        "start_ts": as_time(window["start_ts"]),
        "alias": seen.names[0] if seen.names else None,
        "state": (review["state"] if review else None) or derived,
        "reason": review["reason"] if review else None,
        "types": tuple(dict.fromkeys(item["type"] for item in shown)),
        "score": max((item["score"] for item in proposed), default=None),
        "mode": review["mode"] if review else "normal",
        "seconds": review["seconds"] if review else None,
    }


def _disjoint(proposed: list[Row], taken: list[Row]) -> list[Row]:
    """Return the best proposals that share no bar with a span or with one another."""
    if len(proposed) == 1 and not taken:
        return proposed
    kept: list[Row] = []
    for item in sorted(proposed, key=lambda row: (-row["score"], row["seq_start"])):
        if not any(overlaps(item, other) for other in [*taken, *kept]):
            kept.append(item)
    return sorted(kept, key=lambda row: row["seq_start"])


def overlaps(one: Row, other: Row) -> bool:
    """Return whether two rows share a bar; spans that merely touch do not."""
    return one["seq_start"] <= other["seq_end"] and other["seq_start"] <= one["seq_end"]


def as_span(row: Row, bar_start: int) -> StoredSpan:
    """Return a row of the span table as seen from the window that begins at a bar."""
    start, end = row["seq_start"], row["seq_end"]
    start_lo, start_hi = (
        (row["start_lo"], row["start_hi"]) if row["start_lo"] is not None else (start, start)
    )
    end_lo, end_hi = (row["end_lo"], row["end_hi"]) if row["end_lo"] is not None else (end, end)
    return StoredSpan(
        span_id=row["span_id"],
        start=row["seq_start"] - bar_start,
        end=row["seq_end"] - bar_start,
        type=row["type"],
        origin=row["origin"],
        direction=row["direction"],
        grade=row["grade"],
        confidence=row["confidence"],
        start_range=(start_lo - bar_start, start_hi - bar_start),
        end_range=(end_lo - bar_start, end_hi - bar_start),
        pre_start=None if row["pre_seq_start"] is None else row["pre_seq_start"] - bar_start,
        rule_version=row["rule_version"],
    )


def _as_proposal(row: Row, bar_start: int) -> Proposal:
    return Proposal(
        proposal_id=row["proposal_id"],
        start=row["seq_start"] - bar_start,
        end=row["seq_end"] - bar_start,
        type=row["type"],
        score=row["score"],
        source=row["source"],
        direction=row["direction"],
        rule_version=row["rule_version"],
        run_id=row["run_id"],
        edge_entropy=row["edge_entropy"],
    )
