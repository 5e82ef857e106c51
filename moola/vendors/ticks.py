"""Find the step that prices move by, from bars that come in chunks."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

ON_GRID_SHARE = 0.99
"""A tick is the greatest step that so many bars keep to; the others are off it."""
PRECISION = 1.2e-7
"""Of a price kept as a 32-bit float: so far, in parts of itself, may it be off its own grid."""
MAX_TOLERANCE = 1e-3
"""In ticks."""
SAMPLE_BARS = 20_000
NICE = (1.0, 0.5, 0.25, 0.2)
FRACTIONS = tuple(2.0**-k for k in range(3, 9))
"""Eighths to 256ths: old stock prices and treasuries."""
DECIMALS = tuple(sorted((n * 10.0**k for k in range(-8, 3) for n in (1, 5)), reverse=True))
CANDIDATES = tuple(
    sorted({n * 10.0**k for k in range(-8, 4) for n in NICE} | set(FRACTIONS), reverse=True)
)


class TickCounter:
    """Counts bars off each step that may be the tick, the greatest first."""

    def __init__(self) -> None:
        self._n_bars = 0
        self._n_off: dict[float, int] = {}

    def add(self, ohlc: NDArray[np.float64]) -> None:
        """Count some bars."""
        if not self._n_off:
            every = max(len(ohlc) // SAMPLE_BARS, 1)
            sample = ohlc[::every]
            likely = [step for step in CANDIDATES if _on_grid(sample, step).mean() > 0.5]
            # finer steps stay in play: prices may need more digits later in the file
            self._n_off = dict.fromkeys(likely[:1] + _finer(likely[:1]) or [CANDIDATES[-1]], 0)
        self._n_bars += len(ohlc)
        off = ohlc
        for step in self._n_off:
            # a bar on a step is on every finer one that divides it
            off = off[~_on_grid(off, step)]
            if not len(off):
                break
            self._n_off[step] += len(off)

    def result(self) -> tuple[float | None, int]:
        """Return the tick and how many bars are off it; None if there is no such step."""
        for step, n_off in self._n_off.items():
            if self._n_bars - n_off >= ON_GRID_SHARE * self._n_bars > 0:
                return float(f"{step:.9g}"), n_off
        return None, 0


def _finer(steps: list[float]) -> list[float]:
    """Return steps below one that divide it and each other, the greatest first."""
    if not steps:
        return []
    chain = [steps[0]]
    for step in (*(FRACTIONS if steps[0] in FRACTIONS else ()), *DECIMALS):
        ratio = chain[-1] / step
        if step < chain[-1] and abs(ratio - round(ratio)) < 1e-6 * ratio:
            chain.append(step)
    return chain[1:]


def _on_grid(ohlc: NDArray[np.float64], step: float) -> NDArray[np.bool_]:
    ticks = ohlc / step
    whole = np.rint(ticks)
    tolerance = np.minimum(PRECISION * ticks + 1e-9, MAX_TOLERANCE)
    # beyond the 15 digits of a float every number looks whole, and near 0 none counts
    is_on = (np.abs(ticks - whole) < tolerance) & (ticks < 1e12) & (whole >= 1)
    return np.asarray(is_on.all(axis=1))
