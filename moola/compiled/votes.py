"""The loops over the votes of windows that `moola.scan_merging` merges."""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray


@njit(cache=True)
def votes_near(
    start: NDArray[np.int64],
    end: NDArray[np.int64],
    weight: NDArray[np.float64],
    tolerance_bars: int,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the votes within the tolerance of each, and those for the same bars; by start."""
    n = len(start)
    total, exact = np.zeros(n), np.zeros(n)
    low = 0
    for i in range(n):
        while start[low] < start[i] - tolerance_bars:
            low += 1
        j = low
        while j < n and start[j] <= start[i] + tolerance_bars:
            if abs(end[j] - end[i]) <= tolerance_bars:
                total[i] += weight[j]
                if start[j] == start[i] and end[j] == end[i]:
                    exact[i] += weight[j]
            j += 1
    return total, exact


@njit(cache=True)
def disjoint(
    best_first: NDArray[np.int64], start: NDArray[np.int64], end: NDArray[np.int64], n_bars: int
) -> NDArray[np.int64]:
    """Return those of the spans that overlap none before them, in the given order."""
    taken = np.zeros(n_bars, np.bool_)
    kept = []
    for i in best_first:
        if not taken[start[i] : end[i] + 1].any():
            taken[start[i] : end[i] + 1] = True
            kept.append(i)
    return np.array(kept, np.int64)
