from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from moola.confidence import calibration_error, risk_coverage
from moola.examples import Examples
from moola.metrics import Predicted
from moola.span_measures import event_scores, measure
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
    hit = (np.arange(100) % 10 < 7).astype(float)
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


def test_confidence_and_bars_near_an_edge_are_kept_with_the_count_of_each_bin() -> None:
    examples = hand_labelled([(30, 40)] * 40)
    found = said(examples, [30] * 20 + [60] * 20, [40] * 20 + [70] * 20)
    inside = np.where(examples.inside, 0.8, 0.1)
    values = measure(examples, found, np.repeat([0.9, 0.4], 20), inside_prob=inside)
    # Sure ones are hit, at .9; unsure ones are not, at .4. One bin of five holds both.
    assert values["ece_span"]["value"] == pytest.approx((16 * 0.1 + 16 * 0.4 + 8 * 0.15) / 40)
    assert [bin_["n"] for bin_ in values["reliability_span"]] == [8] * 5
    # Bars 20..50 are near: 11 inside at .8, 20 outside at .1.
    assert values["ece_edges"]["value"] == pytest.approx((11 * 0.2 + 20 * 0.1) / 31, abs=0.01)
    assert sum(bin_["n"] for bin_ in values["reliability_edges"]) == 40 * 31
