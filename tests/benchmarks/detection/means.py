"""Means over seeds with their intervals, and paired differences between rows of the table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy import stats

Which = Mapping[str, str]
"""The rows of one model: its data, model and, if there are several, decoder."""


class Mean(NamedTuple):
    """A mean over seeds with half its 95 % interval (Student's t), NaN for fewer than three."""

    value: float
    half: float

    @classmethod
    def of(cls, values: Sequence[float]) -> Mean:
        """Average `values`, one a seed."""
        n = len(values)
        if n < 3:
            return cls(float(np.mean(values)) if n else float("nan"), float("nan"))
        half = stats.t.ppf(0.975, n - 1) * np.std(values, ddof=1) / np.sqrt(n)
        return cls(float(np.mean(values)), float(half))

    def __str__(self) -> str:
        return f"{self.value:.3f}" + ("" if np.isnan(self.half) else f" ±{self.half:.3f}")


def values_of(table: pd.DataFrame, which: Which, score: str) -> pd.Series:
    """Return one score of one model by seed; empty where it was not measured."""
    if score not in table:
        return pd.Series(dtype=float)
    chosen = np.logical_and.reduce([table[name] == value for name, value in which.items()])
    return table[chosen].set_index("seed")[score].dropna()


def difference(table: pd.DataFrame, a: Which, b: Which, score: str) -> Mean:
    """Return the mean of a - b over the seeds that both have: the same windows, so it is paired."""
    gaps = values_of(table, a, score) - values_of(table, b, score)
    return Mean.of(gaps.dropna().tolist())
