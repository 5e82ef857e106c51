"""Seeded one-minute bars that look like a session of an index future, with known expansions.

Run ``generate_bars(10_000, seed=7)``: the bars follow a volatility that depends on the time of day
and clusters, and carry planted expansions (`Event`) between decoys. Nothing here is market data.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import accumulate

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from moola.planting import (
    SUB_STEPS,
    Event,
    Plan,
    Shape,
    empty_shape,
    plan_events,
    plant,
    plant_decoys,
)

TICK = 0.25
FIRST_PRICE = 15_000.0
FIRST_BAR = "2001-01-07 23:00"
"""Fictional dates, in winter: no clock changes inside a sample."""

BASE_VOLATILITY = 5e-4
"""Log-return volatility of an ordinary overnight minute."""

LEVEL_GAIN = 0.04
"""Share of the way that the level follows the price, per bar."""

# Volatility by UTC hour relative to BASE_VOLATILITY: overnight calm, European open, cash open at
# 14:30 with a slow decay, rise into the cash close at 21:00, quiet last hour.
_DAY_SHAPE = np.array(
    [
        (0.0, 0.80), (1.2, 0.90), (3.0, 0.65), (5.5, 0.57), (6.9, 0.65), (7.0, 0.80),
        (8.0, 1.15), (9.0, 0.95), (12.0, 0.82), (13.5, 0.95), (14.49, 0.95), (14.5, 3.00),
        (14.8, 2.20), (15.5, 1.95), (17.5, 1.35), (18.5, 1.60), (20.0, 2.00), (20.99, 2.50),
        (21.0, 1.30), (21.3, 0.75), (22.0, 0.60), (23.0, 1.00), (23.5, 0.75), (24.0, 0.80),
    ]
)  # fmt: skip


@dataclass(frozen=True, eq=False)
class GeneratedSeries:
    """Bars (`moola.bars` columns) and the expansions planted in them."""

    frame: pd.DataFrame
    events: list[Event]


def generate_bars(
    n_bars: int, *, seed: int, plan: Plan | None = None, first_bar: str = FIRST_BAR
) -> GeneratedSeries:
    """Generate bars on the session clock with planted expansions, equal for equal arguments."""
    plan = plan or Plan()
    rng = np.random.default_rng(seed)
    clock = session_clock(n_bars, first_bar=first_bar)
    session = session_of_each_bar(clock)
    events = plan_events(rng, session, plan)
    shape = empty_shape(n_bars)
    for event in events:
        plant(rng, shape, event, plan)
    plant_decoys(rng, shape, events, plan)

    noise = rng.standard_normal((n_bars, SUB_STEPS))
    volatility = _volatility(rng, clock, noise.sum(axis=1) / np.sqrt(SUB_STEPS))
    # Scale of a t distribution with 10 degrees of freedom, with mean square 1: fat tails.
    sigma = volatility * shape.scale * np.sqrt(8 / rng.chisquare(10, n_bars))
    steps = volatility[:, None] * shape.drift / SUB_STEPS
    steps += sigma[:, None] * noise / np.sqrt(SUB_STEPS)
    path = _walk(steps, shape, _open_jumps(rng, sigma, clock))
    ohlc = _bars_of_path(rng, path, sigma)
    frame = pd.DataFrame(ohlc, columns=["open", "high", "low", "close"])
    frame.insert(0, "timestamp", clock)
    frame["volume"] = _volume(rng, sigma, ohlc)
    return GeneratedSeries(frame, events)


def session_clock(n_bars: int, *, first_bar: str) -> pd.DatetimeIndex:
    """Return bar-start minutes from Sunday 23:00 to Friday 22:00 UTC with an hour off a day."""
    n_minutes = n_bars * 2 + 4 * 24 * 60  # more than the share of open minutes in any week
    minutes = pd.date_range(first_bar, periods=n_minutes, freq="min", tz="UTC", unit="ns")
    day, hour = minutes.day_of_week, minutes.hour
    closed = (hour == 22) | (day == 5) | ((day == 4) & (hour >= 22)) | ((day == 6) & (hour < 23))
    return minutes[~closed][:n_bars]


def session_of_each_bar(clock: pd.DatetimeIndex) -> NDArray[np.int64]:
    """Return (N,) a number that rises by one at every break of the clock."""
    seconds = clock.as_unit("s").asi8
    return np.cumsum(np.r_[0, np.diff(seconds) != 60])


def _volatility(
    rng: np.random.Generator, clock: pd.DatetimeIndex, shock: NDArray
) -> NDArray[np.float64]:
    """Return (N,) volatility: day shape, slow and fast waves, GARCH(1,1)."""
    hour = clock.hour + clock.minute / 60
    day_shape = np.interp(hour, _DAY_SHAPE[:, 0], np.log(_DAY_SHAPE[:, 1]))
    waves = _wave(rng, len(clock), sd=0.36, half_life_bars=500)
    waves += _wave(rng, len(clock), sd=0.12, half_life_bars=8)
    variance = accumulate(shock[:-1] ** 2, lambda v, z2: 0.05 + (0.04 * z2 + 0.91) * v, initial=1.0)
    return BASE_VOLATILITY * np.exp(day_shape + waves) * np.sqrt(np.fromiter(variance, float))


def _wave(
    rng: np.random.Generator, n_bars: int, *, sd: float, half_life_bars: float
) -> NDArray[np.float64]:
    """Return a first-order autoregression of stationary standard deviation `sd`."""
    keep = 0.5 ** (1 / half_life_bars)
    steps = sd * rng.standard_normal(n_bars)
    steps[1:] *= np.sqrt(1 - keep**2)
    return np.fromiter(accumulate(steps, lambda x, step: keep * x + step), float)


def _open_jumps(
    rng: np.random.Generator, sigma: NDArray, clock: pd.DatetimeIndex
) -> NDArray[np.float64]:
    """Return (N,) log-price steps from the previous close to the open: small, but not at breaks."""
    jumps = 0.09 * sigma * rng.standard_normal(len(sigma))
    minutes = np.diff(clock.as_unit("s").asi8) // 60
    for bar in np.flatnonzero(minutes > 1) + 1:
        size = 1.5 if minutes[bar - 1] < 24 * 60 else 5.0
        jumps[bar] = BASE_VOLATILITY * size * rng.standard_t(4)
    return jumps


def _walk(steps: NDArray, shape: Shape, jumps: NDArray) -> NDArray[np.float64]:
    """Return (N, SUB_STEPS + 1) log prices relative to the first open.

    A weak momentum (2 % of the last bar's return) and the pull back to a level are spread over
    the bar. The level follows the price, or stays while a consolidation lasts. Without the pull
    the planted drifts would make the market trend more than a real one does.
    """
    inside = np.pad(np.cumsum(steps, axis=1), ((0, 0), (1, 0)))
    opens, tilts = np.zeros(len(steps)), np.zeros(len(steps))
    price = level = last_return = 0.0
    bars = zip(jumps.tolist(), inside[:, -1].tolist(), shape.pull.tolist(), strict=True)
    for bar, (jump, net, pull) in enumerate(bars):
        price += jump
        if not shape.range_bound[bar]:
            level += LEVEL_GAIN * (price - level)
        elif not shape.range_bound[bar - 1]:
            level = price
        opens[bar] = price
        tilts[bar] = 0.02 * last_return - pull * (price - level)
        last_return = net + tilts[bar]
        price += last_return
    return opens[:, None] + inside + tilts[:, None] * np.linspace(0, 1, SUB_STEPS + 1)


def _bars_of_path(rng: np.random.Generator, path: NDArray, sigma: NDArray) -> NDArray[np.float64]:
    """Return (N, 4) OHLC in ticks.

    Between two sub-steps the extreme of a Brownian bridge is drawn exactly: 16 points alone would
    make the ranges about a fifth too small.
    """
    a, b = path[:, :-1], path[:, 1:]
    bridge = 2 * sigma[:, None] ** 2 / SUB_STEPS
    up = np.sqrt((b - a) ** 2 + bridge * rng.exponential(size=a.shape))
    down = np.sqrt((b - a) ** 2 + bridge * rng.exponential(size=a.shape))
    high = ((a + b + up) / 2).max(axis=1)
    low = ((a + b - down) / 2).min(axis=1)
    prices = FIRST_PRICE * np.exp(np.stack([path[:, 0], high, low, path[:, -1]], axis=1))
    return np.round(prices / TICK) * TICK


def _volume(rng: np.random.Generator, sigma: NDArray, ohlc: NDArray) -> NDArray[np.float64]:
    """Return (N,) contracts: more than proportional to volatility, and persistent."""
    n_bars = len(sigma)
    calm = np.log(sigma / BASE_VOLATILITY)
    spread = np.log((ohlc[:, 1] - ohlc[:, 2] + TICK) / (FIRST_PRICE * sigma))
    habit = _wave(rng, n_bars, sd=0.36, half_life_bars=60) + 0.35 * rng.standard_normal(n_bars)
    return np.ceil(np.exp(5.1 + 2.0 * calm + 0.95 * spread + habit))
