"""The checker measures what a person would measure by hand, and says it in words."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from moola import rules
from moola.exceptions import ConfigError, SchemaError
from moola.proposals import RuleParams, propose_spans
from moola.rules import DEFAULT_RULE, Limits, Rule
from tests.toy_bars import ohlc_of, toy_bars

# Forty bars of height 2 around 100, so the ATR is 2; then a rise from the low 99 of bar 40.
QUIET = [[100.0, 101.0, 99.0, 100.0]] * 41
RISE = [[100.0, 102.0, 100.0, 102.0], [102.0, 105.0, 101.5, 105.0], [105.0, 105.5, 103.0, 104.0]]
BARS = np.array(QUIET + RISE)
NOTHING = Limits.from_params({})


def limits(**params: object) -> Limits:
    return Limits.from_params(params)


def test_the_measures_of_a_span_are_those_of_a_hand_calculation() -> None:
    found = rules.measure(BARS, [40], [42], direction=["up"])
    assert found.n_bars.tolist() == [3]
    assert found.body.tolist() == [5.0]
    assert found.move_atr == pytest.approx([(105 - 99) / 2])
    assert found.body_share == pytest.approx([5 / (105 - 99)])
    assert (found.start_late.item(), found.end_late.item()) == (0, 0)


def test_a_fall_is_the_mirror_of_a_rise() -> None:
    mirrored = 200 - BARS[:, [0, 2, 1, 3]]
    up = rules.measure(BARS, [40, 38], [42, 43], direction=["up", "up"])
    down = rules.measure(mirrored, [40, 38], [42, 43], direction=["down", "down"])
    np.testing.assert_allclose(up.move_atr, down.move_atr)
    np.testing.assert_allclose(up.body_share, down.body_share)
    assert up.start_late.tolist() == down.start_late.tolist()
    assert up.end_late.tolist() == down.end_late.tolist()


@pytest.mark.parametrize(
    ("span", "params", "reason"),
    [
        ((40, 42), {"move_atr_min": 3.5}, "net move 3.0 ATR, at least 3.5 wanted"),
        ((40, 42), {"move_atr_min": 3.0}, None),
        ((40, 42), {"body_share_min": 0.9}, "body 83% of the range, at least 90% wanted"),
        ((40, 42), {"body_share_min": 0.8}, None),
        ((42, 42), {"bars_min": 2}, "1 bar, at least 2 wanted"),
        ((10, 42), {"bars_max": 30}, "33 bars, at most 30 wanted"),
        ((40, 43), {"end_late_bars": 0}, "1 bar after its furthest close, at most 0 wanted"),
        ((40, 43), {"end_late_bars": 1}, None),
        ((41, 42), {"start_late_bars": 0}, None),
    ],
)
def test_a_limit_is_broken_with_the_number_found(
    span: tuple[int, int], params: dict[str, float], reason: str | None
) -> None:
    found = rules.broken(BARS, *span, limits(**params), direction="up")
    assert found == ([] if reason is None else [reason])


def test_a_span_that_starts_before_the_extreme_it_leaves_from_says_how_far() -> None:
    dip = BARS.copy()
    dip[41, 2] = 98.0
    assert rules.broken(dip, 39, 42, limits(start_late_bars=1), direction="up") == [
        "the low it leaves from is 2 bars after its first bar, at most 1 wanted"
    ]


def test_a_direction_against_the_net_move_is_broken_and_a_missing_one_is_not() -> None:
    checked = limits(same_direction=True)
    assert rules.broken(BARS, 40, 42, checked, direction="down") == [
        "direction down, but it closes 5 higher than it opens"
    ]
    assert rules.broken(BARS, 40, 42, checked, direction="up") == []
    assert rules.broken(BARS, 40, 42, checked) == []
    assert rules.broken(BARS, 30, 32, checked, direction="down") == []  # closes where it opened


def test_a_type_that_the_rule_does_not_know_is_broken() -> None:
    checked = limits(types=["consolidation", "retracement"])
    assert rules.broken(BARS, 40, 42, checked, type="reversal") == [
        "type reversal, one of consolidation, retracement wanted"
    ]
    assert rules.broken(BARS, 40, 42, checked, type="retracement") == []


def test_a_number_just_below_its_limit_does_not_look_like_it() -> None:
    nearly = rules.broken(BARS, 40, 42, limits(body_share_min=0.834), direction="up")
    assert nearly == ["body 83.3% of the range, at least 83.4% wanted"]
    nearly = rules.broken(BARS, 40, 42, limits(move_atr_min=3.02), direction="up")
    assert nearly == ["net move 3.00 ATR, at least 3.02 wanted"]


def test_a_cold_atr_is_named() -> None:
    reasons = rules.broken(BARS[30:], 10, 12, limits(move_atr_min=9), direction="up")
    assert reasons == [
        "net move 3.0 ATR, at least 9 wanted (cold: the ATR has 10 bars before it, 20 wanted)"
    ]


def test_flat_bars_before_a_move_make_no_division_by_zero() -> None:
    flat = np.full((30, 4), 50.0)
    assert rules.broken(flat, 10, 20, limits(move_atr_min=1, body_share_min=0.5)) == [
        "net move 0.0 ATR, at least 1 wanted (cold: the ATR has 10 bars before it, 20 wanted)",
        "body 0% of the range, at least 50% wanted",
    ]


def test_the_atr_comes_from_the_series_before_the_window() -> None:
    ohlc = ohlc_of(toy_bars(3000))
    whole = rules.measure(ohlc, [100, 2900], [110, 2910])
    assert rules.measure(ohlc, [2900], [2910]).move_atr == pytest.approx(
        whole.move_atr[1:], rel=1e-12
    )
    assert rules.measure(ohlc[2890:], [10], [20]).move_atr != pytest.approx(whole.move_atr[1:])


def test_no_span_breaks_nothing() -> None:
    assert rules.find_broken(BARS, [], [], DEFAULT_RULE.limits) == []


@pytest.mark.parametrize("span", [(-1, 4), (5, 4), (40, 44)])
def test_a_span_outside_its_series_is_refused(span: tuple[int, int]) -> None:
    with pytest.raises(SchemaError, match=f"Found {span[0]}..{span[1]}"):
        rules.broken(BARS, *span, NOTHING)


spans_of_toy = st.lists(
    st.tuples(st.integers(0, 250), st.integers(0, 40), st.sampled_from(["up", "down", None])),
    min_size=1,
    max_size=8,
)


@given(spans_of_toy)
def test_many_spans_are_checked_as_each_alone(found) -> None:
    ohlc = ohlc_of(toy_bars(300))
    tight = limits(
        move_atr_min=2, body_share_min=0.6, bars_min=3, bars_max=20, start_late_bars=0,
        end_late_bars=1, same_direction=True,
    )  # fmt: skip
    starts, ends = [s for s, _, _ in found], [s + n for s, n, _ in found]
    together = rules.find_broken(ohlc, starts, ends, tight, direction=[d for *_, d in found])
    alone = [rules.broken(ohlc, s, s + n, tight, direction=d) for s, n, d in found]
    assert together == alone


@given(st.floats(0.01, 1000), spans_of_toy)
def test_the_scale_of_the_prices_does_not_count(scale: float, found) -> None:
    ohlc = ohlc_of(toy_bars(300))
    starts, ends = [s for s, _, _ in found], [s + n for s, n, _ in found]
    plain, scaled = (rules.measure(bars, starts, ends) for bars in (ohlc, ohlc * scale))
    np.testing.assert_allclose(plain.move_atr, scaled.move_atr, rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(plain.body_share, scaled.body_share, rtol=1e-9)


@pytest.mark.real_bars
def test_what_the_proposing_rule_finds_on_nq_keeps_the_same_limits(
    real_bars_dir: Path,
) -> None:
    frame = pd.read_parquet(real_bars_dir / "nq_1min_2022jan.parquet")
    ohlc = ohlc_of(frame)
    found, p = propose_spans(ohlc, None, frame["timestamp"]), RuleParams()
    assert len(found) > 300
    same = limits(
        atr_bars=p.atr_bars, move_atr_min=p.move_atr, bars_min=p.min_bars, bars_max=p.max_bars,
        start_late_bars=0, end_late_bars=0,
    )  # fmt: skip
    reasons = rules.find_broken(
        ohlc,
        [span.start for span in found],
        [span.end for span in found],
        same,
        direction=[span.direction for span in found],
        timestamps=frame["timestamp"],
    )
    assert not any(reasons)


def test_the_first_rule_says_what_it_checks() -> None:
    assert DEFAULT_RULE.rule_version == "r1"
    assert DEFAULT_RULE.limits == Limits()
    for fact in ("last bar of what came before", "inclusive", "5 to 23", "2 or more than 30"):
        assert fact in " ".join(DEFAULT_RULE.text_md.split())


def test_limits_that_a_rule_does_not_name_are_off() -> None:
    assert rules.broken(BARS, 0, 43, limits(), direction="down") == []
    assert limits(bars_max=9).given() == {"atr_bars": 20, "same_direction": False, "bars_max": 9}


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"move_atr": 2}, "Found move_atr"),
        ({"move_atr_min": "2"}, "move_atr_min should be a number. Found '2'"),
        ({"move_atr_min": True}, "should be a number. Found True"),
        ({"move_atr_min": float("nan")}, "should be a number. Found nan"),
        ({"body_share_min": 60}, "at least 0 and at most 1. Found 60"),
        ({"bars_min": 0}, "at least 1 and at most 105. Found 0"),
        ({"bars_min": 2.5}, "should be a whole number. Found 2.5"),
        ({"bars_min": 9, "bars_max": 5}, "Found 9 and 5"),
        ({"same_direction": 1}, "same_direction should be true or false. Found 1"),
        ({"types": ["up"]}, "types should be a list of some of consolidation"),
        ({"types": []}, "types should be a list"),
    ],
)
def test_a_limit_that_makes_no_sense_is_refused(params: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        Limits.from_params(params)


def test_a_rule_survives_its_markdown_file() -> None:
    rule = Rule(rule_version="r2", text_md="# Ours\n\n- one\n", params={"types": ["reversal"]})
    assert rules.read_rule(rules.rule_markdown(rule)) == rule
    assert rules.read_rule(rules.rule_markdown(DEFAULT_RULE)) == DEFAULT_RULE


def test_a_rule_may_come_as_json() -> None:
    held = {"rule_version": "r3", "text_md": "Words.", "params": {"move_atr_min": 2.5}}
    assert rules.read_rule(json.dumps(held)).limits.move_atr_min == 2.5


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("Only words.", "Found none"),
        ("Words.\n```json\n{]\n```\n", "should hold valid JSON"),
        ("Words.\n```json\n[]\n```\n", "JSON object. Found list"),
        ("```json\n{\"rule_version\": \"r2\", \"params\": {}}\n```\n", "should have a text_md"),
        ("Words.\n```json\n{\"params\": {}}\n```\n", "should have a rule_version"),
        ("Words.\n```json\n{\"version\": \"r2\"}\n```\n", "Found version"),
        ('{"rule_version": "r2", "text_md": "x", "params": {"pace": 1}}', "Found pace"),
        ('{"rule_version": "r2", "text_md": "x", "params": 3}', "params should be a table"),
    ],
)  # fmt: skip
def test_a_rule_file_with_a_fault_is_refused(text: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        rules.read_rule(text)


@pytest.mark.parametrize(("before", "after"), [("r1", "r2"), ("r9", "r10"), ("ours", "ours2")])
def test_the_next_version_counts_on(before: str, after: str) -> None:
    assert rules.next_version(before) == after
