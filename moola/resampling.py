"""Intervals of differences between two runs, and over several seeds, from sums per window.

A `metrics.Score` is a function of sums over windows. Two runs that predict the same windows are
drawn together, window by window: what makes a window hard for one mostly makes it hard for the
other, and that part of the noise cancels. Several seeds are drawn first, then the windows of each.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from moola.exceptions import SchemaError
from moola.metrics import N_DRAWS, Floats, Score

LEAST_GROUPS = 10
"""Groups of windows that an interval needs, as in `moola.evaluate`."""


@dataclass(frozen=True, slots=True)
class Interval:
    """A number with its 95 % interval; NaN edges where too few windows give none."""

    value: float
    low: float
    high: float

    @property
    def excludes_zero(self) -> bool:
        """Whether the whole interval lies on one side of 0: for a difference, that it is clear."""
        return self.low > 0 or self.high < 0


def over_windows(score: Score) -> Interval:
    """Return a score with its interval over groups of windows; without one if they are too few."""
    if _n_groups(score) < LEAST_GROUPS:
        return Interval(score.value, np.nan, np.nan)
    return Interval(score.value, *score.interval())


def paired(before: Score, after: Score) -> Score:
    """Return ``after - before`` as one score, both on the same windows in the same order.

    Windows are drawn in the coarser of the two groupings.
    """
    if len(before.parts) != len(after.parts):
        raise SchemaError(
            f"Paired scores should hold the same windows. Found {len(before.parts)} and "
            f"{len(after.parts)}."
        )
    n = before.parts.shape[1]
    groups = min(before.group, after.group, key=lambda group: len(np.unique(group)))
    return Score(
        np.hstack([before.parts, after.parts]),
        groups,
        lambda sums: after.statistic(sums[:, n:]) - before.statistic(sums[:, :n]),
    )


def unpaired(before: Score, after: Score, *, seed: int = 0) -> Interval:
    """Return ``after - before`` where each was scored on windows of its own."""
    rng = np.random.default_rng(seed)
    value = after.value - before.value
    if min(_n_groups(before), _n_groups(after)) < LEAST_GROUPS:
        return Interval(value, np.nan, np.nan)
    return _interval(value, draws(after, rng) - draws(before, rng))


def over_seeds(scores: Sequence[Score], *, seed: int = 0) -> Interval:
    """Return the mean over seeds of a score, with an interval over seeds and windows.

    A draw takes as many seeds as there are, with replacement, and of each the windows anew. With
    one seed it is the interval over its windows alone.
    """
    if not scores:
        return Interval(np.nan, np.nan, np.nan)
    value = float(np.mean([score.value for score in scores]))
    if min(map(_n_groups, scores)) < LEAST_GROUPS:
        return Interval(value, np.nan, np.nan)
    rng = np.random.default_rng(seed)
    places = range(len(scores))
    drawn = np.stack([[draws(score, rng) for score in scores] for _ in places])
    chosen = rng.integers(len(scores), size=(len(scores), N_DRAWS))
    means = np.mean([drawn[place, chosen[place], np.arange(N_DRAWS)] for place in places], axis=0)
    return _interval(value, means)


def draws(score: Score, rng: np.random.Generator, n_draws: int = N_DRAWS) -> Floats:
    """Return (n_draws,) values of a score over resampled groups of windows."""
    names, index = np.unique(score.group, return_inverse=True)
    sums = np.zeros((len(names), score.parts.shape[1]))
    np.add.at(sums, index, score.parts)
    even = np.full(len(names), 1 / len(names))
    return score.statistic(rng.multinomial(len(names), even, size=n_draws) @ sums)


def _n_groups(score: Score) -> int:
    return len(np.unique(score.group))


def _interval(value: float, drawn: Floats) -> Interval:
    drawn = drawn[np.isfinite(drawn)]
    if not drawn.size:
        return Interval(value, np.nan, np.nan)
    low, high = np.percentile(drawn, [2.5, 97.5])
    return Interval(value, float(low), float(high))
