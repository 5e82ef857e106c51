"""The 12 features in plain Python, straight from their definitions and without running state.

Slow on purpose: every bar looks back over its leg again. `moola.features` must agree with it.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Bar = tuple[float, float, float, float]


def reference_features(ohlc: Sequence[Bar] | NDArray[np.float64]) -> NDArray[np.float32]:
    bars = [tuple(float(price) for price in bar) for bar in ohlc]
    ranges = [high - low for _, high, low, _ in bars]
    mean_range = smoothed(ranges, first_bars=10, gain=2 / 21)
    atr = smoothed(true_ranges(bars), first_bars=10, gain=1 / 10)
    swings = zigzag(bars, atr)
    return np.array(
        [row(bars[t], t, mean_range[t], atr[t], *swings[t]) for t in range(len(bars))], np.float32
    )


def smoothed(values: Sequence[float], *, first_bars: int, gain: float) -> list[float]:
    """Plain mean of the first bars, exponential from then on."""
    result: list[float] = []
    for n, value in enumerate(values, start=1):
        if n <= first_bars:
            result.append(sum(values[:n]) / n)
        else:
            result.append((1 - gain) * result[-1] + gain * value)
    return result


def true_ranges(bars: Sequence[tuple[float, ...]]) -> list[float]:
    result = [bars[0][1] - bars[0][2]] if bars else []
    for (_, _, _, before), (_, high, low, _) in itertools.pairwise(bars):
        result.append(max(high - low, abs(high - before), abs(low - before)))
    return result


def zigzag(
    bars: Sequence[tuple[float, ...]], atr: Sequence[float]
) -> list[tuple[int, float, int, float, int]]:
    """Leg, swing high and its bar, swing low and its bar, as known after each bar."""
    known = []
    leg = 1 if bars and bars[0][3] >= bars[0][0] else -1
    leg_from = 0
    swing_high, swing_high_bar = (bars[0][1], 0) if bars else (math.nan, 0)
    swing_low, swing_low_bar = (bars[0][2], 0) if bars else (math.nan, 0)
    for t in range(len(bars)):
        leg_bars = range(leg_from, t + 1)
        if leg > 0:
            extreme_bar = max(leg_bars, key=lambda bar: bars[bar][1])
            retrace = bars[extreme_bar][1] - bars[t][3]
        else:
            extreme_bar = min(leg_bars, key=lambda bar: bars[bar][2])
            retrace = bars[t][3] - bars[extreme_bar][2]
        if is_confirmed(retrace, t - extreme_bar, atr[t]):
            if leg > 0:
                swing_high, swing_high_bar = bars[extreme_bar][1], extreme_bar
            else:
                swing_low, swing_low_bar = bars[extreme_bar][2], extreme_bar
            leg, leg_from = -leg, extreme_bar + 1
        known.append((leg, swing_high, swing_high_bar, swing_low, swing_low_bar))
    return known


def is_confirmed(retrace: float, age_bars: int, atr: float) -> bool:
    almost_one = 1 - 1e-9
    if age_bars < 1 or retrace <= 0:
        return False
    if retrace >= 1.2 * atr * almost_one:
        return True
    return age_bars <= 5 and retrace >= 0.5 * atr * almost_one


def row(
    bar: tuple[float, ...],
    t: int,
    mean_range: float,
    atr: float,
    leg: int,
    swing_high: float,
    swing_high_bar: int,
    swing_low: float,
    swing_low_bar: int,
) -> list[float]:
    opened, high, low, close = bar
    span = high - low
    if span == 0:
        open_norm = close_norm = 0.5
        body = upper = lower = 0.0
    else:
        open_norm, close_norm = (opened - low) / span, (close - low) / span
        body = (close - opened) / span
        upper, lower = (high - max(opened, close)) / span, (min(opened, close) - low) / span
    range_z = clip(span / mean_range, 0, 3) if mean_range > 0 else 0.0
    since_high = clip((t - swing_high_bar) / 105, 0, 3)
    since_low = clip((t - swing_low_bar) / 105, 0, 3)
    return [
        open_norm,
        close_norm,
        body,
        upper,
        lower,
        range_z,
        in_atr(swing_high - close, atr),
        in_atr(close - swing_low, atr),
        since_high,
        since_low,
        clip(range_z * leg * body, -2, 2),
        clip((1 - range_z / 3) * (1 - abs(body)) * (since_high + since_low) / 2, 0, 3),
    ]


def in_atr(distance: float, atr: float) -> float:
    if atr > 0:
        return clip(distance / atr, -3, 3)
    return 0.0 if distance == 0 else math.copysign(3, distance)


def clip(value: float, low: float, high: float) -> float:
    return min(max(value, low), high)
