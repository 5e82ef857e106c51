"""Windows around planted expansions, as examples to train or test on: one window an event.

``generated_examples(1000, plan=BENCHMARK_PLAN, seed=0)`` makes the bars too; ``planted_windows``
plants into bars that are there, such as the user's own unlabelled ones.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from moola.collect import examples_of
from moola.cuts import START_RANGE, EventLabel, noisy_label
from moola.examples import Examples
from moola.gathering import Gathered, LabelledWindow
from moola.implanting import plant_into
from moola.planting import WARM_UP_BARS, Event, Plan, plan_events
from moola.schema import PRICE_COLUMNS, WINDOW_LENGTH, Span
from moola.synthetic import generate_bars
from moola.windows import window_uid

SPACED_PLAN = Plan(
    length_power=0.0, lengths_bars=(5, 16), median_length_bars=9.0, gap_bars=110, quiet_bars=30.0
)
"""Expansions so far apart that a window of one shows no other, wherever in it the span starts."""


@dataclass(frozen=True, eq=False)
class Bars:
    """One series to plant into."""

    series_id: str
    ohlc: NDArray[np.float64]  # (N, 4)
    run_start: NDArray[np.int64]  # (N,) first bar of the unbroken run (`proposals.run_starts`)
    tick: float | None = None


def generated_examples(n_windows: int, *, plan: Plan, seed: int, noisy: bool) -> Examples:
    """Generate bars with events and return `n_windows` windows, each around one event."""
    per_event = plan.gap_bars + plan.quiet_bars + sum(plan.pre_bars) / 2 + plan.lengths_bars[1]
    series = generate_bars(round(per_event * (n_windows + 20) * 1.1), seed=seed, plan=plan)
    ohlc = series.frame[list(PRICE_COLUMNS)].to_numpy(np.float64)
    rng = np.random.default_rng([seed, 105])
    windows = event_windows("GENERATED", series.events, len(ohlc), rng=rng, noisy=noisy)
    return examples_of(Gathered(tuple(windows[:n_windows]), lambda _: ohlc, {}), with_context=True)


def planted_windows(
    series: Sequence[Bars], *, plan: Plan, rng: np.random.Generator, noisy: bool = False
) -> Gathered:
    """Plant events into all of `series`, each of another name, and return one window an event."""
    windows: list[LabelledWindow] = []
    ohlc_of: dict[str, NDArray[np.float64]] = {}
    for bars in series:
        events = plan_events(rng, bars.run_start, plan)
        planted = plant_into(bars.ohlc, events, plan=plan, rng=rng, tick=bars.tick)
        ohlc_of[bars.series_id] = planted.ohlc
        windows += event_windows(
            bars.series_id, planted.events, len(planted.ohlc), rng=rng, noisy=noisy
        )
    return Gathered(tuple(windows), ohlc_of.__getitem__, {})


def event_windows(
    series_id: str,
    events: Iterable[Event],
    n_bars: int,
    *,
    rng: np.random.Generator,
    noisy: bool,
) -> list[LabelledWindow]:
    """Return one window an event; its span starts anywhere in `START_RANGE`.

    Parameters
    ----------
    noisy
        Label like an annotator (`moola.cuts.noisy_label`) rather than exactly.
    """
    windows = []
    for event in events:
        label = noisy_label(rng, event) if noisy else EventLabel(event.start, event.end, event.type)
        latest = min(START_RANGE[1], WINDOW_LENGTH - (label.end - label.start + 1))
        bar_start = label.start - int(rng.integers(START_RANGE[0], latest + 1))
        if bar_start < WARM_UP_BARS or bar_start + WINDOW_LENGTH > n_bars:
            continue
        span = Span(label.start - bar_start, label.end - bar_start, label.type)
        windows.append(
            LabelledWindow(window_uid(series_id, bar_start), series_id, bar_start, (span,))
        )
    return windows
