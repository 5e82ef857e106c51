from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import asdict
from pathlib import Path

import numpy as np
import psutil
import pytest

from moola import crossval, evaluate, model_card, report
from moola.config import FinetuneConfig
from moola.criteria import HIT, targets_met
from moola.evaluate import read_success
from moola.exceptions import ConfigError
from moola.folding import Split
from moola.metrics import confusion, f1_macro, score
from moola.resampling import over_seeds
from moola.runs import RunFolder, list_runs
from moola.share_lines import SHARE_GOALS
from moola.type_stage import STAGE_COLUMNS, TypeStage
from moola.workspace import Workspace
from tests.sample_workspace import made_once
from tests.toy import toy_examples

ROOT = Path(__file__).parents[1]


def crossval_run(
    folder: Path, *, n_folds: int = 2, n_repeats: int = 1, epochs: int = 1
) -> RunFolder:
    """Return a cross-validation of toy windows that is ready to be carried out."""
    config = FinetuneConfig(device="cpu", epochs=epochs, batch_size=8)
    run = crossval.create_run(folder, config, name="crossval", kind="crossval")
    examples = toy_examples(18)
    examples.is_val[:] = True
    examples.save(run.path / crossval.EXAMPLES_FILE)
    fold = np.arange(18) % n_folds
    splits = [[Split(fold == n, fold != n) for n in range(n_folds)] for _ in range(n_repeats)]
    crossval._save_splits(run, splits)
    run.write_status(epochs=n_folds * n_repeats)
    return run


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> RunFolder:

    def make(folder: Path) -> None:
        run = crossval_run(folder, n_repeats=2)
        assert crossval.carry_out(run, n_workers=2) == "finished"

    return list_runs(made_once(tmp_path_factory, "finished-crossval", make), kinds=None)[0]


def test_every_window_is_predicted_by_a_fold_that_held_it_out(finished: RunFolder) -> None:
    table, examples = finished.predictions(), finished.examples()
    assert table is not None
    assert set(table["window_uid"]) == set(examples.window_uid)
    assert set(table["split"]) == {"val"}
    splits = crossval.read_splits(finished)[0]
    for uid, fold in set(zip(table["window_uid"], table["fold"], strict=True)):
        assert splits[fold].is_val[examples.window_uid == uid].all()


def test_types_are_named_by_a_stage_that_each_fold_fitted_on_its_own_side(
    finished: RunFolder,
) -> None:
    table, examples = finished.predictions(), finished.examples()
    assert table is not None
    for number, split in enumerate(crossval.read_splits(finished)[0]):
        stage = TypeStage.fit(examples.take(split.trains))
        here = table[(table["fold"] == number) & (table["bar"] == 0)].set_index("window_uid")
        rows = here.loc[examples.window_uid[split.is_val]]
        assert stage is not None
        expected = stage.probabilities(examples.ohlc[split.is_val], rows["start"], rows["end"])
        np.testing.assert_allclose(rows[STAGE_COLUMNS], expected, atol=1e-6)


def test_repeats_are_trained_with_seeds_of_their_own(finished: RunFolder) -> None:
    seeds = [RunFolder(crossval.fold_path(finished, r, 0)).config().seed for r in range(2)]
    assert seeds == [0, 1]


def test_a_cross_validation_is_evaluated_against_the_constants_of_each_fold(
    finished: RunFolder,
) -> None:
    success = read_success(finished)
    assert success is not None
    hit = next(line for line in success if line.key == "hit_at_3")
    assert hit.n_windows == 18
    assert hit.floor is not None


def test_a_target_that_only_epochs_can_meet_is_neither_listed_nor_counted(
    finished: RunFolder,
) -> None:
    success = read_success(finished)
    assert success is not None
    assert not {goal.key for goal in SHARE_GOALS} & {line.key for line in success}
    assert all(line.value is not None for line in success)
    assert targets_met(success).endswith(" of 6 targets met")
    assert f"<h2>{targets_met(success)}</h2>" in report._success(finished)
    assert not any(goal.name in repr(model_card._results(finished)) for goal in SHARE_GOALS)


def test_a_table_that_was_stored_with_lines_of_epochs_is_read_without_them(tmp_path: Path) -> None:
    run = crossval_run(tmp_path)
    lines = [asdict(goal.line()) for goal in (HIT, *SHARE_GOALS)]
    (run.path / evaluate.SUCCESS_FILE).write_text(json.dumps({"criteria": lines}))
    assert read_success(run) == [HIT.line()]


def test_the_success_table_is_the_mean_over_repeats(finished: RunFolder) -> None:
    examples, success = finished.examples(), read_success(finished)
    assert success is not None
    seeds = evaluate.predicted_by_seed(finished, examples)
    found = [score(examples, said)["center_mae_norm"] for said in seeds]
    line = next(line for line in success if line.key == "center_mae_norm")
    mean = over_seeds(found)
    assert len(found) == 2
    assert found[0].value != found[1].value
    assert (line.value, line.low, line.high) == (mean.value, mean.low, mean.high)
    assert "Mean over 2 seeds" in line.note


def test_types_are_also_scored_where_the_start_is_known(finished: RunFolder) -> None:
    success = read_success(finished)
    assert success is not None
    line = next(line for line in success if line.key == "type_f1_at_labels")
    examples, said = finished.examples(), []
    for split in crossval.read_splits(finished)[0]:
        stage, val = TypeStage.fit(examples.take(split.trains)), examples.take(split.is_val)
        assert stage is not None
        named = stage.probabilities(val.ohlc, val.start, val.end).argmax(axis=1)
        said.append(confusion(val.type_id, named))
    assert line.value == pytest.approx(float(f1_macro(np.sum(said, axis=0))))
    assert line.floor is not None


def test_the_floor_of_a_window_is_fitted_on_the_rows_that_train_beside_it() -> None:
    examples = toy_examples(12)
    fold = np.arange(12) % 2
    folds = [Split(fold == n, fold != n) for n in range(2)]
    floor = crossval.fold_constants(examples, folds)
    for n, split in enumerate(folds):
        expected = crossval.fit_constants(examples.take(split.trains))
        assert set(floor.start[fold == n]) == {expected.start}


def test_facts_of_the_folds_say_how_near_training_comes(finished: RunFolder) -> None:
    facts = crossval.read_fold_facts(finished)
    assert len(facts) == 4
    assert {fact["n_train"] for fact in facts} == {9}
    assert {fact["nearest_bars"] for fact in facts} == {105}


def carried_out_elsewhere(folder: Path, *, until: str) -> tuple[RunFolder, subprocess.Popen[bytes]]:
    """Return a long run and the process that trains it, once its first fold holds a file."""
    run = crossval_run(folder, epochs=400)
    command = [sys.executable, "-m", "moola", "crossval", "--resume", str(run.path)]
    command += ["--workspace", str(folder), "--workers", "1"]
    process = subprocess.Popen(command, cwd=ROOT, stderr=subprocess.DEVNULL)
    awaited = crossval.fold_path(run, 0, 0, until)
    deadline = time.monotonic() + 90
    while not awaited.exists() and time.monotonic() < deadline:
        time.sleep(0.1)
    return run, process


def test_a_stopped_cross_validation_keeps_its_folds_and_goes_on(tmp_path: Path) -> None:
    run, process = carried_out_elsewhere(tmp_path, until="last.pt")
    process.send_signal(signal.SIGTERM)
    assert process.wait(timeout=60) == 0
    assert run.status().state == "stopped"
    fold = RunFolder(crossval.fold_path(run, 0, 0))
    half_done = fold.history()
    assert 0 < len(half_done) < 400

    # The rest of the plan is cut short, so that the test ends: the rows done so far stay.
    short = FinetuneConfig(device="cpu", epochs=len(half_done), batch_size=8)
    run.save_config(short, {}, kind="crossval")
    assert crossval.carry_out(run, n_workers=1) == "finished"
    assert fold.history()[: len(half_done)] == half_done


def test_a_killed_parent_leaves_no_worker_behind(tmp_path: Path) -> None:
    _, process = carried_out_elsewhere(tmp_path, until="history.jsonl")
    workers = [
        p for p in psutil.Process(process.pid).children() if "spawn_main" in str(p.cmdline())
    ]
    assert workers
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    _, alive = psutil.wait_procs(workers, timeout=60)
    assert not alive


def test_one_fold_is_no_cross_validation(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="2 folds"):
        crossval.prepare(FinetuneConfig(), Workspace(tmp_path), n_folds=1, n_repeats=1)
