from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from moola.baselines import boosting, rules, scoring
from moola.evaluate import BASELINES_FILE, read_baselines
from moola.examples import Examples
from moola.features import FEATURE_NAMES
from moola.metrics import edge_hits
from tests.toy import toy_examples, toy_run

RANGE_Z = FEATURE_NAMES.index("range_z")


def loud(n: int = 30, *, seed: int = 0) -> Examples:
    """Windows whose span is loud, and in which price rises by a point a bar."""
    examples = toy_examples(n, seed=seed)
    features = examples.features.copy()
    features[:, :, RANGE_Z] += 3 * examples.inside
    close = 100 + np.cumsum(examples.inside, axis=1) + 0.01 * features[:, :, 1]
    ohlc = np.stack([close - 0.1, close + 0.3, close - 0.3, close], axis=2)
    return replace(examples, features=features, ohlc=ohlc)


FITS = {
    "longest run": rules.longest_run,
    "largest range": rules.largest_range_sum,
    "largest move": rules.largest_move,
    "boosting inside": partial(boosting.boosted_inside, n_trees=10),
    "boosting start": partial(boosting.boosted_start, n_trees=10),
}


@pytest.mark.parametrize("name", FITS)
def test_every_baseline_finds_loud_starts_in_windows_it_was_not_fitted_on(name: str) -> None:
    found = FITS[name](loud(40))(test := loud(seed=1))
    hits = edge_hits(found.start, found.end, true_start=test.start, true_end=test.end)
    assert hits.start.mean() > 0.9
    if name != "boosting start":  # its end is that of the median span
        assert hits.both.mean() > 0.9
    assert ((found.start >= 0) & (found.start <= found.end) & (found.end <= 104)).all()


def test_a_falling_move_counts_as_much_as_a_rising_one() -> None:
    train, test = loud(), loud(seed=1)
    fallen = replace(test, ohlc=(200 - test.ohlc)[:, :, [0, 2, 1, 3]])
    find = rules.largest_move(train)
    np.testing.assert_array_equal(find(fallen), find(test))


def test_the_threshold_is_fitted_on_training_rows_with_a_span_only() -> None:
    train = loud(20)
    none = np.full(20, -1)
    empty = replace(loud(20, seed=2), start=none, end=none, type_id=none)
    both = scoring.joined([train, empty])
    test = loud(seed=1)
    np.testing.assert_array_equal(
        rules.longest_run(train)(test).start, rules.longest_run(both)(test).start
    )


def test_scores_are_kept_in_the_run_folder_and_read_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(scoring.BASELINES, "boosting", {"inside": FITS["boosting inside"]})
    run = toy_run(tmp_path, loud())
    assert read_baselines(run) == {}
    found = scoring.write_baselines(run)
    assert read_baselines(run) == found
    assert (run.path / BASELINES_FILE).exists()
    assert found["rules"]["largest sum of range_z"]["hit_at_3"] > 0.8
    assert found["boosting"]["inside"]["start_at_3"] > 0.8


def test_folds_are_scored_together_each_by_what_its_own_training_side_says() -> None:
    first, second = loud(12), loud(12, seed=1)
    renamed = replace(first, window_uid=np.char.add("x", first.window_uid))
    values = scoring._scores(rules.longest_run, [(first, second), (second, renamed)])
    alone = [
        scoring._scores(rules.longest_run, [(first, second)])["iou_mean"],
        scoring._scores(rules.longest_run, [(second, renamed)])["iou_mean"],
    ]
    assert values["iou_mean"] == pytest.approx(np.mean(alone))
