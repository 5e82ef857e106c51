"""How many labels buy how much: hits by number of training labels, and what 100 more would bring.

``python -m moola learning-curve RUN`` measures it (`moola.learning_curve`) and leaves one row for
each test window in the run's folder; here it is read, averaged and fitted. The fit is a straight
line of the share of hits over log2 of the labels. What it promises for more labels has two
intervals, and the wider ends of both count: one draws groups of test windows, the other is
Student's over the folds, which train on different labels. An interval that holds 0 leaves the
question undecided.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from moola.confidence import Point, point
from moola.exceptions import RunError
from moola.resampling import group_interval
from moola.runs import RunFolder

CURVE_FILE = "learning_curve.parquet"
COLUMNS = ("window_uid", "group", "size", "n_train", "fold", "repeat", "hit", "start_hit")
"""``size`` is the number of labels that was asked for, ``n_train`` what the folds allowed."""
MORE_LABELS = 100
_T_975 = {
    1: 12.71, 2: 4.30, 3: 3.18, 4: 2.78, 5: 2.57, 6: 2.45, 7: 2.36, 8: 2.31, 9: 2.26,
}  # fmt: skip
"""Student's t by degrees of freedom, for an interval of 95 %; beyond, 2 is near enough."""
HORIZON = 2.0
"""The line is not followed beyond this many times the labels there are."""


@dataclass(frozen=True, slots=True)
class Fit:
    """The line, and what it promises for more labels."""

    at_one: float
    """Where the line stands at one label: a number to draw with, no promise."""
    per_doubling: float
    n_now: float
    more: int
    gain: float
    low: float
    high: float

    def at(self, n_labels: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the line at some numbers of labels."""
        return self.at_one + self.per_doubling * np.log2(n_labels)

    @property
    def is_decided(self) -> bool:
        """Whether the interval says that more labels help, or that they harm."""
        return self.low > 0 or self.high < 0  # a missing interval (NaN) decides nothing

    def __str__(self) -> str:
        span = (
            f"95% interval {self.low:+.1%} to {self.high:+.1%}"
            if np.isfinite(self.low)
            else "too few folds for an interval"
        )
        found = f"{self.more} more labels would bring about {self.gain:+.1%} hits ({span})"
        ahead = "if the curve goes on as a straight line over log2 of the labels."
        return f"{found}, {ahead}" if self.is_decided else f"Undecided: {found}, {ahead}"


def read_curve(run: RunFolder) -> pd.DataFrame | None:
    """Return one row a test window, size, fold and repeat; None if it was not measured."""
    path: Path = run.path / CURVE_FILE
    if not path.exists():
        return None
    try:
        return pd.read_parquet(path, columns=list(COLUMNS))
    except (OSError, ValueError, KeyError) as error:
        raise RunError(
            f"Run {run.id}: {CURVE_FILE} should hold a learning curve. Found: {error}."
        ) from error


def points(table: pd.DataFrame, *, column: str = "hit") -> list[Point]:
    """Return the share of hits by the mean number of training labels, fewest first."""
    size, n_train = table["size"].to_numpy(np.int64), table["n_train"].to_numpy(float)
    hit, group = table[column].to_numpy(float), table["group"].to_numpy(np.int64)
    return [
        point(float(n_train[size == one].mean()), hit[size == one], group[size == one])
        for one in np.unique(size)
    ]


def fit(table: pd.DataFrame, *, column: str = "hit", more: int = MORE_LABELS) -> Fit | None:
    """Return the line over log2 of the labels; None where there are no three sizes for it."""
    sizes: list[int] = np.unique(table["size"].to_numpy(np.int64)).tolist()
    if len(sizes) < 3:
        return None
    size_of, n_train = table["size"].to_numpy(np.int64), table["n_train"].to_numpy(float)
    n_labels = np.array([n_train[size_of == size].mean() for size in sizes])
    slope_of, centre = _line(np.log2(n_labels))
    parts = _sums(table, sizes, column)
    now = float(n_labels[-1])
    doublings = np.log2((now + min(more, (HORIZON - 1) * now)) / now)

    def gain(sums: NDArray[np.float64]) -> NDArray[np.float64]:
        return _shares(sums) @ slope_of * doublings

    group = np.arange(len(parts))  # each row of the sums is a group by itself
    by_windows = group_interval(parts, group, gain)
    by_folds = _over_folds(table, sizes, column, gain)
    low, high = _wider(by_windows, by_folds)
    shares = _shares(parts.sum(axis=0, keepdims=True))[0]
    slope = float(shares @ slope_of)
    return Fit(
        at_one=float(shares.mean() - slope * centre),
        per_doubling=slope,
        n_now=now,
        more=more,
        gain=slope * float(doublings),
        low=low,
        high=high,
    )


def _over_folds(
    table: pd.DataFrame,
    sizes: Sequence[int],
    column: str,
    gain: Callable[[NDArray[np.float64]], NDArray[np.float64]],
) -> tuple[float, float]:
    """Return Student's interval of the gain over folds; NaN with fewer than two.

    Repeats train on much the same labels, so that they add no degrees of freedom.
    """
    parts = [
        _sums(part, sizes, column).sum(axis=0) for _, part in table.groupby(["repeat", "fold"])
    ]
    n_folds = len(np.unique(table["fold"].to_numpy(np.int64)))
    if n_folds < 2:
        return np.nan, np.nan
    gains = gain(np.array(parts))
    half = _T_975.get(n_folds - 1, 2.0) * gains.std(ddof=1) / np.sqrt(n_folds)
    return float(gains.mean() - half), float(gains.mean() + half)


def _wider(one: tuple[float, float], other: tuple[float, float]) -> tuple[float, float]:
    """Return the outer ends of two intervals; NaN if one of them is missing."""
    return float(np.minimum(one[0], other[0])), float(np.maximum(one[1], other[1]))


def _line(x: NDArray[np.float64]) -> tuple[NDArray[np.float64], float]:
    """Return the weights that make a least-squares slope of some values, and the mean of `x`."""
    off = x - x.mean()
    return off / (off**2).sum(), float(x.mean())


def _sums(table: pd.DataFrame, sizes: Sequence[int], column: str) -> NDArray[np.float64]:
    """Return (groups, 2 x sizes) hits and windows of each group at each size."""
    groups, row = np.unique(table["group"].to_numpy(np.int64), return_inverse=True)
    sums = np.zeros((len(groups), 2 * len(sizes)))
    place = np.searchsorted(sizes, table["size"].to_numpy(np.int64))
    np.add.at(sums, (row, 2 * place), table[column].to_numpy(float))
    np.add.at(sums, (row, 2 * place + 1), 1.0)
    return sums


def _shares(sums: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return (B, sizes) shares of (B, 2 x sizes) sums."""
    hits, windows = sums[:, 0::2], sums[:, 1::2]
    return np.divide(hits, windows, out=np.full(hits.shape, np.nan), where=windows > 0)
