"""Events planted into given bars: labelled to the bar, legal, and nothing else touched."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray

from moola.bar_rules import check_prices
from moola.bars import tick_size
from moola.collect import examples_of
from moola.features import compute_features
from moola.implanting import PlantedBars, plant_into
from moola.planted_windows import (
    SPACED_PLAN,
    Bars,
    event_windows,
    generated_examples,
    planted_windows,
)
from moola.planting import Event, Plan, plan_events
from moola.proposals import run_starts
from moola.schema import PRICE_COLUMNS, SPAN_TYPES, WINDOW_LENGTH
from moola.synthetic import TICK, generate_bars

QUIET = Plan(strength=0.0, decoys_per_window=0.0)


@pytest.fixture(scope="module")
def ohlc() -> NDArray[np.float64]:
    return generate_bars(6_000, seed=3, plan=QUIET).frame[list(PRICE_COLUMNS)].to_numpy()


def planted(ohlc: NDArray[np.float64], *, strength: float = 0.7, seed: int = 0) -> PlantedBars:
    rng = np.random.default_rng(seed)
    plan = replace(SPACED_PLAN, strength=strength)
    events = plan_events(rng, np.zeros(len(ohlc), np.int64), plan)
    return plant_into(ohlc, events, plan=plan, rng=rng, tick=TICK)


def free_stretches(events: list[Event], n_bars: int) -> list[slice]:
    """Return the bars before, between and after the events."""
    stops = [0, *(event.end + 1 for event in events)]
    starts = [*(event.pre_start for event in events), n_bars]
    return [slice(a, b) for a, b in zip(stops, starts, strict=True)]


@pytest.mark.parametrize("strength", [0.0, 0.7, 3.0])
def test_bars_outside_the_events_keep_their_shape_to_the_tick(
    ohlc: NDArray[np.float64], strength: float
) -> None:
    found = planted(ohlc, strength=strength)
    assert len(found.events) > 25
    assert np.array_equal(
        found.ohlc[: found.events[0].pre_start], ohlc[: found.events[0].pre_start]
    )
    for bars in free_stretches(found.events, len(ohlc)):
        ticks = (found.ohlc[bars] - ohlc[bars]) / TICK
        assert np.allclose(ticks, np.rint(ticks[0, 0]), atol=1e-6)


def test_every_event_changes_its_own_bars(ohlc: NDArray[np.float64]) -> None:
    found = planted(ohlc)
    shape = found.ohlc - found.ohlc[:, :1] - (ohlc - ohlc[:, :1])
    for event in found.events:
        assert np.abs(shape[event.start + 1 : event.end + 1]).max(axis=1).all()


@pytest.mark.parametrize("strength", [0.0, 0.7, 3.0])
def test_planted_bars_are_legal_and_on_the_tick(ohlc: NDArray[np.float64], strength: float) -> None:
    found = planted(ohlc, strength=strength).ohlc
    assert not check_prices(found)
    assert np.allclose(found / TICK, np.rint(found / TICK), atol=1e-6)


def test_an_open_that_equals_the_close_before_still_does(ohlc: NDArray[np.float64]) -> None:
    joined = ohlc.copy()
    joined[1:, 0] = joined[:-1, 3]
    joined[:, 1], joined[:, 2] = joined.max(axis=1), joined.min(axis=1)
    found = planted(joined).ohlc
    assert np.allclose(found[1:, 0], found[:-1, 3], atol=1e-6)


def test_features_away_from_the_events_are_those_of_the_bars_before(
    ohlc: NDArray[np.float64],
) -> None:
    found = planted(ohlc)
    before, after = compute_features(ohlc), compute_features(found.ohlc)
    candle = slice(0, 5)  # what a bar alone says, without the swings and averages behind it
    for bars in free_stretches(found.events, len(ohlc)):
        assert np.allclose(before[bars, candle], after[bars, candle], atol=1e-5)


def test_the_move_of_an_event_goes_its_way_by_its_strength(ohlc: NDArray[np.float64]) -> None:
    def mean_move(strength: float) -> float:
        found = planted(ohlc, strength=strength)
        moves = [
            event.sign * (found.ohlc[event.end, 3] - found.ohlc[event.start, 0])
            / (ohlc[event.pre_start - 60 : event.pre_start, 1]
               - ohlc[event.pre_start - 60 : event.pre_start, 2]).mean()
            for event in found.events
        ]  # fmt: skip
        return float(np.mean(moves))

    # 10 bars, half a bar less for the first, drift 1.05 volatilities, 1.6 volatilities a range
    assert mean_move(2.0) - mean_move(0.0) == pytest.approx(2.0 * 9.5 * 1.05 / 1.6, rel=0.15)
    assert abs(mean_move(0.0)) < 1


def test_an_event_in_a_dead_market_or_towards_no_price_is_left_out() -> None:
    dead = np.full((400, 4), 100.0)
    found = planted(dead)
    assert not found.events
    assert np.array_equal(found.ohlc, dead)

    rng = np.random.default_rng(0)
    wild = np.tile([100.0, 130.0, 70.0, 100.0], (3_000, 1))
    plan = replace(SPACED_PLAN, strength=3.0)
    events = plan_events(rng, np.zeros(len(wild), np.int64), plan)
    found = plant_into(wild, events, plan=plan, rng=rng)
    assert 0 < len(found.events) < len(events)
    assert found.ohlc.min() > 0


def test_windows_hold_one_event_with_its_exact_label_anywhere_in_the_range(
    ohlc: NDArray[np.float64],
) -> None:
    rng = np.random.default_rng(1)
    events = plan_events(rng, np.zeros(20_000, np.int64), SPACED_PLAN)
    windows = event_windows("S", events, 20_000, rng=rng, noisy=False)
    assert len(windows) > 100
    labels = {(event.start, event.end, event.type) for event in events}
    for window in windows:
        (span,) = window.spans
        assert (window.bar_start + span.start, window.bar_start + span.end, span.type) in labels
        shown = [e for e in events if e.end >= window.bar_start]
        assert sum(e.start < window.bar_start + WINDOW_LENGTH for e in shown) == 1
    starts = [window.spans[0].start for window in windows]
    assert min(starts) < 30
    assert max(starts) > 78


def test_noisy_labels_are_half_right_and_at_most_a_bar_off() -> None:
    rng = np.random.default_rng(1)
    events = plan_events(rng, np.zeros(60_000, np.int64), SPACED_PLAN)
    windows = event_windows("S", events, 60_000, rng=rng, noisy=True)
    off = [
        min(abs(w.bar_start + w.spans[0].start - event.start) for event in events) for w in windows
    ]
    assert max(off) == 1
    assert np.mean(off) == pytest.approx(0.5, abs=0.08)


def test_generated_examples_are_as_many_as_asked_and_repeatable() -> None:
    first, again = (generated_examples(60, plan=SPACED_PLAN, seed=5, noisy=True) for _ in range(2))
    assert len(first) == 60
    assert first.content_hash() == again.content_hash()
    assert first.has_span.all()
    assert not first.cold.any()
    assert set(first.type_id) == set(range(len(SPAN_TYPES)))


@pytest.mark.real_bars
def test_real_bars_stay_legal_and_on_their_tick(real_bars_dir: Path) -> None:
    for name in ("nq_1min_2022jan", "eurusd_1min_2017h1", "fxy_1min_2023_2025"):
        frame = pd.read_parquet(real_bars_dir / f"{name}.parquet")[:20_000]
        prices = frame[list(PRICE_COLUMNS)].to_numpy(np.float64)
        runs = run_starts(len(frame), frame["timestamp"], 3.0)
        tick = tick_size(prices)
        bars = Bars(name, prices, runs, tick)
        gathered = planted_windows([bars], plan=SPACED_PLAN, rng=np.random.default_rng(0))
        found = examples_of(gathered)
        assert len(found) > 10
        assert not check_prices(found.ohlc.reshape(-1, 4))
        assert tick is not None
        assert np.allclose(found.ohlc / tick, np.rint(found.ohlc / tick), atol=1e-4)
        assert all(a < b for a, b in pairwise(found.bar_start.tolist()))
