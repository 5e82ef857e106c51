"""The written rule finds clear moves, at any price scale, both ways, and never across a gap."""

from __future__ import annotations

from dataclasses import asdict, replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from moola.exceptions import ConfigError, SchemaError
from moola.proposals import (
    RULE_TEXT,
    ProposedSpan,
    RuleParams,
    propose_spans,
    rule_text,
    window_start,
)
from moola.synthetic import generate_bars

PRICES = ["open", "high", "low", "close"]


def bars_of(closes: list[float] | np.ndarray, *, wick: float = 0.5) -> np.ndarray:
    """Return bars that open at the previous close and have equal wicks."""
    close = np.asarray(closes, float)
    open_ = np.r_[close[0], close[:-1]]
    return np.stack(
        [open_, np.maximum(open_, close) + wick, np.minimum(open_, close) - wick, close], axis=1
    )


def quiet(n_bars: int, level: float = 100.0) -> list[float]:
    return [level + 0.5 * (bar % 2) for bar in range(n_bars)]


def generated(seed: int, n_bars: int = 3_000) -> np.ndarray:
    return generate_bars(n_bars, seed=seed).frame[PRICES].to_numpy()


def mirrored(ohlc: np.ndarray) -> np.ndarray:
    return 30_000.0 - ohlc[:, [0, 2, 1, 3]]


def test_surge_after_a_quiet_stretch_is_a_consolidation_from_its_last_quiet_bar() -> None:
    ohlc = bars_of([*quiet(60), 102, 104, 106, 108, 110, *quiet(40, 109.5)])
    assert [(s.start, s.end, s.direction, s.type) for s in propose_spans(ohlc)] == [
        (59, 64, "up", "consolidation")
    ]


def test_surge_after_a_pull_back_of_part_of_a_rise_is_a_retracement() -> None:
    rise, pull_back = np.arange(100, 112, 0.8), np.arange(111, 105, -0.7)
    ohlc = bars_of([*quiet(40), *rise, *pull_back, 108, 111, 114, 117, *quiet(30, 117)])
    last = propose_spans(ohlc)[-1]
    assert (last.type, last.direction) == ("retracement", "up")
    assert abs(last.start - (40 + len(rise) + len(pull_back) - 1)) <= 1
    assert last.end == 40 + len(rise) + len(pull_back) + 3


def test_surge_against_the_fall_before_it_is_a_reversal() -> None:
    fall = np.arange(100, 88, -0.7)
    ohlc = bars_of([*quiet(40), *fall, 91, 94, 97, 100, *quiet(30, 100)])
    last = propose_spans(ohlc)[-1]
    assert (last.type, last.direction) == ("reversal", "up")


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 10_000), power=st.integers(-20, 20), factor=st.floats(1e-4, 1e4))
def test_price_scale_changes_nothing(seed: int, power: int, factor: float) -> None:
    ohlc = generated(seed)
    found = propose_spans(ohlc)
    assert propose_spans(ohlc * 2.0**power) == found
    scaled = propose_spans(ohlc * factor)
    assert [(s.start, s.end, s.direction, s.type) for s in scaled] == [
        (s.start, s.end, s.direction, s.type) for s in found
    ]


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_mirrored_prices_give_mirrored_directions(seed: int) -> None:
    ohlc = generated(seed)
    flip = {"up": "down", "down": "up"}
    expected = [replace(s, direction=flip[s.direction]) for s in propose_spans(ohlc)]
    assert propose_spans(mirrored(ohlc)) == expected


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_proposals_are_ordered_disjoint_and_2_to_23_bars_long(seed: int) -> None:
    ohlc = generated(seed)
    spans = propose_spans(ohlc)
    assert spans == propose_spans(ohlc)
    assert all(2 <= s.length_bars <= 23 and s.start >= 0 and s.end < len(ohlc) for s in spans)
    assert all(a.end < b.start for a, b in pairwise(spans))


@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_a_proposal_moves_at_least_as_far_as_the_rule_asks(seed: int) -> None:
    ohlc = generated(seed)
    true_range = np.maximum(ohlc[1:, 1], ohlc[:-1, 3]) - np.minimum(ohlc[1:, 2], ohlc[:-1, 3])
    for span in propose_spans(ohlc):
        bars = ohlc[span.start : span.end + 1]
        up = span.direction == "up"
        net = bars[-1, 3] - bars[0, 2] if up else bars[0, 1] - bars[-1, 3]
        atr = net / span.score / np.sqrt(span.length_bars)
        assert net >= 3.0 * atr * (1 - 1e-6)
        # The rule's average weighs recent bars more, but stays within the ranges it averages.
        assert atr <= true_range[max(0, span.start - 200) : span.start].max()
        furthest = bars[:, 3].max() if up else bars[:, 3].min()
        assert bars[-1, 3] == furthest


@pytest.mark.parametrize(
    "ohlc",
    [
        np.empty((0, 4)),
        np.full((1, 4), 100.0),
        np.full((500, 4), 100.0),
        bars_of(quiet(10)),
        bars_of(100 + np.random.default_rng(0).normal(0, 1, 12).cumsum()),
        bars_of(quiet(500)),
    ],
    ids=["empty", "one bar", "flat", "tiny", "tiny random", "quiet"],
)
def test_nothing_is_proposed_where_there_is_nothing(ohlc: np.ndarray) -> None:
    assert propose_spans(ohlc) == []


def minutes(n_bars: int, *, pause_before: int | None = None) -> pd.DatetimeIndex:
    steps = np.ones(n_bars, int)
    if pause_before is not None:
        steps[pause_before] = 61
    return pd.Timestamp("2001-01-08", tz="UTC") + pd.to_timedelta(np.cumsum(steps), unit="min")


def test_no_proposal_reaches_across_a_time_gap() -> None:
    ohlc = bars_of([*quiet(60), 102, 104, 106, 108, 110, *quiet(40, 109.5)])
    assert len(propose_spans(ohlc, timestamps=minutes(len(ohlc)))) == 1
    assert propose_spans(ohlc, timestamps=minutes(len(ohlc), pause_before=60)) == []


def test_a_jump_at_a_gap_is_no_expansion() -> None:
    ohlc = bars_of([*quiet(60), *quiet(60, 130.0)])
    assert len(propose_spans(ohlc)) == 1
    assert propose_spans(ohlc, timestamps=minutes(len(ohlc), pause_before=60)) == []


def test_one_missing_minute_is_no_gap() -> None:
    ohlc = bars_of([*quiet(60), 102, 104, 106, 108, 110, *quiet(40, 109.5)])
    times = minutes(len(ohlc) + 1).delete(60)
    assert len(propose_spans(ohlc, timestamps=times)) == 1


def test_times_must_be_as_many_as_bars() -> None:
    with pytest.raises(SchemaError, match=r"one time a bar, 100\. Found 99"):
        propose_spans(bars_of(quiet(100)), timestamps=minutes(99))


def test_bars_of_another_shape_are_refused() -> None:
    with pytest.raises(SchemaError, match=r"\(N, 4\)"):
        propose_spans(np.ones((10, 5)))


def test_most_planted_expansions_are_found_near_their_edges() -> None:
    series = generate_bars(30_000, seed=2)
    found = propose_spans(
        series.frame[PRICES].to_numpy(), timestamps=pd.DatetimeIndex(series.frame["timestamp"])
    )
    near = [
        any(abs(s.start - e.start) <= 3 and s.direction == e.direction for s in found)
        for e in series.events
    ]
    assert np.mean(near) > 0.55
    assert 0.5 < len(found) / (len(series.frame) / 60) < 4


@pytest.mark.parametrize("start", [0, 10, 29, 200, 899, 995])
def test_window_of_a_proposal_holds_it_whole(start: int) -> None:
    span = ProposedSpan(start, min(999, start + 22), "up", "consolidation", 1.5)
    first = window_start(span, 1_000)
    assert 0 <= first <= span.start
    assert span.end <= first + 104 < 1_000


def test_windows_show_their_proposals_at_many_places() -> None:
    places = {
        s.start - window_start(s, 3_000) for s in propose_spans(generated(1)) if s.start > 100
    }
    assert len(places) > 10


def test_window_of_a_short_series_is_refused() -> None:
    with pytest.raises(SchemaError, match="at least 105 bars"):
        window_start(ProposedSpan(3, 9, "up", "reversal", 1.0), 104)


def test_rule_text_names_every_parameter_it_depends_on() -> None:
    assert rule_text(RuleParams()) == RULE_TEXT
    for name, value in asdict(RuleParams()).items():
        assert rule_text(RuleParams(**{name: value * 1.5 if name != "quiet_bars" else 15})) != (
            RULE_TEXT
        ), name


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"move_atr": 0}, "move_atr should be greater than 0. Found 0"),
        ({"move_atr": float("nan")}, "move_atr should be greater than 0. Found nan"),
        ({"min_bars": 30}, "min_bars and max_bars"),
        ({"max_bars": 200}, "min_bars and max_bars"),
        ({"quiet_bars": 40}, "quiet_bars should be in 2..20"),
    ],
)
def test_parameters_out_of_range_are_refused(values: dict, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        RuleParams(**values)


@pytest.mark.real_bars
@pytest.mark.parametrize("name", ["nq_1min_2022jan", "es_1min_2022jan"])
def test_real_cash_sessions_get_a_plausible_handful_an_hour(real_bars_dir: Path, name: str) -> None:
    frame = pd.read_parquet(real_bars_dir / f"{name}.parquet")
    times = pd.DatetimeIndex(frame["timestamp"])
    spans = propose_spans(frame[PRICES].to_numpy(), timestamps=times)
    minute = (times.hour * 60 + times.minute).to_numpy()
    cash = (minute >= 14 * 60 + 30) & (minute < 21 * 60)
    per_hour = cash[[span.start for span in spans]].sum() / (cash.sum() / 60)
    assert 1 <= per_hour <= 5
    assert {span.type for span in spans} == {"consolidation", "retracement", "reversal"}


@pytest.mark.real_bars
def test_half_a_year_of_minutes_keeps_the_promises(real_bars_dir: Path) -> None:
    frame = pd.read_parquet(real_bars_dir / "eurusd_1min_2017h1.parquet")
    times = pd.DatetimeIndex(frame["timestamp"])
    spans = propose_spans(frame[PRICES].to_numpy(), timestamps=times)
    gaps = np.diff(times.as_unit("s").asi8) > 3 * 60
    assert all(not gaps[span.start : span.end].any() for span in spans)
    assert all(a.end < b.start for a, b in pairwise(spans))
    assert len(spans) > 1_000
