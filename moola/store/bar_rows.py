"""Rows of the database as dictionaries, and those of one series in the order of its bars."""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from typing import Any

from sqlalchemy import Result

from moola.schema import WINDOW_LENGTH
from moola.store.changes import Row

LAST = WINDOW_LENGTH - 1
"""Last bar of a window, counted from its first."""


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
