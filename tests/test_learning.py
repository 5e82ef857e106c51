"""The learning curve: nested sizes, no shared bars, and a fit whose promise can be checked."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from moola import cli, figures_detection, learning, learning_curve
from moola.exceptions import ConfigError, RunError, SchemaError
from moola.learning_curve import Unit
from moola.purging import PURGE_BARS
from tests.toy import toy_examples, toy_run


def curve(shares: dict[int, float], *, n_windows: int = 400, seed: int = 0) -> pd.DataFrame:
    """Return test windows that are hit in the given shares at each size."""
    rng = np.random.default_rng(seed)
    rows = [
        {"window_uid": f"w{i}", "group": i, "size": size, "n_train": size, "fold": i % 5,
         "repeat": 0, "hit": luck < share, "start_hit": True}
        for i in range(n_windows)
        for luck in [rng.uniform()]
        for size, share in shares.items()
    ]  # fmt: skip
    return pd.DataFrame(rows)


def test_the_fit_finds_the_line_and_what_100_more_labels_bring() -> None:
    table = curve({25: 0.3, 50: 0.4, 100: 0.5}, n_windows=4000)
    found = learning.fit(table)
    assert found is not None
    assert found.per_doubling == pytest.approx(0.1, abs=0.01)
    assert found.gain == pytest.approx(0.1, abs=0.01)
    assert found.low < found.gain < found.high
    assert found.at(np.array([100.0]))[0] == pytest.approx(0.5, abs=0.02)
    assert "100 more labels would bring about +10" in str(found)


def test_the_line_is_not_followed_beyond_twice_the_labels() -> None:
    table = curve({5: 0.3, 10: 0.4, 20: 0.5}, n_windows=4000)
    found = learning.fit(table)
    assert found is not None
    assert found.gain == pytest.approx(found.per_doubling)


def test_a_flat_curve_promises_nothing_for_sure() -> None:
    found = learning.fit(curve({50: 0.5, 100: 0.5, 200: 0.5}))
    assert found is not None
    assert found.low <= 0 <= found.high


def test_two_sizes_make_no_line() -> None:
    table = curve({50: 0.3, 100: 0.4})
    assert learning.fit(table) is None
    assert [round(item.x) for item in learning.points(table)] == [50, 100]
    assert len(figures_detection.learning_curve(learning.points(table), None).data) == 1


def test_folds_that_differ_leave_undecided_what_windows_alone_would_decide() -> None:
    table = curve({25: 0.3, 50: 0.4, 100: 0.5}, n_windows=4000)
    assert str(learning.fit(table)).startswith("100 more labels")
    lucky = table.assign(hit=table["hit"] & ((table["fold"] < 2) | (table["size"] < 50)))
    found = learning.fit(lucky)
    assert found is not None
    assert not found.is_decided
    assert str(found).startswith("Undecided: 100 more labels")
    one = learning.fit(table.query("fold == 0"))
    assert "too few folds for an interval" in str(one)


@pytest.mark.parametrize("n_in_group", [1, 2, 25])
def test_sizes_are_nested_and_keep_the_distance_of_the_folds(n_in_group: int) -> None:
    examples = toy_examples(100)
    examples = replace(examples, group=np.arange(100) // n_in_group)
    (splits,) = learning_curve.cut(examples, folds=5, repeats=1)
    many = np.zeros(0, bool)
    for fold, split in enumerate(splits):
        few, many = (
            learning_curve.training_rows(examples, split, Unit(size, fold, 0)) for size in (6, 20)
        )
        assert (few.sum(), many.sum()) == (6, 20)
        assert (many >= few).all()
        assert not (many & ~split.trains).any()
        near = np.abs(examples.bar_start[many][:, None] - examples.bar_start[split.is_val])
        assert near.min() >= PURGE_BARS
    of_group = examples.group[many]
    assert len(np.unique(of_group)) <= -(-20 // n_in_group) + 2  # a purge may cut two in part


def test_sizes_that_no_fold_can_give_are_left_out_and_all_labels_come_last() -> None:
    splits = learning_curve.cut(toy_examples(20), folds=5, repeats=2)
    most = min(int(split.trains.sum()) for folds in splits for split in folds)
    units = learning_curve.plan(splits, sizes=(5, most, 50))
    assert sorted({unit.size for unit in units}) == [5, 20]
    assert len(units) == 2 * 10


def test_too_few_windows_or_folds_are_refused() -> None:
    with pytest.raises(SchemaError, match="5 folds need as many windows"):
        learning_curve.cut(toy_examples(3), folds=5, repeats=1)
    with pytest.raises(ConfigError, match="2 folds and 1 repeat or more"):
        learning_curve.cut(toy_examples(30), folds=1, repeats=1)


def test_a_damaged_curve_is_named(tmp_path: Path) -> None:
    run = toy_run(tmp_path)
    assert learning.read_curve(run) is None
    (run.path / learning.CURVE_FILE).write_bytes(b"x")
    with pytest.raises(RunError, match="should hold a learning curve"):
        learning.read_curve(run)


@pytest.mark.slow
def test_the_verb_trains_in_processes_and_tests_every_window_once_a_size(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = toy_run(tmp_path / "runs", toy_examples(12), epochs=1)
    ours = ["--workspace", str(tmp_path)]
    asked = ["--sizes", "4", "6", "--folds", "2"]
    assert cli.main(["learning-curve", str(run.path), *asked, *ours]) == 0
    table = learning.read_curve(run)
    assert table is not None
    assert table.groupby("size")["window_uid"].nunique().tolist() == [12, 12]
    assert set(table["n_train"]) == {4, 5}  # a window beside the border is purged
    assert "4 of 4 trainings" in capsys.readouterr().err
