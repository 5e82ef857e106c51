"""One bootstrap for every interval: groups of windows (`moola.draw_groups`) are drawn, and seeds.

A `Score` is a function of sums over windows. Windows that share bars are drawn together: drawn one
by one they would count as independent and the interval would come out too narrow. Two runs that
predict the same windows are drawn together too: what makes a window hard for one mostly makes it
hard for the other, and that part of the noise cancels. It does not cancel between seeds: they are
asked about the same windows, so a draw takes the same groups for all of them, and seeds anew.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from moola.exceptions import SchemaError

Floats = NDArray[np.float64]
Groups = NDArray[np.int64]
Statistic = Callable[[Floats], Floats]
N_DRAWS = 1000
LEAST_GROUPS = 10
"""With fewer a bootstrap interval can shrink to one point: three hits of three prove nothing."""


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


@dataclass(frozen=True, eq=False)
class Score:
    """One metric: sums per window, their groups, and the function of the summed columns."""

    parts: Floats  # (W, K)
    group: Groups  # (W,) windows of one number are drawn together
    statistic: Statistic  # (B, K) sums -> (B,) values

    @property
    def value(self) -> float:
        """The metric over all windows; NaN when there are none."""
        return float(self.statistic(self.parts.sum(axis=0, keepdims=True))[0])

    @property
    def n_groups(self) -> int:
        """Groups that are drawn."""
        return len(np.unique(self.group))

    def interval(self, *, n_draws: int = N_DRAWS, seed: int = 0) -> tuple[float, float]:
        """Return the 95 % interval of `group_interval`."""
        return group_interval(self.parts, self.group, self.statistic, n_draws=n_draws, seed=seed)


def group_interval(
    parts: Floats,
    group: Groups,
    statistic: Statistic,
    *,
    n_draws: int = N_DRAWS,
    seed: int = 0,
) -> tuple[float, float]:
    """Return the percentile bootstrap interval (95 %) of `statistic` over resampled groups.

    Fewer than two groups have no interval (NaN).
    """
    names = np.unique(group)
    if len(names) < 2:
        return float("nan"), float("nan")
    times = _seeded_times(len(names), seed, n_draws)
    return _percentiles(statistic(times @ _sums(parts, group, names)))


def mean_interval(
    values: Floats, group: Groups, *, n_draws: int = N_DRAWS
) -> tuple[float, float] | tuple[None, None]:
    """Return the 95 % interval of the mean of (W,) values over groups; None, None of few groups."""
    if len(np.unique(group)) < LEAST_GROUPS:
        return None, None
    parts = np.stack([values, np.ones(len(values))], axis=1)
    return group_interval(parts, group, share_of_sums, n_draws=n_draws)


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
    return Score(
        np.hstack([before.parts, after.parts]),
        min(before, after, key=lambda score: score.n_groups).group,
        lambda sums: after.statistic(sums[:, n:]) - before.statistic(sums[:, :n]),
    )


def unpaired(before: Score, after: Score, *, seed: int = 0) -> Interval:
    """Return ``after - before`` where each was scored on windows of its own."""
    rng = np.random.default_rng(seed)
    value = after.value - before.value
    if min(before.n_groups, after.n_groups) < LEAST_GROUPS:
        return Interval(value, np.nan, np.nan)
    drawn = []
    for score in (after, before):
        names = np.unique(score.group)
        times = _times_drawn(len(names), rng, N_DRAWS)
        drawn.append(score.statistic(times @ _sums(score.parts, score.group, names)))
    return Interval(value, *_percentiles(drawn[0] - drawn[1]))


def over_seeds(scores: Sequence[Score], *, seed: int = 0) -> Interval:
    """Return the mean over seeds of a score, with an interval over seeds and groups of windows.

    A draw takes as many seeds as there are, with replacement, and asks all of them about the same
    drawn groups: ten seeds do not make ten times the windows. With one seed it is the interval over
    its windows alone. Groups of one number are the same windows in every score.
    """
    if not scores:
        return Interval(np.nan, np.nan, np.nan)
    value = float(np.mean([score.value for score in scores]))
    if min(score.n_groups for score in scores) < LEAST_GROUPS:
        return Interval(value, np.nan, np.nan)
    rng = np.random.default_rng(seed)
    names = np.unique(np.concatenate([score.group for score in scores]))
    times = _times_drawn(len(names), rng, N_DRAWS)
    drawn = np.stack([s.statistic(times @ _sums(s.parts, s.group, names)) for s in scores])
    chosen = rng.integers(len(scores), size=(len(scores), N_DRAWS))
    return Interval(value, *_percentiles(drawn[chosen, np.arange(N_DRAWS)].mean(axis=0)))


def share_of_sums(sums: Floats) -> Floats:
    """Return (B,) the first column over the second, NaN of nothing."""
    return quotient(sums[:, 0], sums[:, 1])


def quotient(above: NDArray[Any], below: NDArray[Any]) -> Floats:
    """Return the quotient, NaN where nothing was counted."""
    return np.divide(above, below, out=np.full(np.shape(below), np.nan), where=below > 0)


def _sums(parts: Floats, group: Groups, names: Groups) -> Floats:
    """Return (G, K) sums of the windows of each group."""
    sums = np.zeros((len(names), parts.shape[1]))
    np.add.at(sums, np.searchsorted(names, group), parts)
    return sums


def _times_drawn(n_groups: int, rng: np.random.Generator, n_draws: int) -> NDArray[np.int64]:
    """Return (n_draws, n_groups) how often each group is drawn, with replacement."""
    return rng.multinomial(n_groups, np.full(n_groups, 1 / n_groups), size=n_draws)


@lru_cache(maxsize=1)
def _seeded_times(n_groups: int, seed: int, n_draws: int) -> NDArray[np.int64]:
    """Return `_times_drawn` of a seed; an epoch asks for the same ones metric after metric."""
    return _times_drawn(n_groups, np.random.default_rng(seed), n_draws)


def _percentiles(drawn: Floats) -> tuple[float, float]:
    drawn = drawn[np.isfinite(drawn)]
    if not drawn.size:
        return float("nan"), float("nan")
    low, high = np.percentile(drawn, [2.5, 97.5])
    return float(low), float(high)
