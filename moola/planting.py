"""Expansions and decoys that `moola.synthetic` plants into its bars.

``plan_events`` decides where they go; ``plant`` writes an event into a `Shape`, which bends the
walk of the price.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from moola.schema import SPAN_TYPES, WINDOW_LENGTH, Direction, SpanType, check_type

SUB_STEPS = 16
"""Steps of the price inside a bar."""
CHOP_PULL = 0.03
"""Share of the way back to the level of the last hour, per bar, outside of events."""
WARM_UP_BARS = 60
"""No event before the volatility around it can be seen."""


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What is planted: how strong, how long, how often."""

    strength: float = 1.0
    """Drift per bar of an 8-bar expansion in units of the bar's volatility."""
    length_power: float = 0.5
    """The drift goes with ``(8 / length) ** length_power``: at 0.5 long and short expansions are
    equally hard to tell from noise, at 0 every bar of them moves alike."""
    surge_scale: tuple[float, float] = (1.1, 1.4)
    """Factor on the volatility inside an expansion, drawn from this range."""
    lengths_bars: tuple[int, int] = (2, 23)
    median_length_bars: float = 7.0
    type_shares: tuple[float, float, float] = (0.45, 0.35, 0.20)
    pre_bars: tuple[int, int] = (8, 29)
    gap_bars: int = 40
    """Least number of bars between an expansion and the next one's pre-phase."""
    quiet_bars: float = 90.0
    """Mean number of bars between them beyond the least."""
    decoys_per_window: float = 1.2


@dataclass(frozen=True, slots=True)
class Event:
    """A planted expansion: bars ``start..end`` of its series, both inclusive.

    The pre-phase is ``pre_start..start``: its last bar is the expansion's first.
    """

    pre_start: int
    start: int
    end: int
    type: SpanType
    direction: Direction

    @property
    def sign(self) -> int:
        """+1 for an expansion upwards, -1 downwards."""
        return 1 if self.direction == "up" else -1


@dataclass(frozen=True, eq=False)
class Shape:
    """How planted patterns bend the walk."""

    drift: NDArray[np.float64]  # (N, SUB_STEPS) in bar volatilities per bar
    scale: NDArray[np.float64]  # (N,) factor on the volatility
    pull: NDArray[np.float64]  # (N,) share of the way back to the current level, per bar
    range_bound: NDArray[np.bool_]  # (N,) the level stays where it was when the range began


def plan_events(rng: np.random.Generator, session: NDArray, plan: Plan) -> list[Event]:
    """Place events one after another, each with its pre-phase inside one session."""
    events: list[Event] = []
    kinds = _draw_types(rng, plan)
    cursor = WARM_UP_BARS
    while True:
        pre_start = cursor + plan.gap_bars + int(rng.exponential(plan.quiet_bars))
        start = pre_start + int(rng.integers(plan.pre_bars[0], plan.pre_bars[1] + 1)) - 1
        end = start + _draw_length(rng, plan) - 1
        if end + 1 >= len(session):
            return events
        if session[pre_start] == session[end]:
            direction: Direction = "up" if rng.random() < 0.5 else "down"
            events.append(Event(pre_start, start, end, next(kinds), direction))
        cursor = end + 1


def _draw_types(rng: np.random.Generator, plan: Plan) -> Iterator[SpanType]:
    """Yield types like cards of a shuffled deck of 20, so that a short series keeps the shares."""
    deck = np.repeat(SPAN_TYPES, np.rint(20 * np.array(plan.type_shares)).astype(int))
    while True:
        for name in rng.permutation(deck):
            yield check_type(str(name))


def _draw_length(rng: np.random.Generator, plan: Plan) -> int:
    low, high = plan.lengths_bars
    while True:
        length = round(plan.median_length_bars * np.exp(0.55 * rng.standard_normal()))
        if low <= length <= high:
            return int(length)


def empty_shape(n_bars: int) -> Shape:
    """Return the shape of a market in which nothing is planted."""
    return Shape(
        drift=np.zeros((n_bars, SUB_STEPS)),
        scale=np.ones(n_bars),
        pull=np.full(n_bars, CHOP_PULL),
        range_bound=np.zeros(n_bars, bool),
    )


def plant(rng: np.random.Generator, shape: Shape, event: Event, plan: Plan) -> None:
    """Write one event into the shape: pre-phase up to the middle of its first bar, then surge."""
    s, e, sign, strength = event.start, event.end, event.sign, plan.strength
    pre = slice(event.pre_start * SUB_STEPS, s * SUB_STEPS + SUB_STEPS // 2)
    drift = shape.drift.reshape(-1)
    shape.pull[event.pre_start : e + 1] = 0.0
    if event.type == "consolidation":
        shape.scale[event.pre_start : s] *= rng.uniform(0.55, 0.85)
        shape.pull[event.pre_start : s] = 0.15
        shape.range_bound[event.pre_start : s] = True
    elif event.type == "retracement":
        n = pre.stop - pre.start
        n_back = int(n * rng.uniform(0.4, 0.6))
        impulse = sign * strength * rng.uniform(0.4, 0.7)
        drift[pre.start : pre.stop - n_back] += impulse
        drift[pre.stop - n_back : pre.stop] -= (
            impulse * rng.uniform(0.4, 0.7) * (n - n_back) / n_back
        )
    else:
        drift[pre] -= sign * strength * rng.uniform(0.3, 0.55)
    _surge(rng, shape, slice(pre.stop, (e + 1) * SUB_STEPS), sign * strength, plan.length_power)
    shape.scale[s + 1 : e + 1] *= rng.uniform(*plan.surge_scale)


def _surge(
    rng: np.random.Generator, shape: Shape, steps: slice, strength: float, length_power: float
) -> None:
    """Add a hump of drift over `steps` (sub-steps counted from the first bar)."""
    n = steps.stop - steps.start
    hump = 0.6 + 0.8 * np.sin(np.pi * (np.arange(n) + 0.5) / n)
    per_bar = strength * rng.uniform(0.7, 1.4) * (8 * SUB_STEPS / n) ** length_power
    shape.drift.reshape(-1)[steps] += per_bar * hump / hump.mean()


def plant_decoys(
    rng: np.random.Generator, shape: Shape, events: Iterable[Event], plan: Plan
) -> None:
    """Plant patterns that are not expansions on bars that no event uses."""
    n_bars = len(shape.scale)
    free = np.ones(n_bars, bool)
    for event in events:
        free[event.pre_start : event.end + 4] = False
    for _ in range(rng.poisson(plan.decoys_per_window * free.sum() / WINDOW_LENGTH)):
        kind = rng.integers(4)
        length = int(rng.integers(*((2, 5), (5, 15), (15, 40), (3, 16))[kind]))
        first = int(rng.integers(n_bars))
        bars = slice(first, min(first + length, n_bars))
        sign = 1 if rng.random() < 0.5 else -1
        if not free[bars].all():
            continue
        if kind == 0:  # spike
            shape.scale[bars] *= rng.uniform(1.5, 2.2)
        elif kind == 1:  # burst without a direction
            shape.scale[bars] *= rng.uniform(1.2, 1.7)
        elif kind == 2:  # slow trend
            shape.drift[bars] += sign * rng.uniform(0.1, 0.3)
        else:  # half an expansion
            steps = slice(bars.start * SUB_STEPS, bars.stop * SUB_STEPS)
            _surge(rng, shape, steps, sign * plan.strength / 2, plan.length_power)
        free[bars] = False
