from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from moola.exceptions import CheckpointError, RunError
from moola.labels import decode_pointers
from moola.predict import predict, predict_run
from moola.runs import RunFolder
from moola.train import finetune
from tests.toy import toy_examples, toy_run

SEQUENCE = ["binary_prob", "binary_logit", "countdown_bars"]
PER_BAR = ["start_prob", "end_prob", *SEQUENCE]
PER_WINDOW = [
    "ptr_center_norm", "ptr_length_norm", "ptr_start", "ptr_end", "prob_consolidation",
    "prob_retracement", "prob_reversal", "start", "end", "confidence", "p_no_span",
    "edge_entropy", "start_binary", "start_pointer", "start_countdown",
    "type_stage_consolidation", "type_stage_retracement", "type_stage_reversal",
]  # fmt: skip


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    run = toy_run(tmp_path_factory.mktemp("runs"), epochs=2)
    finetune(run)
    return run


def test_one_row_per_window_and_bar_with_the_columns_of_the_run_folder(
    trained: RunFolder,
) -> None:
    table = predict_run(trained)
    assert list(table) == ["window_uid", "split", "bar", *PER_BAR, *PER_WINDOW]
    assert len(table) == 12 * 105
    assert table["bar"].tolist() == list(range(105)) * 12
    assert set(table.loc[table["window_uid"] == "w003", "split"]) == {"val"}
    stored = trained.predictions()
    assert stored is not None
    pd.testing.assert_frame_equal(stored, table)


def test_values_of_a_window_are_the_same_on_each_of_its_bars(trained: RunFolder) -> None:
    table = predict(trained, trained.examples())
    assert (table.groupby("window_uid")[PER_WINDOW].nunique() == 1).all(axis=None)


def test_columns_agree_with_each_other(trained: RunFolder) -> None:
    table = predict(trained, trained.examples())
    np.testing.assert_allclose(table["binary_prob"], 1 / (1 + np.exp(-table["binary_logit"])))
    types = table[["prob_consolidation", "prob_retracement", "prob_reversal"]].sum(axis=1)
    np.testing.assert_allclose(types, 1, rtol=1e-5)
    start, end = decode_pointers(table[["ptr_center_norm", "ptr_length_norm"]].to_numpy())
    assert (table["ptr_start"] == start).all()
    assert (table["ptr_end"] == end).all()


def test_a_window_with_two_spans_is_predicted_once(trained: RunFolder) -> None:
    examples = toy_examples(4)
    twice = replace(examples, window_uid=np.array(["a", "a", "b", "c"]))
    assert predict(trained, twice)["window_uid"].unique().tolist() == ["a", "b", "c"]


@pytest.mark.parametrize("batch_size", [1, 5, 64])
def test_predictions_do_not_depend_on_the_batch(trained: RunFolder, batch_size: int) -> None:
    examples = trained.examples()
    expected = predict(trained, examples)
    found = predict(trained, examples, batch_size=batch_size)
    pd.testing.assert_frame_equal(found, expected, rtol=1e-4, atol=1e-5)


def test_unseen_windows_can_be_predicted_with_a_checkpoint_alone(trained: RunFolder) -> None:
    unseen = toy_examples(3, seed=9)
    table = predict(trained.path / "best.pt", unseen, device="cpu")
    assert table["window_uid"].nunique() == 3


def test_countdown_is_in_bars_on_both_scales(tmp_path: Path) -> None:
    for scale in ("clip20", "raw"):
        run = toy_run(tmp_path, epochs=1, countdown=scale)
        finetune(run)
        # An untrained head says the median countdown, some -10 bars here, whatever its unit.
        assert -40 < predict(run, run.examples())["countdown_bars"].median() < 20


def test_the_posterior_of_an_edge_and_of_no_span_sum_to_one(trained: RunFolder) -> None:
    table = predict(trained, trained.examples())
    for edge in ("start_prob", "end_prob"):
        total = (
            table.groupby("window_uid")[edge].sum()
            + table.groupby("window_uid")["p_no_span"].first()
        )
        np.testing.assert_allclose(total, 1, rtol=1e-4)


def test_a_bar_head_finds_spans_without_the_expansion_heads(tmp_path: Path) -> None:
    run = toy_run(tmp_path, epochs=1, use_expansion_heads=False)
    finetune(run)
    table = predict_run(run)
    assert table[[*SEQUENCE, "start_binary", "start_countdown"]].isna().all(axis=None)
    assert table[["confidence", "start_pointer"]].notna().all(axis=None)


def test_without_any_per_bar_head_the_pointers_are_the_span(tmp_path: Path) -> None:
    run = toy_run(tmp_path, epochs=1, use_expansion_heads=False, pointer_head="mean")
    finetune(run)
    table = predict_run(run)
    assert table[[*PER_BAR, "confidence", "p_no_span"]].isna().all(axis=None)
    assert (table["start"] == table["ptr_start"]).all()
    assert (table["end"] == table["ptr_end"]).all()


def test_a_run_that_never_trained_cannot_predict(tmp_path: Path) -> None:
    run = toy_run(tmp_path)
    with pytest.raises(RunError, match=r"no last\.pt"):
        predict(run, run.examples())


def test_a_damaged_checkpoint_is_one_clear_sentence(tmp_path: Path) -> None:
    run = toy_run(tmp_path)
    (run.path / "last.pt").write_bytes(b"cut")
    with pytest.raises(CheckpointError, match=r"last\.pt should be a PyTorch file"):
        predict(run, run.examples())
