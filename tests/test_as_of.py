"""Predictions as of bar t: nothing after t is seen, and the lag is counted right."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from moola import as_of, lateness
from moola.checkpoint import Checkpoint
from moola.exceptions import SchemaError
from moola.train import finetune
from tests.toy import toy_examples, toy_run


@pytest.mark.parametrize("pointer_head", ["mean", "bar"])
def test_bars_after_t_change_nothing_that_is_said_at_t(tmp_path: Path, pointer_head: str) -> None:
    run = toy_run(tmp_path, epochs=2, pointer_head=pointer_head)
    finetune(run)
    checkpoint = Checkpoint.load(run.path / "last.pt")
    windows = toy_examples(4)
    changed = windows.features.copy()
    changed[:, 60:] = 9.0
    start, mass = as_of.starts_as_of(checkpoint, windows, device="cpu")
    other = as_of.starts_as_of(checkpoint, replace(windows, features=changed), device="cpu")
    assert (start[:, :60] == other[0][:, :60]).all()
    np.testing.assert_allclose(mass[:, :60], other[1][:, :60], atol=1e-6)
    assert not np.allclose(mass[:, 60:], other[1][:, 60:])
    assert (start <= np.arange(105)).all()
    assert ((mass >= 0) & (mass <= 1 + 1e-9)).all()


def test_the_lag_of_a_right_call_is_counted_from_the_true_start() -> None:
    windows = toy_examples(3, n_without_span=1)
    true = windows.start[1:]
    start = np.zeros((3, 105), np.int64)
    mass = np.zeros((3, 105))
    start[1], mass[1, true[0] + 6 :] = true[0] + 2, 0.7  # right, 6 bars late
    start[2], mass[2, true[1] - 9 :] = true[1] - 10, 0.6  # 10 bars off: wrong
    mass[0, 50:] = 0.8  # there is no span
    table = as_of.calls(windows, start, mass, threshold=0.5)
    assert table["is_right"].tolist() == [False, True, False]
    answer = as_of.summary(table, start[:, -1], threshold=0.5)
    assert answer["lag_bars"]["median"] == 6
    assert answer["start_hit_of_calls"] == 0.5
    assert answer["n_called_without_span"] == 1
    assert answer["right_within_bars"]["5"] == 0.0
    assert answer["right_within_bars"]["8"] == 0.5


def test_what_is_measured_lies_in_the_runs_folder(tmp_path: Path) -> None:
    run = toy_run(tmp_path, epochs=1)
    finetune(run)
    answer = as_of.measure(run, threshold=0.3)
    assert "held-out spans were called" in lateness.sentences(run)[0]
    assert answer == lateness.read_summary(run) == json.loads(json.dumps(answer))
    assert len(pd.read_parquet(run.path / "as_of.parquet")) == 3  # the held-out windows
    assert "held-out spans were called" in as_of.format_summary(answer)


def test_a_threshold_that_is_no_probability_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SchemaError, match="between 0 and 1"):
        as_of.measure(toy_run(tmp_path), threshold=1.5)
