from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from moola.examples import Examples
from moola.metrics import Predicted
from moola.span_measures import abstention, calibration_error, event_scores, measure, risk_coverage
from tests.hand_labels import hand_labelled


def said(examples: Examples, start: list[int], end: list[int]) -> Predicted:
    n = len(examples)
    return Predicted(
        start=np.array(start),
        end=np.array(end),
        center_norm=(np.array(start) + np.array(end)) / 208,
        type_id=np.zeros(n, np.int64),
        countdown_bars=None,
    )


def test_events_count_matches_false_alarms_and_misses() -> None:
    # Found one of two spans of a window, missed by a mile, a false alarm, rightly quiet, silent.
    examples = hand_labelled(
        [(10, 20), (60, 70), (30, 40), None, None, (50, 60)], windows=["a", "a", "b", "c", "d", "e"]
    )
    predicted = said(examples, [61, 61, 80, 5, -1, -1], [70, 70, 90, 9, -1, -1])
    values = {name: line.value for name, line in event_scores(examples, predicted).items()}
    assert values["event_precision"] == pytest.approx(1 / 3)
    assert values["event_recall"] == pytest.approx(1 / 4)
    assert values["event_f1"] == pytest.approx(2 / 7)


def test_the_tolerance_curve_rises_where_the_spans_are() -> None:
    examples = hand_labelled([(10, 20), (30, 40), (50, 60), (70, 80)])
    found = said(examples, [10, 31, 52, -1], [20, 40, 64, -1])
    values = measure(examples, found, np.full(4, np.nan))
    assert [point["value"] for point in values["tolerance_curve"]] == [
        1 / 4,
        1 / 2,
        1 / 2,
        1 / 2,
        3 / 4,
        3 / 4,
    ]
    assert [point["value"] for point in values["tolerance_curve_start"]][:3] == [
        1 / 4,
        1 / 2,
        3 / 4,
    ]
    assert values["center_mae_norm_on_hits"]["value"] == pytest.approx(0.5 / 104 / 2)
    assert "ece_span" not in values


def test_a_confidence_that_is_as_high_as_its_hits_has_no_error() -> None:
    hit = np.arange(100) % 10 < 7
    group = np.arange(100)
    assert calibration_error(np.full(100, 0.7), hit, group).value == pytest.approx(0, abs=0.1)
    assert calibration_error(np.full(100, 1.0), hit, group).value == pytest.approx(0.3)


@given(st.lists(st.tuples(st.floats(0, 1), st.booleans()), min_size=1, max_size=60))
def test_the_whole_coverage_has_the_risk_of_all_windows(rows: list[tuple[float, bool]]) -> None:
    confidence, hit = np.array([c for c, _ in rows]), np.array([h for _, h in rows])
    coverage, risk = risk_coverage(confidence, hit)
    assert coverage[-1] == 1
    assert risk[-1] == pytest.approx(1 - hit.mean())
    assert ((risk >= 0) & (risk <= 1)).all()


def test_the_threshold_keeps_the_sure_windows_and_is_judged_on_others() -> None:
    rng = np.random.default_rng(0)
    confidence = rng.random(2000)
    hit = rng.random(2000) < confidence
    found = abstention(confidence, hit, np.arange(2000), wanted_risk=0.2)
    # Of windows above t the mean miss rate is (1 - t) / 2.
    assert found["threshold"] == pytest.approx(0.6, abs=0.06)
    assert found["coverage"] == pytest.approx(0.4, abs=0.06)
    assert found["risk"] == pytest.approx(0.2, abs=0.03)


def test_where_no_threshold_reaches_the_risk_there_is_none() -> None:
    found = abstention(np.linspace(0, 1, 40), np.zeros(40, bool), np.arange(40), wanted_risk=0.2)
    assert (found["threshold"], found["coverage"], found["risk"]) == (None, 0, None)
