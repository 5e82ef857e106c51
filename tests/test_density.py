"""Features that are empty for most bars: found, stored with the first epoch, and told of."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from moola.config import FinetuneConfig
from moola.density import data_alert, feature_density
from moola.judging import judge_run
from moola.report import as_html
from moola.runs import create_run
from tests.epoch_rows import epochs

NAMES = ("body", "range", "distance", "trend")


def windows(n: int = 40, n_bars: int = 10) -> np.ndarray:
    return np.random.default_rng(0).normal(size=(n, n_bars, len(NAMES))).astype(np.float32)


def density(features: np.ndarray) -> dict:
    found = feature_density(features, NAMES)
    assert found is not None
    return found


def test_a_feature_counts_at_the_bars_where_windows_differ_in_it() -> None:
    features = windows()
    features[:, 1:, 2] = 0  # filled at the first of ten bars
    features[:, :, 3] = 0.7  # stuck
    features[:, 8:, 0] = np.nan
    assert density(features) == {
        "n_windows": 40,
        "bars": {"body": 8, "range": 10, "distance": 1, "trend": 0},
        "per_bar": [3, 2, 2, 2, 2, 2, 2, 2, 1, 1],
    }


def test_one_window_in_twenty_is_enough_for_a_feature_to_say_something() -> None:
    features = windows()
    features[:, :, 2] = 0
    features[:1, :, 2] = 1  # one in forty
    assert density(features)["bars"]["distance"] == 0
    features[:2, :, 2] = 1
    assert density(features)["bars"]["distance"] == 10


def test_a_few_windows_tell_nothing() -> None:
    assert feature_density(windows(19), NAMES) is None
    assert data_alert([]) is None
    assert data_alert(epochs(1)) is None
    assert data_alert([epochs(1)[0] | {"feature_density": None}]) is None


def test_the_alert_names_the_feature_its_bars_and_what_to_do() -> None:
    features = windows()
    row = epochs(1)[0]
    assert data_alert([row | {"feature_density": density(features)}]) is None
    features[:, 1:, 2] = 0
    told = data_alert([row | {"feature_density": density(features)}, *epochs(3, first=2)])
    assert told is not None
    assert "distance says something at 1 of 10 bars" in told
    assert "On average 3.1 of 4 features do (counted over 40 training windows)" in told
    assert "1. Look at the bars" in told
    assert "range says" not in told


def test_bars_where_most_features_are_empty_are_counted() -> None:
    features = windows()
    features[:, 7:, 1:] = 0
    told = data_alert([{"feature_density": density(features)}])
    assert told is not None
    assert "at 3 of 10 bars, the first of them bar 7, fewer than half of the 4 features" in told


def test_a_report_shows_it_and_no_verdict_on_a_task_changes(tmp_path: Path) -> None:
    features = windows()
    features[:, 1:, 2] = 0
    run = create_run(tmp_path, FinetuneConfig(epochs=3), name="thin")
    run.append_history(epochs(1)[0] | {"feature_density": density(features)})
    assert judge_run(run, [])[1] == []
    assert "distance says something at 1 of 10 bars" in as_html(run)
