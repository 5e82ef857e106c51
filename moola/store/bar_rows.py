"""Rows of the database as dictionaries, and those of one series in the order of its bars."""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from sqlalchemy import Result, Table, and_, false, or_

from moola.schema import WINDOW_LENGTH
from moola.store.changes import Row

LAST = WINDOW_LENGTH - 1
"""Last bar of a window, counted from its first."""
FEW = 200
"""A query names so many things one by one; of more it reads them all."""

Place = tuple[str, int]
"""A series and the first bar of a view."""


def lies_inside(row: Row, bar_start: int) -> bool:
    """Return whether a span or proposal lies wholly in the view that begins at `bar_start`."""
    return bar_start <= row["seq_start"] and row["seq_end"] <= bar_start + LAST


def as_dicts(result: Result[*tuple[Any, ...]]) -> list[Row]:
    """Return the rows of a query; a mapping of each would take three times as long."""
    names = tuple(result.keys())
    return [dict(zip(names, row, strict=True)) for row in result]


class BarRows:
    """Spans or proposals of one series, ordered by their first bar."""

    def __init__(self, rows: list[Row]) -> None:
        self._rows = rows
        self._first_bars = [row["seq_start"] for row in rows]

    def near(self, bar_start: int) -> list[Row]:
        """Return those that touch the view that begins at a bar."""
        first = bisect_left(self._first_bars, bar_start - LAST)
        last = bisect_left(self._first_bars, bar_start + WINDOW_LENGTH, first)
        return [row for row in self._rows[first:last] if row["seq_end"] >= bar_start]


def by_series(rows: list[Row]) -> dict[str, BarRows]:
    """Return rows by their series; they are ordered by their first bar."""
    grouped: defaultdict[str, list[Row]] = defaultdict(list)
    for row in rows:
        grouped[row["series_id"]].append(row)
    return {series_id: BarRows(own) for series_id, own in grouped.items()}


def places_of(rows: Sequence[Row]) -> list[Place]:
    """Return where some windows begin."""
    return [(row["series_id"], row["bar_start"]) for row in rows]


def in_places(query: Any, table: Table, places: Sequence[Place]) -> Any:
    """Return a query for the rows of `table` that may touch the views at some places.

    Of many places it is all rows of their series.
    """
    query = query.order_by(*by_bar(table))
    if len(places) > FEW:
        series_ids = {series_id for series_id, _ in places}
        return query.where(table.c.series_id.in_(series_ids)) if len(series_ids) <= FEW else query
    touching = (
        and_(
            table.c.series_id == series_id,
            table.c.seq_start.between(first - LAST, last),  # lets the index on bars work
            table.c.seq_end >= first,
        )
        for series_id, first, last in _runs(places)
    )
    return query.where(or_(false(), *touching))


def by_bar(table: Table) -> tuple[Any, ...]:
    """Return the columns that order the rows of a table by series and first bar."""
    return table.c.series_id, table.c.seq_start, table.c.seq_end


def _runs(places: Sequence[Place]) -> list[tuple[str, int, int]]:
    """Return the views at some places as runs of bars: those that overlap or touch are one."""
    runs: list[tuple[str, int, int]] = []
    for series_id, bar_start in sorted(places):
        last = bar_start + LAST
        if runs and runs[-1][0] == series_id and bar_start <= runs[-1][2] + 1:
            runs[-1] = (series_id, runs[-1][1], last)
        else:
            runs.append((series_id, bar_start, last))
    return runs
