"""A confidence below which a run had better say nothing."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from moola.atomic import write_json
from moola.confidence import (
    ABSTENTION_FILE,
    abstained,
    as_stored,
    calibration_error,
    choose_abstention,
    reliability,
    stored_abstention,
)
from moola.exceptions import RunError


def test_the_threshold_keeps_the_sure_windows_and_is_judged_on_others() -> None:
    rng = np.random.default_rng(0)
    confidence = rng.random(2000)
    hit = rng.random(2000) < confidence
    found = choose_abstention(confidence, hit, np.arange(2000), wanted=0.8)
    # Of windows above t the mean share of hits is (1 + t) / 2.
    assert found is not None
    assert found.threshold == pytest.approx(0.6, abs=0.06)
    assert found.judged_coverage == pytest.approx(0.4, abs=0.06)
    assert found.judged_share == pytest.approx(0.8, abs=0.03)


@pytest.mark.parametrize(("n_sure", "offered"), [(9, False), (10, True)])
def test_a_threshold_keeps_ten_windows_at_least(n_sure: int, offered: bool) -> None:
    confidence = np.r_[np.full(n_sure, 0.9), np.full(50, 0.1)]
    hit = confidence > 0.5
    found = choose_abstention(confidence, hit, np.arange(len(hit)), wanted=0.9)
    assert (found is not None) == offered
    if found:
        assert (found.n, found.n_windows, found.share) == (10, 60, 1.0)


def test_windows_of_one_confidence_are_kept_or_left_together() -> None:
    confidence = np.repeat([0.9, 0.5], [12, 20])
    hit = np.arange(32) < 14  # two more hits among those at .5, where half would still do
    found = choose_abstention(confidence, hit, np.arange(32), wanted=0.8)
    assert found is not None
    assert (found.threshold, found.n) == (0.9, 12)


def test_a_run_keeps_its_threshold_or_says_that_there_is_none(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="evaluated before it abstains"):
        stored_abstention(tmp_path)
    found = choose_abstention(np.full(30, 0.7), np.ones(30, bool), np.arange(30), wanted=0.8)
    write_json(tmp_path / ABSTENTION_FILE, as_stored(found, wanted=0.8))
    assert stored_abstention(tmp_path) == found
    assert "100% of 30 held-out windows, of which 100% were hit" in str(found)
    write_json(tmp_path / ABSTENTION_FILE, as_stored(None, wanted=0.8))
    with pytest.raises(RunError, match="No confidence keeps 10 held-out windows of which 80%"):
        stored_abstention(tmp_path)


def test_the_two_calibration_errors_are_one_number() -> None:
    rng = np.random.default_rng(1)
    stated, group = rng.random(100), np.arange(100)
    happened = (rng.random(100) < stated).astype(float)
    found = reliability(stated, happened, group)
    assert found is not None
    assert found.error == pytest.approx(calibration_error(stated, happened, group).value)
    assert found.error == pytest.approx(sum(p.n * abs(p.share - p.x) for p in found.points) / 100)


def test_spans_below_the_confidence_are_left_out_and_marked() -> None:
    table = pd.DataFrame(
        {"start": [5, 6, -1, 8], "end": [9, 9, -1, 9], "confidence": [0.7, 0.4, 0.9, np.nan]}
    )
    kept = abstained(table, 0.7)
    assert kept["start"].tolist() == [5, -1, -1, -1]
    assert kept["end"].tolist() == [9, -1, -1, -1]
    assert kept["abstained"].tolist() == [False, True, False, True]
    assert table["start"].tolist() == [5, 6, -1, 8]
