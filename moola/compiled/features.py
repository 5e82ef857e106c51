"""The pass over the bars of a series that `moola.features` describes."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from moola.schema import WINDOW_LENGTH

RANGE_GAIN = 2 / 21
ATR_GAIN = 1 / 10
FULL_RETRACE_ATR = 1.2
QUICK_RETRACE_ATR = 0.5
QUICK_BARS = 5
TIE_SLACK = 1 - 1e-9

RANGE_Z_LIMIT = 3.0
DISTANCE_LIMIT = 3.0
BARS_SINCE_LIMIT = 3.0
EXPANSION_LIMIT = 2.0
CONSOLIDATION_LIMIT = 3.0

NO_BAD_BAR = -1


class _Zigzag(NamedTuple):
    """State of the zigzag after a bar.

    `top` and `counter` are prices times `leg`, so that one piece of code serves legs up and down:
    `top` is the leg's extreme, `counter` the opposite extreme of the bars after it.
    """

    leg: float  # +1 up, -1 down
    top: float
    top_bar: int
    counter: float
    counter_bar: int
    swing_high: float
    swing_high_bar: int
    swing_low: float
    swing_low_bar: int


@njit(cache=True)
def fill(bars: NDArray[np.float64], out: NDArray[np.float32]) -> int:
    """Write the features of `bars` into `out`; return the first unusable bar or -1."""
    if len(bars) == 0:
        return NO_BAD_BAR
    mean_range = atr = 0.0
    previous_close = bars[0, 3]
    leg = 1.0 if bars[0, 3] >= bars[0, 0] else -1.0
    zigzag = _Zigzag(leg, -np.inf, 0, np.inf, 0, bars[0, 1], 0, bars[0, 2], 0)
    for t in range(len(bars)):
        op, hi, lo, cl = bars[t, 0], bars[t, 1], bars[t, 2], bars[t, 3]
        # A NaN fails every comparison, so this one line also refuses NaN and infinity.
        if not (lo <= op <= hi and lo <= cl <= hi and hi - lo < np.inf):
            return t
        mean_range += _gain(t, RANGE_GAIN) * (hi - lo - mean_range)
        true_range = max(hi, previous_close) - min(lo, previous_close)
        atr += _gain(t, ATR_GAIN) * (true_range - atr)
        previous_close = cl
        zigzag = _advance(zigzag, bars, t, atr)
        _write(out, bars, t, mean_range, atr, zigzag)
    return NO_BAD_BAR


@njit(cache=True)
def _gain(t: int, steady: float) -> float:
    return 1 / (t + 1) if t * steady < 1 - steady else steady


@njit(cache=True)
def _advance(z: _Zigzag, bars: NDArray[np.float64], t: int, atr: float) -> _Zigzag:
    """Let bar t extend the leg, deepen its pull-back, or confirm its extreme as a swing."""
    leg, top, top_bar, counter, counter_bar = z.leg, z.top, z.top_bar, z.counter, z.counter_bar
    sh, sh_bar, sl, sl_bar = z.swing_high, z.swing_high_bar, z.swing_low, z.swing_low_bar
    if _ahead(bars, t, leg) > top:
        top, top_bar, counter, counter_bar = _ahead(bars, t, leg), t, np.inf, t
    elif _behind(bars, t, leg) < counter:
        counter, counter_bar = _behind(bars, t, leg), t
    if _confirms(top - leg * bars[t, 3], t - top_bar, atr):
        if leg > 0:
            sh, sh_bar = top, top_bar
        else:
            sl, sl_bar = -top, top_bar
        leg, top, top_bar, counter, counter_bar = -leg, -counter, counter_bar, np.inf, t
        for later in range(top_bar + 1, t + 1):
            if _behind(bars, later, leg) < counter:
                counter, counter_bar = _behind(bars, later, leg), later
    return _Zigzag(leg, top, top_bar, counter, counter_bar, sh, sh_bar, sl, sl_bar)


@njit(cache=True)
def _ahead(bars: NDArray[np.float64], t: int, leg: float) -> float:
    return bars[t, 1] if leg > 0 else -bars[t, 2]


@njit(cache=True)
def _behind(bars: NDArray[np.float64], t: int, leg: float) -> float:
    return bars[t, 2] if leg > 0 else -bars[t, 1]


@njit(cache=True)
def _confirms(retrace: float, age_bars: int, atr: float) -> bool:
    # Without the first test a dead market (ATR 0, retrace 0) would confirm a swing on every bar.
    if retrace <= 0 or age_bars == 0:
        return False
    needed = QUICK_RETRACE_ATR if age_bars <= QUICK_BARS else FULL_RETRACE_ATR
    return retrace >= needed * atr * TIE_SLACK


@njit(cache=True)
def _write(
    out: NDArray[np.float32],
    bars: NDArray[np.float64],
    t: int,
    mean_range: float,
    atr: float,
    zigzag: _Zigzag,
) -> None:
    op, hi, lo, cl = bars[t, 0], bars[t, 1], bars[t, 2], bars[t, 3]
    flat = hi == lo
    per_range = 0.0 if flat else 1 / (hi - lo)
    body = (cl - op) * per_range
    range_z = min((hi - lo) / mean_range, RANGE_Z_LIMIT) if mean_range > 0 else 0.0
    since_high = min((t - zigzag.swing_high_bar) / WINDOW_LENGTH, BARS_SINCE_LIMIT)
    since_low = min((t - zigzag.swing_low_bar) / WINDOW_LENGTH, BARS_SINCE_LIMIT)
    calm = (1 - range_z / RANGE_Z_LIMIT) * (1 - abs(body)) * (since_high + since_low) / 2
    out[t, 0] = 0.5 if flat else (op - lo) * per_range
    out[t, 1] = 0.5 if flat else (cl - lo) * per_range
    out[t, 2] = body
    out[t, 3] = (hi - max(op, cl)) * per_range
    out[t, 4] = (min(op, cl) - lo) * per_range
    out[t, 5] = range_z
    out[t, 6] = _in_atr(zigzag.swing_high - cl, atr)
    out[t, 7] = _in_atr(cl - zigzag.swing_low, atr)
    out[t, 8] = since_high
    out[t, 9] = since_low
    out[t, 10] = _clip(range_z * zigzag.leg * body, -EXPANSION_LIMIT, EXPANSION_LIMIT)
    out[t, 11] = _clip(calm, 0.0, CONSOLIDATION_LIMIT)


@njit(cache=True)
def _in_atr(distance: float, atr: float) -> float:
    if atr > 0:
        return _clip(distance / atr, -DISTANCE_LIMIT, DISTANCE_LIMIT)
    return DISTANCE_LIMIT * np.sign(distance)


@njit(cache=True)
def _clip(value: float, low: float, high: float) -> float:
    return min(max(value, low), high)
