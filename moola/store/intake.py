"""What comes into the store in bulk: series, windows cut from them, proposals of a rule or run."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict
from datetime import UTC, datetime

from sqlalchemy import select

from moola.exceptions import StoreError
from moola.proposals import ProposedSpan, proposal_id, window_start
from moola.schema import WINDOW_LENGTH
from moola.store import queries
from moola.store.changes import Operation, Row
from moola.store.incoming import ProposeSummary
from moola.store.records import Series
from moola.store.tables import proposals, series, windows
from moola.windows import window_uid

TimeOf = Callable[[int], datetime | None]


def put_series(op: Operation, new: Series) -> Series:
    """Add a series; the same bars under the same id are there once."""
    known = op.get(series, new.series_id)
    if known is None:
        row = asdict(new)
        row |= {name: utc_text(row[name]) for name in ("start_ts", "end_ts")}
        op.put(series, row)
        return new
    if known["content_hash"] != new.content_hash:
        raise StoreError(
            f"The series id {new.series_id} should stand for one set of bars. Found other bars "
            "under it."
        )
    return queries.as_series(known)


def extend_series(op: Operation, series_id: str, new: Series) -> Series:
    """Let a series go on: more bars at its end, the old ones as they were."""
    known = op.get(series, series_id)
    if known is None:
        raise StoreError(f"A series should have the id {series_id!r}. Found none.")
    if new.n_bars < known["n_bars"] or new.kind != known["kind"]:
        raise StoreError(
            f"An extension of {series_id} should hold its {known['n_bars']:,} bars and more. "
            f"Found {new.n_bars:,}."
        )
    grown = {"content_hash": new.content_hash, "n_bars": new.n_bars, "end_ts": utc_text(new.end_ts)}
    op.put(series, known | grown)
    return queries.as_series(known | grown)


def put_proposals(
    op: Operation,
    owner: Series,
    found: Sequence[ProposedSpan],
    *,
    source: str,
    time_of: TimeOf,
    rule_version: str | None = None,
    run_id: str | None = None,
) -> ProposeSummary:
    """Add proposals, each with a window around it, except on bars that anybody has labelled."""
    live = queries.labelled_spans(op.connection, owner.series_id)
    n_new = n_labelled = n_new_windows = 0
    for span in found:
        row = _proposal_row(owner, span, source)
        row |= {"rule_version": rule_version, "run_id": run_id}
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
    return {
        "proposal_id": proposal_id(owner.series_id, source, span.start, span.end),
        "window_uid": window_uid(owner.series_id, window_start(span, owner.n_bars)),
        "series_id": owner.series_id,
        "source": source,
        "seq_start": int(span.start),
        "seq_end": int(span.end),
        "direction": span.direction,
        "type": span.type,
        "score": float(span.score),
        "rule_version": None,
        "run_id": None,
        "edge_entropy": None,
    }


def put_window(op: Operation, owner: Series, bar_start: int, start: datetime | None) -> bool:
    """Add the view that begins at a bar; return whether it is new."""
    row = _window_row(owner, bar_start, start)
    if op.get(windows, row["window_uid"]) is not None:
        return False
    op.put(windows, row)
    return True


def put_windows(
    op: Operation,
    owner: Series,
    bar_starts: Sequence[int],
    times: Sequence[datetime | None],
) -> int:
    """Add the views that begin at some bars; return how many are new.

    A fine cut makes tens of thousands: they are looked up and inserted together.
    """
    known = select(windows.c.bar_start).where(windows.c.series_id == owner.series_id)
    taken = set(op.connection.execute(known).scalars())
    rows: list[Row] = []
    for bar_start, time in zip(bar_starts, times, strict=True):
        row = _window_row(owner, bar_start, time)
        if row["bar_start"] not in taken:
            taken.add(row["bar_start"])
            rows.append(row)
    op.insert(windows, rows)
    return len(rows)


def _window_row(owner: Series, bar_start: int, start: datetime | None) -> Row:
    if not 0 <= bar_start <= owner.n_bars - WINDOW_LENGTH:
        raise StoreError(
            f"A window should lie in its series, 0..{owner.n_bars - WINDOW_LENGTH}. Found bar "
            f"{bar_start} ({owner.series_id})."
        )
    return {
        "window_uid": window_uid(owner.series_id, bar_start),
        "series_id": owner.series_id,
        "bar_start": int(bar_start),
        "n_bars": WINDOW_LENGTH,
        "start_ts": utc_text(start),
    }


def utc_text(time: datetime | None) -> str | None:
    """Return a time as the store keeps it, in UTC; a time without a zone is no time."""
    if time is None:
        return None
    if time.tzinfo is None:
        raise StoreError(f"A time in the store should carry a zone. Found {time} without one.")
    return time.astimezone(UTC).isoformat()
