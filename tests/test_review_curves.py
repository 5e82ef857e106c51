"""Reliability, tolerance and coverage curves on cases whose answer is known."""

from __future__ import annotations

import numpy as np
import pytest

from moola import confidence, figures_detection, review_curves
from moola.diagnostics import Curves
from moola.examples import NO_SPAN
from moola.review_tables import Reading, readings
from tests.test_review_tables import off_by, predicted
from tests.toy import toy_examples


def rows_of(offs: list[int], sure_of: list[float]) -> list[Reading]:
    examples = toy_examples(len(offs))
    table = predicted(examples, off_by(examples, *offs))
    sure = dict(zip(examples.window_uid.tolist(), sure_of, strict=True))
    table["confidence"] = table["window_uid"].map(sure).astype(float)
    return readings(examples, table)


def test_a_probability_that_comes_true_has_no_calibration_error() -> None:
    rng = np.random.default_rng(0)
    stated = rng.uniform(size=20_000)
    truth = rng.uniform(size=20_000) < stated
    group = np.arange(20_000)
    honest = confidence.reliability(stated, truth, group)
    boastful = confidence.reliability(stated**0.5, truth, group)
    assert honest is not None
    assert boastful is not None
    assert honest.error < 0.02 < 0.1 < boastful.error
    assert all(p.low is not None and p.low <= p.x + 0.03 for p in honest.points)


def test_bins_hold_equal_many_cases() -> None:
    stated = np.r_[np.full(90, 0.01), np.full(10, 0.9)]
    found = confidence.reliability(stated, stated > 0.5, np.arange(100))
    assert found is not None
    assert max(p.n for p in found.points) - min(p.n for p in found.points) <= 1


def test_a_run_without_confidence_has_no_reliability_and_no_coverage_curve() -> None:
    rows = rows_of([0] * 12, [float("nan")] * 12)
    assert review_curves.span_reliability(rows) is None
    assert review_curves.kept_hits(rows) == []
    assert review_curves.abstention(rows, wanted=0.5) is None


def test_tolerance_counts_what_lies_within_so_many_bars() -> None:
    rows = rows_of([0, 1, 3, 5], [0.5] * 4)
    shares = [item.share for item in review_curves.tolerance_curve(rows)]
    assert shares == [0.25, 0.5, 0.5, 0.75, 0.75, 1.0]


def test_a_missed_span_lies_within_no_tolerance() -> None:
    examples = toy_examples(2)
    rows = readings(examples, predicted(examples, [off_by(examples, 0, 0)[0], (NO_SPAN, NO_SPAN)]))
    assert [item.share for item in review_curves.tolerance_curve(rows)] == [0.5] * 6
    assert [p.share for p in review_curves.tolerance_curve(rows, edges="start")] == [0.5] * 6


def test_abstaining_keeps_the_most_windows_whose_hits_reach_the_wanted_share() -> None:
    # 16 sure hits, then 4 sure misses, then 20 misses that it doubts itself
    rows = rows_of([0] * 16 + [20] * 24, [0.9] * 16 + [0.8] * 4 + [0.2] * 20)
    chosen = review_curves.abstention(rows, wanted=0.8)
    assert chosen is not None
    assert (chosen.n, chosen.coverage, chosen.share) == (20, 0.5, 0.8)
    assert chosen.threshold == pytest.approx(0.8)
    curve = review_curves.kept_hits(rows)
    assert curve[-1].x == 1.0
    assert curve[-1].share == 0.4


def test_no_threshold_is_offered_that_keeps_fewer_than_ten_windows() -> None:
    rows = rows_of([0] * 5 + [20] * 30, [0.9] * 5 + [0.2] * 30)
    assert review_curves.abstention(rows, wanted=0.9) is None


def test_only_bars_near_an_edge_count_for_the_bars_calibration() -> None:
    examples = toy_examples(12)
    rows = readings(examples, predicted(examples, off_by(examples, *[0] * 12)))
    inside = dict(zip(examples.window_uid.tolist(), examples.inside, strict=True))
    curves = {row.window_uid: Curves(inside[row.window_uid].astype(float), None) for row in rows}
    found = review_curves.edge_reliability(rows, curves, inside)
    assert found is not None
    assert found.error == 0.0
    lengths = examples.end - examples.start + 1
    assert found.n == int(sum(20 + n if n <= 22 else 42 for n in lengths.tolist()))


def test_figures_of_nothing_say_why() -> None:
    for figure in (
        figures_detection.reliability(None, title="T", stated="x", true="y"),
        figures_detection.risk_coverage([], None),
        figures_detection.tolerance({"both": []}, {}),
        figures_detection.hits_by([], title="T", overall=None),
    ):
        assert not figure.data
        assert figure.layout.annotations[0].text


def test_figures_carry_their_points_and_intervals() -> None:
    rows = rows_of([0] * 20 + [9] * 20, [0.9] * 20 + [0.3] * 20)
    found = review_curves.span_reliability(rows)
    figure = figures_detection.reliability(found, title="T", stated="x", true="y")
    assert list(figure.data[1].y) == [0.0, 0.0, 0.5, 1.0, 1.0]
    chosen = review_curves.abstention(rows, wanted=0.9)
    covered = figures_detection.risk_coverage(review_curves.kept_hits(rows), chosen)
    assert "20 windows kept" in covered.layout.title.subtitle.text
