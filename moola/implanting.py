"""Plant expansions into bars that are there already: `plant_into(ohlc, events, plan=..., rng=...)`.

The same events as in generated bars (`moola.planting`), bent into the user's own market: what came
out is labelled to the bar, in bars nobody had to label. A bar is taken as a walk from its open over
its two extremes to its close; an event scales that walk and adds drift to it, in units of the
volatility before the event.

Bars outside of the events keep their shape: they are moved by a whole number of ticks, the same for
all bars between two events, so that no candle changes and no feature of `moola.features` does.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from moola.planting import SUB_STEPS, WARM_UP_BARS, Event, Plan, empty_shape, plant

RANGE_PER_VOLATILITY = 1.6
"""Mean height of a bar over the volatility of its return: sqrt(8 / pi) for a random walk."""
LOWEST_PRICE = 0.5
"""An event that would take the price below this part of what it was is left out."""


@dataclass(frozen=True, eq=False)
class PlantedBars:
    """Bars with expansions bent into them, and those that found room."""

    ohlc: NDArray[np.float64]  # (N, 4)
    events: list[Event]


def plant_into(
    ohlc: NDArray[np.float64],
    events: Sequence[Event],
    *,
    plan: Plan,
    rng: np.random.Generator,
    tick: float | None = None,
) -> PlantedBars:
    """Return the bars with `events` bent into them.

    Parameters
    ----------
    ohlc
        (N, 4) prices.
    events
        Disjoint, in order, none before bar `WARM_UP_BARS` (`moola.planting.plan_events`). One
        is left out where the bars before it did not move, or where the price would lose half.
    plan
        How strong the events are.
    tick
        Step of the prices (`moola.bars.tick_size`); new prices are whole multiples of it.
    """
    bent = np.array(ohlc, np.float64)
    moves = np.zeros(len(bent))  # by how much an event lifts all bars from this one on
    level, done = 0.0, []
    for event in events:
        here = slice(event.pre_start, event.end + 1)
        before = bent[event.pre_start - WARM_UP_BARS : event.pre_start]
        volatility = float((before[:, 1] - before[:, 2]).mean()) / RANGE_PER_VOLATILITY
        own = replace(
            event, pre_start=0, start=event.start - here.start, end=event.end - here.start
        )
        bars = _bend(bent[here], own, plan, volatility, rng)
        if tick is not None:
            bars = np.rint(bars / tick) * tick
        if volatility == 0 or (bars.min() + level) < LOWEST_PRICE * ohlc[here].min():
            continue
        move = bars[-1, 3] - ohlc[event.end, 3]
        bent[here] = bars
        moves[here.stop :][:1] = move
        level += move
        done.append(event)
    return PlantedBars(bent + np.cumsum(moves)[:, None], done)


def _bend(
    ohlc: NDArray[np.float64],
    event: Event,
    plan: Plan,
    volatility: float,
    rng: np.random.Generator,
) -> NDArray[np.float64]:
    """Return the bars of one event, which is counted from the first of them."""
    shape = empty_shape(len(ohlc))
    shape.pull[:] = 0  # real bars have pulls of their own
    plant(rng, shape, event, plan)
    walk, time = _knots(ohlc, rng)
    walk *= shape.scale[:, None]
    drift = np.pad(np.cumsum(volatility * shape.drift / SUB_STEPS, axis=1), ((0, 0), (1, 0)))
    walk += _between_steps(drift, time)

    gaps = np.r_[0.0, ohlc[1:, 0] - ohlc[:-1, 3]]
    price = level = ohlc[0, 0]
    for bar, pull in enumerate(shape.pull.tolist()):
        price += gaps[bar]
        walk[bar] += price - pull * (price - level) * time[bar]
        price = walk[bar, 3]
    return np.stack([walk[:, 0], walk.max(axis=1), walk.min(axis=1), walk[:, 3]], axis=1)


def _knots(
    ohlc: NDArray[np.float64], rng: np.random.Generator
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return (N, 4) prices after the open and times 0..1: open, one extreme, the other, close.

    A bar that rises has its low first, since that is the shorter way.
    """
    o, h, low, c = (ohlc - ohlc[:, :1]).T
    low_first = c >= o
    walk = np.stack([o, np.where(low_first, low, h), np.where(low_first, h, low), c], axis=1)
    inner = np.sort(rng.random((len(ohlc), 2)), axis=1)
    return walk, np.pad(inner, ((0, 0), (1, 1)), constant_values=((0, 0), (0, 1)))


def _between_steps(path: NDArray[np.float64], time: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return (N, K) values of (N, SUB_STEPS + 1) paths at times 0..1, on straight lines."""
    place = time * SUB_STEPS
    step = np.minimum(place.astype(np.int64), SUB_STEPS - 1)
    before = np.take_along_axis(path, step, axis=1)
    return before + (place - step) * (np.take_along_axis(path, step + 1, axis=1) - before)
