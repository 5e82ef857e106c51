"""Where the labels are and where they are missing: market hours x volatility x month.

`survey` reads one series once: which windows could be cut from it, and in which `Cell` each of
them lies. `count` puts the windows of the store on that map. Nothing of it is stored.

Two denominators stand side by side, and both are real counts:

- *looked at* is a share of the bars that **could be the middle of a window** (one that crosses no
  pause): such a bar counts as looked at when it lies in a window that somebody has decided on, so
  overlapping windows count once;
- *kept* is a share of the windows that were **decided on**, with Wilson's 95 % interval.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from moola import market_hours
from moola.cutting import CutOptions, plan_cut
from moola.rates import Rate, rate
from moola.schema import LABELLED_STATES, OPEN_STATES, WINDOW_LENGTH
from moola.store import WindowRow

VOLATILITIES = ("calm", "medium", "wild")
"""Terciles of the mean true range over price of a window, within its own series."""
ALL_DAY = ("all day",)
LONG_BAR_S = 6 * 3600
"""A window of bars this long covers weeks: it belongs to no part of the day."""
MAX_SAMPLED = 100_000

Arm = Literal["all", "proposed", "unproposed"]
ARMS: dict[Arm, str] = {
    "all": "All windows",
    "proposed": "With a proposal",
    "unproposed": "Without one",
}
"""A proposal is there because a rule or a model saw something: its windows say nothing about how
often expansions happen. Windows without one were cut blindly and do."""


class Cell(NamedTuple):
    """One cell of the map."""

    month: str
    hours: str
    volatility: str


@dataclass(frozen=True, eq=False)
class Survey:
    """One series as the map sees it."""

    series_id: str
    hours: tuple[str, ...]
    months: NDArray[np.int64]
    """Months of its windows, rising; counted from the year 0."""
    code: NDArray[np.int32]
    """(N - 104,) cell of the window that begins at each bar: a flat index into the map."""
    fits: NDArray[np.bool_]
    """(N - 104,) whether that window crosses no pause."""

    @property
    def shape(self) -> tuple[int, int, int]:
        """Months x parts of the day x volatilities."""
        return len(self.months), len(self.hours), len(VOLATILITIES)

    def cell(self, start: int) -> Cell:
        """Return the cell of the window that begins at a bar."""
        month, hours, volatility = np.unravel_index(int(self.code[start]), self.shape)
        name = _month_name(int(self.months[month]))
        return Cell(name, self.hours[hours], VOLATILITIES[volatility])

    def tally(self, codes: NDArray[np.int32]) -> NDArray[np.int64]:
        """Return how many of these cells are the same, as an array of `shape`."""
        return np.bincount(codes, minlength=int(np.prod(self.shape))).reshape(self.shape)

    def shown(self, starts: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Return of the window at each bar whether its middle lies in one that begins at `starts`.

        A bar is in such a window if one has begun and not yet ended before it.
        """
        depth = np.zeros(len(self.code) + 2 * WINDOW_LENGTH, np.int64)
        np.add.at(depth, starts, 1)
        np.add.at(depth, starts + WINDOW_LENGTH, -1)
        middle = market_hours.MIDDLE_BAR
        return np.cumsum(depth)[middle : middle + len(self.code)] > 0


@dataclass(frozen=True, eq=False)
class Coverage:
    """The map: every count is an array of months x hours x volatilities."""

    months: tuple[str, ...]
    hours: tuple[str, ...]
    n_bars: NDArray[np.int64]
    """Bars that could be the middle of a window."""
    n_looked_at: NDArray[np.int64]
    """Those of them that lie in a decided window."""
    n_windows: NDArray[np.int64]
    n_decided: NDArray[np.int64]
    n_kept: NDArray[np.int64]

    def cells(self) -> Iterable[tuple[Cell, tuple[int, int, int]]]:
        """Return every cell that could hold or holds a window, and its place in the arrays."""
        for place in np.argwhere(self.n_bars + self.n_windows).tolist():
            month, hours, volatility = place
            cell = Cell(self.months[month], self.hours[hours], VOLATILITIES[volatility])
            yield cell, (month, hours, volatility)

    def looked_at(self, place: Any = ...) -> Rate:
        """Return the share of bars that were looked at, of a cell or of all."""
        return rate(int(self.n_looked_at[place].sum()), int(self.n_bars[place].sum()))

    def kept(self, place: Any = ...) -> Rate:
        """Return the share of decided windows that were kept, of a cell or of all."""
        return rate(int(self.n_kept[place].sum()), int(self.n_decided[place].sum()))

    def thinnest(self, n: int) -> list[tuple[Cell, tuple[int, int, int]]]:
        """Return the cells to label next: least looked at, and most left to look at."""
        left = [item for item in self.cells() if self._n_left(item[1])]
        return sorted(left, key=lambda item: self._thickness(item[1]))[:n]

    def _n_left(self, place: tuple[int, int, int]) -> int:
        return int(self.n_bars[place] - self.n_looked_at[place])

    def _thickness(self, place: tuple[int, int, int]) -> tuple[float, int]:
        return self.looked_at(place).share, -self._n_left(place)


def survey(series_id: str, bars: pd.DataFrame, zone: str) -> Survey:
    """Return the map of one series' bars by the clock of `zone`.

    Parameters
    ----------
    bars
        (N,) rows of ``timestamp, high, low, close``; at least one window of them.
    """
    times = pd.DatetimeIndex(bars["timestamp"])
    n_starts = len(times) - WINDOW_LENGTH + 1
    middle = times[market_hours.MIDDLE_BAR : market_hours.MIDDLE_BAR + n_starts]
    is_long = float(np.median(np.diff(times.as_unit("s").asi8))) >= LONG_BAR_S
    names = ALL_DAY if is_long else market_hours.bucket_names(zone)
    hours = np.zeros(n_starts, np.int8) if is_long else market_hours.buckets(middle, zone)
    local = middle.tz_convert(zone)
    months, month = np.unique(
        np.asarray(local.year, np.int64) * 12 + np.asarray(local.month) - 1, return_inverse=True
    )
    volatility = terciles(relative_range(bars[["high", "low", "close"]].to_numpy(np.float64)))
    fits = np.zeros(n_starts, bool)
    fits[plan_cut(times, CutOptions(stride_bars=1)).starts] = True
    code = (month * len(names) + hours) * len(VOLATILITIES) + volatility
    return Survey(series_id, names, months, code.astype(np.int32), fits)


def relative_range(high_low_close: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the mean true range over the mean close of the window that begins at each bar."""
    high, low, close = high_low_close.T
    before = np.r_[close[0], close[:-1]]
    true_range = np.maximum(high, before) - np.minimum(low, before)
    return _window_sums(true_range) / _window_sums(close)


def count(surveys: Sequence[Survey], rows: Sequence[WindowRow], *, arm: Arm = "all") -> Coverage:
    """Return the map of some series with the windows of the store on it.

    All series must have the same parts of the day. Windows of series without a survey are left
    out.
    """
    known = {item.series_id: item for item in surveys}
    names = surveys[0].hours if surveys else market_hours.DAY_BUCKETS
    months = np.unique(np.concatenate([item.months for item in surveys])) if surveys else []
    by_series: dict[str, list[WindowRow]] = {series_id: [] for series_id in known}
    for row in rows:
        if row.series_id in known and _is_of(row, arm):
            by_series[row.series_id].append(row)
    counts = np.zeros((5, len(months), len(names), len(VOLATILITIES)), np.int64)
    for series_id, item in known.items():
        counts[:, np.searchsorted(months, item.months)] += _count_one(item, by_series[series_id])
    return Coverage(tuple(map(_month_name, months)), names, *counts)


def in_cell(
    surveys: Sequence[Survey], rows: Sequence[WindowRow], cell: Cell
) -> tuple[list[WindowRow], dict[str, list[int]]]:
    """Return the undecided windows of a cell, and by series where others could be cut.

    Those others share no bar's middle with a window that is there. Where in its stretch of bars a
    window begins is fixed by the stretch's place in the series: were it always the first bar, the
    opening of the market would stand at the same bar of every window.
    """
    waiting: list[WindowRow] = []
    free: dict[str, list[int]] = {}
    for item in surveys:
        code = _code_of(item, cell)
        own = [row for row in rows if row.series_id == item.series_id]
        waiting += [row for row in own if item.code[row.bar_start] == code and _waits(row)]
        shown = item.shown(np.array([row.bar_start for row in own], np.int64))
        if starts := _spaced(np.flatnonzero((item.code == code) & item.fits & ~shown)):
            free[item.series_id] = starts
    return waiting, free


def terciles(spread: NDArray[np.float64]) -> NDArray[np.int8]:
    """Return for each window of a series in which third of them it lies, calm to wild."""
    step = max(1, len(spread) // MAX_SAMPLED)
    edges = np.quantile(spread[::step], [1 / 3, 2 / 3])
    return np.searchsorted(edges, spread, side="left").astype(np.int8)


def _window_sums(values: NDArray[np.float64]) -> NDArray[np.float64]:
    sums = np.r_[0.0, np.cumsum(values)]
    return sums[WINDOW_LENGTH:] - sums[:-WINDOW_LENGTH]


def _is_of(row: WindowRow, arm: Arm) -> bool:
    return arm == "all" or (row.score is not None) == (arm == "proposed")


def _is_decided(row: WindowRow) -> bool:
    return row.state in LABELLED_STATES or row.state == "rejected"


def _waits(row: WindowRow) -> bool:
    return row.state in OPEN_STATES


def _count_one(item: Survey, rows: Sequence[WindowRow]) -> NDArray[np.int64]:
    """Return bars, bars looked at, windows, decided and kept ones, each of the survey's shape."""
    starts = np.array([row.bar_start for row in rows], np.int64)
    decided = np.array([_is_decided(row) for row in rows], bool)
    kept = np.array([row.state in LABELLED_STATES for row in rows], bool)
    looked_at = item.fits & item.shown(starts[decided])
    groups = (item.fits, looked_at, starts, starts[decided], starts[kept])
    return np.stack([item.tally(item.code[group]) for group in groups])


def _code_of(item: Survey, cell: Cell) -> int:
    """Return the number of a cell in a survey, -1 if the series has no such cell."""
    months = [_month_name(month) for month in item.months]
    if cell.month not in months or cell.hours not in item.hours:
        return -1
    place = months.index(cell.month), item.hours.index(cell.hours)
    return int(np.ravel_multi_index((*place, VOLATILITIES.index(cell.volatility)), item.shape))


def _spaced(starts: NDArray[np.int64]) -> list[int]:
    """Return starts a window apart or more, as many as each unbroken stretch of them holds."""
    found: list[int] = []
    for stretch in np.split(starts, np.flatnonzero(np.diff(starts) > 1) + 1):
        if not len(stretch):
            continue
        n = -(-len(stretch) // WINDOW_LENGTH)
        slack = len(stretch) - (n - 1) * WINDOW_LENGTH
        first = int(stretch[0])
        offset = first * 17 % slack
        for start in range(first + offset, first + offset + n * WINDOW_LENGTH, WINDOW_LENGTH):
            if not found or start - found[-1] >= WINDOW_LENGTH:
                found.append(start)
    return found


def _month_name(month: int) -> str:
    return f"{month // 12}-{month % 12 + 1:02d}"
