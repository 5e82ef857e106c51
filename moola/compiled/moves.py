"""The search of `moola.proposals` for the best move that starts at each bar."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray


class Limits(NamedTuple):
    """The parameters that the compiled search needs; numba takes no dataclass."""

    min_bars: int
    max_bars: int
    move_atr: float
    pace: float
    efficiency: float
    quiet_bars: int
    slack: float


@njit(cache=True)
def best_moves(
    ohlc: NDArray[np.float64],
    atr: NDArray[np.float64],
    run_start: NDArray[np.int64],
    limits: Limits,
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]:
    """Return (N,) end, sign and pace of the best move that starts at each bar; sign 0: none."""
    n = len(ohlc)
    end, sign, score = np.zeros(n, np.int64), np.zeros(n, np.int64), np.zeros(n)
    for s in range(n):
        if atr[s] <= 0 or s - run_start[s] < limits.quiet_bars:
            continue
        for d in (1, -1):
            best_end, pace = _best_end(ohlc, run_start, s, d, atr[s], limits)
            if pace > score[s]:
                end[s], sign[s], score[s] = best_end, d, pace
    return end, sign, score


@njit(cache=True)
def _best_end(
    ohlc: NDArray[np.float64],
    run_start: NDArray[np.int64],
    s: int,
    d: int,
    atr: float,
    limits: Limits,
) -> tuple[int, float]:
    """Return end and pace of the best move from bar `s` in direction `d`; pace 0 if none counts.

    A move upwards starts at a low that none of its bars and none of the two bars before
    undercuts, and ends at its highest close; downwards mirrored.
    """
    end, best = s, 0.0
    column = 2 if d > 0 else 1
    base = ohlc[s, column]
    if min(d * ohlc[s - 1, column], d * ohlc[s - 2, column]) < d * base:
        return end, best
    path = furthest = d * (ohlc[s, 3] - base)
    for e in range(s + 1, min(len(ohlc), s + limits.max_bars)):
        if run_start[e] != run_start[s] or d * (ohlc[e, column] - base) < 0:
            break
        path += abs(ohlc[e, 3] - ohlc[e - 1, 3])
        net = d * (ohlc[e, 3] - base)
        if net <= furthest:
            continue
        furthest = net
        pace = net / atr / np.sqrt(e - s + 1)
        is_move = (
            e - s + 1 >= limits.min_bars
            and net >= (limits.move_atr - limits.slack) * atr
            and net >= (limits.efficiency - limits.slack) * path
            and pace >= limits.pace - limits.slack
        )
        if is_move and pace > best + limits.slack:
            end, best = e, pace
    return end, best
