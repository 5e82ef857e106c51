from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from moola.exceptions import SchemaError
from moola.features import FEATURE_NAMES, LOOKBACK_BARS, compute_features
from tests.feature_reference import reference_features

WINDOW = 105
LIMITS = {
    "open_norm": (0, 1),
    "close_norm": (0, 1),
    "body_pct": (-1, 1),
    "upper_wick_pct": (0, 1),
    "lower_wick_pct": (0, 1),
    "range_z": (0, 3),
    "dist_to_prev_SH": (-3, 3),
    "dist_to_prev_SL": (-3, 3),
    "bars_since_SH_norm": (0, 3),
    "bars_since_SL_norm": (0, 3),
    "expansion_proxy": (-2, 2),
    "consol_proxy": (0, 3),
}


def column(features: NDArray[np.float32], name: str) -> NDArray[np.float32]:
    return features[..., FEATURE_NAMES.index(name)]


def random_walk(n_bars: int, *, seed: int) -> NDArray[np.float64]:
    """Bars in ticks of 0.25 with volatility that comes and goes, gaps and some flat bars."""
    rng = np.random.default_rng(seed)
    volatility = 4 * np.exp(0.5 * np.cumsum(rng.normal(0, 0.05, n_bars)))
    steps = rng.normal(0, 1, (n_bars, 16)) * volatility[:, None] / 4
    steps[rng.random(n_bars) < 0.03] = 0
    path = np.cumsum(steps.ravel()).reshape(n_bars, 16)
    gap = np.cumsum(rng.normal(0, 30, n_bars) * (rng.random(n_bars) < 0.01))
    ticks = np.rint(path + gap[:, None])
    ticks += 4000 - ticks.min()
    return 0.25 * np.stack(
        [ticks[:, 0], ticks.max(axis=1), ticks.min(axis=1), ticks[:, -1]], axis=1
    )


@st.composite
def tick_bars(draw: st.DrawFn, max_bars: int = 80) -> NDArray[np.float64]:
    """Short series of a few ticks a bar: many equal highs, flat bars, ties, and some jumps."""
    small = st.integers(0, 3)
    shapes = st.tuples(st.sampled_from([-40, -2, -1, 0, 0, 0, 1, 2, 40]), small, small, small)
    close, bars = 4000, []
    for gap, up, down, at in draw(st.lists(shapes, min_size=1, max_size=max_bars)):
        opened = close + gap
        high, low = opened + up, opened - down
        close = min(low + at, high)
        bars.append((opened, high, low, close))
    return 0.25 * np.array(bars, float)


def real_ohlc(folder: Path, name: str) -> NDArray[np.float64]:
    frame = pd.read_parquet(folder / f"{name}.parquet")
    return frame[["open", "high", "low", "close"]].to_numpy(float)


def cut_windows(values: NDArray, *, n_windows: int, first: int = 400) -> NDArray:
    starts = np.random.default_rng(0).integers(first, len(values) - WINDOW, n_windows)
    return np.stack([values[start : start + WINDOW] for start in starts])


def test_the_twelve_features_stand_in_the_agreed_order() -> None:
    assert tuple(LIMITS) == FEATURE_NAMES


def test_the_shape_of_a_bar_is_measured_in_its_own_range() -> None:
    bar = compute_features([[101, 108, 100, 106]])[0]
    shape = dict(zip(FEATURE_NAMES[:5], bar[:5].tolist(), strict=True))
    assert shape == {
        "open_norm": 0.125,
        "close_norm": 0.75,
        "body_pct": 0.625,
        "upper_wick_pct": 0.25,
        "lower_wick_pct": 0.125,
    }


def test_the_first_bar_measures_itself() -> None:
    values = compute_features([[101, 108, 100, 106]])[0].tolist()
    bar = dict(zip(FEATURE_NAMES, values, strict=True))
    assert bar["range_z"] == 1
    assert bar["dist_to_prev_SH"] == 0.25
    assert bar["dist_to_prev_SL"] == 0.75
    assert bar["bars_since_SH_norm"] == bar["bars_since_SL_norm"] == bar["consol_proxy"] == 0
    assert bar["expansion_proxy"] == 0.625


def test_a_flat_first_bar_is_neutral() -> None:
    bar = compute_features([[100, 100, 100, 100]])[0]
    assert bar.tolist() == [0.5, 0.5, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]


def test_a_flat_bar_later_has_no_body_and_no_range() -> None:
    bar = compute_features([[100, 104, 98, 102], [102, 102, 102, 102]])[1]
    assert bar[:6].tolist() == [0.5, 0.5, 0, 0, 0, 0]
    assert column(bar, "dist_to_prev_SH") == pytest.approx(2 / 3)  # ATR is (6 + 0) / 2


def climb_then(*closes: float) -> NDArray[np.float64]:
    """Thirty up bars of range 1 that end at 130, then bars of range 1 around the closes."""
    up = [(100 + i, 101 + i, 100 + i, 101 + i) for i in range(30)]
    later = [(close, close + 0.5, close - 0.5, close) for close in closes]
    return np.array([*up, *later], float)


@pytest.mark.parametrize(
    ("closes", "confirmed_at"),
    [
        ((129.4,), 30),  # 0.6 ATR one bar after the high
        ((129.5,), 30),  # 0.5 ATR exactly
        ((129.6, 129.6), None),  # too shallow
        ((129.9,) * 4 + (129.4,), 34),  # the quick rule reaches to the fifth bar
        ((129.9,) * 5 + (129.4,), None),  # and not to the sixth
        ((129.9,) * 6 + (128.7,), 36),  # later it takes 1.2 ATR
    ],
)
def test_a_swing_is_confirmed_by_a_close_far_enough_from_the_extreme(
    closes: tuple[float, ...], confirmed_at: int | None
) -> None:
    bars = climb_then(*closes)
    # Highs of later bars stay below 130, the high of bar 29.
    bars[30:, 1] = np.minimum(bars[30:, 1], 129.95)
    since = column(compute_features(bars), "bars_since_SH_norm") * WINDOW
    expected = np.arange(len(bars), dtype=float)
    if confirmed_at is not None:
        expected[confirmed_at:] -= 29
    np.testing.assert_allclose(since, expected, atol=1e-5)


def test_the_bar_of_the_extreme_does_not_confirm_itself() -> None:
    bars = climb_then()
    bars[-1] = (129, 140, 128, 128.5)
    since = column(compute_features(bars), "bars_since_SH_norm")
    assert since[-1] == pytest.approx(29 / WINDOW)


def test_the_leg_turns_with_the_confirmation() -> None:
    bars = np.vstack([climb_then(), [[130, 130, 128, 128], [128, 128, 127, 127]]])
    assert (column(compute_features(bars), "expansion_proxy")[-2:] > 0).all()


def test_a_dead_market_confirms_nothing_and_stays_finite() -> None:
    bars = np.full((20_000, 4), 100.0)
    bars[0] = (100, 101, 99, 100)
    features = compute_features(bars)
    assert np.isfinite(features).all()
    # The ATR decays until it is zero: the swings stay where they are, at the limit distance.
    np.testing.assert_array_equal(column(features[-1], "dist_to_prev_SH"), 3)
    np.testing.assert_array_equal(column(features[-1], "bars_since_SH_norm"), 3)


def test_no_bars_give_no_features() -> None:
    assert compute_features(np.empty((0, 4))).shape == (0, 12)


@pytest.mark.parametrize(
    ("bars", "sentence"),
    [
        (np.ones((5, 3)), r"shape \(N, 4\)"),
        (np.ones(4), r"shape \(N, 4\)"),
        ([[1, 2, 1, 1], [1, 2, np.nan, 1]], r"bar 1"),
        ([[1, np.inf, 1, 1]], r"bar 0"),
        ([[1, 2, 3, 1]], r"inside low..high"),
        ([[1, 2, 1, 2.5]], r"inside low..high"),
    ],
)
def test_unusable_bars_are_named(bars: object, sentence: str) -> None:
    with pytest.raises(SchemaError, match=sentence):
        compute_features(bars)  # type: ignore[arg-type]


@given(tick_bars())
def test_agrees_with_the_plain_reference(bars: NDArray[np.float64]) -> None:
    np.testing.assert_allclose(compute_features(bars), reference_features(bars), atol=1e-6)


@pytest.mark.parametrize("seed", range(4))
def test_agrees_with_the_plain_reference_on_long_random_walks(seed: int) -> None:
    bars = random_walk(3000, seed=seed)
    np.testing.assert_allclose(compute_features(bars), reference_features(bars), atol=1e-6)


@given(tick_bars(), st.data())
def test_later_bars_never_change_earlier_features(
    bars: NDArray[np.float64], data: st.DataObject
) -> None:
    now = data.draw(st.integers(0, len(bars)))
    np.testing.assert_array_equal(compute_features(bars)[:now], compute_features(bars[:now]))


@given(tick_bars(), st.integers(-60, 60))
def test_a_price_scale_of_a_power_of_two_changes_nothing(
    bars: NDArray[np.float64], power: int
) -> None:
    np.testing.assert_array_equal(compute_features(bars * 2.0**power), compute_features(bars))


@given(tick_bars(), st.floats(1e-6, 1e6))
def test_any_price_scale_changes_nothing_but_rounding(
    bars: NDArray[np.float64], factor: float
) -> None:
    scaled, plain = compute_features(bars * factor), compute_features(bars)
    np.testing.assert_allclose(scaled, plain, atol=1e-4)


@given(tick_bars())
@settings(max_examples=200)
def test_every_value_is_finite_and_inside_its_limits(bars: NDArray[np.float64]) -> None:
    assert_within_limits(compute_features(bars))


def assert_within_limits(features: NDArray[np.float32]) -> None:
    assert np.isfinite(features).all()
    low, high = np.array(list(LIMITS.values())).T
    assert (features >= low).all()
    assert (features <= high).all()


def test_no_feature_is_empty_at_any_time_step_of_a_window() -> None:
    assert_filled_at_every_time_step(compute_features(random_walk(20_000, seed=1)))


def assert_filled_at_every_time_step(features: NDArray[np.float32]) -> None:
    """How often a wick or a body is zero is up to the market, but not to the time step."""
    whole = (features[400:] != 0).mean(axis=0)  # (12,)
    by_step = (cut_windows(features, n_windows=600) != 0).mean(axis=0)  # (105, 12)
    assert whole.min() > 0.05
    assert (by_step > 0.5 * whole).all()
    assert np.abs(by_step - whole).max() < 0.1


def test_values_differ_between_windows_at_every_time_step() -> None:
    windows = cut_windows(compute_features(random_walk(20_000, seed=2)), n_windows=400)
    assert windows.std(axis=0).min() > 0.005


def test_a_cold_window_is_filled_from_its_second_bar_on() -> None:
    bars = random_walk(20_000, seed=3)
    cold = np.stack([compute_features(window) for window in cut_windows(bars, n_windows=300)])
    whole = (compute_features(bars) != 0).mean(axis=0)
    assert ((cold[:, 1:] != 0).mean(axis=0) > 0.5 * whole).all()


@pytest.mark.real_bars
@pytest.mark.parametrize(
    "name", ["nq_1min_2022jan", "fxy_1min_2023_2025", "inda_1min_2023_2025", "spy_1min_2011"]
)
class TestRealBars:
    def test_values_are_finite_and_inside_their_limits(
        self, real_bars_dir: Path, name: str
    ) -> None:
        assert_within_limits(compute_features(real_ohlc(real_bars_dir, name)))

    def test_values_agree_with_the_plain_reference(self, real_bars_dir: Path, name: str) -> None:
        bars = real_ohlc(real_bars_dir, name)[:4000]
        np.testing.assert_allclose(compute_features(bars), reference_features(bars), atol=1e-6)

    def test_no_feature_is_empty_at_any_time_step(self, real_bars_dir: Path, name: str) -> None:
        assert_filled_at_every_time_step(compute_features(real_ohlc(real_bars_dir, name)))

    def test_a_cold_start_has_worn_off_after_the_look_back(
        self, real_bars_dir: Path, name: str
    ) -> None:
        bars = real_ohlc(real_bars_dir, name)
        warm = compute_features(bars)
        starts = np.random.default_rng(5).integers(1000, len(bars) - 300, 200)
        cold = np.stack([compute_features(bars[s : s + 300]) for s in starts])
        error = np.abs(cold - np.stack([warm[s : s + 300] for s in starts])).max(axis=2)
        assert (error[:, LOOKBACK_BARS:].max(axis=1) > 0.1).mean() <= 0.02
