"""Generated bars are legal, repeatable, and statistically close to a real index future."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from moola.planting import Plan
from moola.synthetic import TICK, generate_bars, session_clock, session_of_each_bar

# What a stretch of 13,560 generated minutes must stay within. NQ in January 2022 lies inside too.
LIMITS = {
    "kurtosis of returns": (7, 40),
    "lag-1 autocorrelation of |r|": (0.2, 0.5),
    "lag-60 autocorrelation of |r|": (0.08, 0.35),
    "lag-1 autocorrelation of r": (-0.05, 0.12),
    "range over |close to close|": (1.8, 2.1),
    "upper wick share": (0.23, 0.30),
    "lower wick share": (0.23, 0.30),
    "share of flat bars": (0.0, 0.002),
    "cash session over overnight range": (1.8, 2.9),
    "first half hour over overnight range": (2.2, 4.2),
    "15-bar variance ratio": (0.8, 1.4),
    "correlation of log volume and log range": (0.8, 0.97),
}


@pytest.fixture(scope="module", params=[1, 2, 3])
def bars(request: pytest.FixtureRequest) -> pd.DataFrame:
    return generate_bars(13_560, seed=request.param).frame


def statistics(frame: pd.DataFrame) -> dict[str, float]:
    """Return the statistics of `LIMITS`; steps across breaks of the clock are left out."""
    o, h, l, c = (frame[name].to_numpy() for name in ("open", "high", "low", "close"))  # noqa: E741
    times = pd.DatetimeIndex(frame["timestamp"])
    inside = np.diff(times.as_unit("s").asi8) == 60
    r, bar_range = np.diff(np.log(c))[inside], h - l
    ranged = bar_range > 0
    log_range = np.log(np.maximum(bar_range, TICK))
    minute = times.hour * 60 + times.minute
    cash = (minute >= 14 * 60 + 30) & (minute < 21 * 60)
    burst = (minute >= 14 * 60 + 30) & (minute < 15 * 60)
    overnight_range = bar_range[~cash].mean()
    moves = np.log(c[15:]) - np.log(c[:-15])
    volume = np.log(frame["volume"].to_numpy() + 1)
    return {
        "kurtosis of returns": float(((r - r.mean()) ** 4).mean() / r.var() ** 2),
        "lag-1 autocorrelation of |r|": autocorrelation(np.abs(r), 1),
        "lag-60 autocorrelation of |r|": autocorrelation(np.abs(r), 60),
        "lag-1 autocorrelation of r": autocorrelation(r, 1),
        "range over |close to close|": bar_range[1:][inside].mean()
        / np.abs(np.diff(c))[inside].mean(),
        "upper wick share": ((h - np.maximum(o, c))[ranged] / bar_range[ranged]).mean(),
        "lower wick share": ((np.minimum(o, c) - l)[ranged] / bar_range[ranged]).mean(),
        "share of flat bars": 1 - ranged.mean(),
        "cash session over overnight range": bar_range[cash].mean() / overnight_range,
        "first half hour over overnight range": bar_range[burst].mean() / overnight_range,
        "15-bar variance ratio": moves.var() / (15 * r.var()),
        "correlation of log volume and log range": np.corrcoef(volume, log_range)[0, 1],
    }


def autocorrelation(values: np.ndarray, lag: int) -> float:
    values = values - values.mean()
    return float((values[lag:] * values[:-lag]).mean() / values.var())


def outside_limits(found: dict[str, float]) -> dict[str, float]:
    return {k: v for k, v in found.items() if not LIMITS[k][0] <= v <= LIMITS[k][1]}


def test_generated_minutes_have_the_statistics_of_an_index_future(bars: pd.DataFrame) -> None:
    assert not outside_limits(statistics(bars))


@pytest.mark.real_bars
def test_the_limits_hold_for_real_nq_minutes(real_bars_dir: Path) -> None:
    assert not outside_limits(
        statistics(pd.read_parquet(real_bars_dir / "nq_1min_2022jan.parquet"))
    )


def test_a_plain_random_walk_breaks_the_limits(bars: pd.DataFrame) -> None:
    rng = np.random.default_rng(0)
    path = 15_000 + np.cumsum(rng.normal(0, 2, (len(bars), 16)).ravel()).reshape(-1, 16)
    walk = bars.assign(
        open=path[:, 0], high=path.max(axis=1), low=path.min(axis=1), close=path[:, -1]
    )
    assert len(outside_limits(statistics(walk))) >= 6


def test_every_bar_is_legal_and_on_the_tick_grid(bars: pd.DataFrame) -> None:
    o, h, l, c = (bars[name] for name in ("open", "high", "low", "close"))  # noqa: E741
    assert (h >= np.maximum(o, c)).all()
    assert (l <= np.minimum(o, c)).all()
    assert (l > 0).all()
    prices = bars[["open", "high", "low", "close"]] / TICK
    assert (prices == prices.round()).all(axis=None)
    assert (bars["volume"] >= 1).all()
    assert (bars["volume"] == bars["volume"].round()).all()


def test_clock_has_a_break_a_day_and_a_weekend() -> None:
    clock = session_clock(13_560, first_bar="2001-01-07 23:00")
    steps = pd.Series(clock).diff().dropna().value_counts()
    assert steps.index.max() == pd.Timedelta(hours=49, minutes=1)
    assert set(steps.index) == {
        pd.Timedelta(minutes=1),
        pd.Timedelta(minutes=61),
        pd.Timedelta(hours=49, minutes=1),
    }
    assert clock.is_monotonic_increasing
    assert str(clock.tz) == "UTC"
    assert session_of_each_bar(clock)[-1] == 9


def test_price_jumps_where_the_clock_pauses(bars: pd.DataFrame) -> None:
    step = np.abs(bars["open"].to_numpy()[1:] - bars["close"].to_numpy()[:-1])
    pause = np.diff(session_of_each_bar(pd.DatetimeIndex(bars["timestamp"]))) == 1
    assert step[pause].mean() > 5 * step[~pause].mean()


def test_equal_seeds_give_equal_bars_and_other_seeds_other_bars() -> None:
    first, again, other = (generate_bars(2_000, seed=seed) for seed in (5, 5, 6))
    pd.testing.assert_frame_equal(first.frame, again.frame)
    assert first.events == again.events
    assert not np.array_equal(first.frame["close"], other.frame["close"])


def test_events_are_apart_inside_one_session_and_within_their_length() -> None:
    series = generate_bars(30_000, seed=4)
    session = session_of_each_bar(pd.DatetimeIndex(series.frame["timestamp"]))
    for event, after in pairwise(series.events):
        assert event.end < after.pre_start
    for event in series.events:
        assert event.pre_start < event.start < event.end
        assert 2 <= event.end - event.start + 1 <= 23
        assert session[event.pre_start] == session[event.end]


def test_event_types_keep_their_shares() -> None:
    events = generate_bars(100_000, seed=8).events
    share = pd.Series([event.type for event in events]).value_counts(normalize=True)
    assert share["consolidation"] == pytest.approx(0.45, abs=0.06)
    assert share["retracement"] == pytest.approx(0.35, abs=0.06)
    assert share["reversal"] == pytest.approx(0.20, abs=0.06)


def test_an_expansion_moves_its_way_and_farther_than_ordinary_bars() -> None:
    series = generate_bars(60_000, seed=9)
    close = series.frame["close"].to_numpy()
    bar_range = (series.frame["high"] - series.frame["low"]).rolling(20).mean().to_numpy()
    net = [e.sign * (close[e.end] - close[e.start]) / bar_range[e.start] for e in series.events]
    ordinary = np.abs(close[7:] - close[:-7])[100:] / bar_range[100:-7]
    assert np.mean(np.array(net) > 0) > 0.95
    assert np.median(net) > 2 * np.median(ordinary)


def test_a_consolidation_is_quieter_than_the_bars_before_it() -> None:
    series = generate_bars(60_000, seed=10)
    spread = (series.frame["high"] - series.frame["low"]).to_numpy()
    ratios = [
        spread[e.pre_start : e.start].mean() / spread[e.pre_start - 20 : e.pre_start].mean()
        for e in series.events
        if e.type == "consolidation"
    ]
    assert np.median(ratios) < 0.85


def test_strength_scales_the_surge() -> None:
    def median_move(strength: float) -> float:
        series = generate_bars(40_000, seed=12, plan=Plan(strength=strength))
        close = series.frame["close"].to_numpy()
        return float(np.median([e.sign * (close[e.end] - close[e.start]) for e in series.events]))

    assert median_move(0.5) < median_move(1.0) < median_move(2.0)


@pytest.mark.parametrize("n_bars", [1, 2, 60, 105])
def test_short_series_have_as_many_bars_as_asked_for(n_bars: int) -> None:
    assert len(generate_bars(n_bars, seed=1).frame) == n_bars
