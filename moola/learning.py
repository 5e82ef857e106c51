"""How many labels buy how much: hits by number of training labels, and what 100 more would bring.

``python -m moola learning-curve RUN`` measures it (`moola.learning_curve`) and leaves one row for
each test window in the run's folder; here it is read, averaged and fitted. The fit is a straight
line of the share of hits over log2 of the labels. Its interval draws groups of test windows that
share bars; what another draw of the *training* labels would change is in it only as far as folds
and repeats differ.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from moola.exceptions import RunError
from moola.resampling import group_interval
from moola.review_curves import Point, point
from moola.runs import RunFolder

CURVE_FILE = "learning_curve.parquet"
COLUMNS = ("window_uid", "group", "size", "n_train", "fold", "repeat", "hit", "start_hit")
"""``size`` is the number of labels that was asked for, ``n_train`` what the folds allowed."""
MORE_LABELS = 100
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

    def __str__(self) -> str:
        return (
            f"{self.more} more labels would bring about {self.gain:+.1%} hits "
            f"(95 % interval {self.low:+.1%} to {self.high:+.1%}), if the curve goes on as a "
            "straight line over log2 of the labels."
        )


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
    low, high = group_interval(parts, group, gain)
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
