"""A sweep over tiny models: its folds, its study, killed and continued."""

from __future__ import annotations

import contextlib
import json
import os
import signal
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import psutil
import pytest
import torch

from moola import launching, sweeping
from moola.cli import main
from moola.config import FinetuneConfig
from moola.exceptions import ConfigError
from moola.runs import RunFolder, create_run, list_runs
from moola.store import LabelStore
from moola.sweep_config import SweepConfig
from moola.trainer import Trainer
from moola.workspace import Workspace
from tests.processes import wait_for, wait_for_state, workspace
from tests.sample_workspace import sample_copy
from tests.toy import TOY_BASE as BASE
from tests.toy import toy_examples, toy_sweep

__all__ = ["workspace"]  # a fixture


def test_no_fold_of_a_sweep_trains_on_what_it_is_judged_by() -> None:
    examples = toy_examples(24)
    parts = sweeping.folds(examples, 3)
    judged = [uid for part in parts for uid in part.window_uid[part.is_val].tolist()]
    assert sorted(judged) == sorted(examples.window_uid.tolist())
    for part in parts:
        assert not set(part.window_uid[part.is_val]) & set(part.window_uid[~part.is_val])


def test_options_out_of_range_are_named_before_the_first_trial() -> None:
    with pytest.raises(ConfigError, match="search should be of lr, epochs"):
        SweepConfig(search=("momentum",))
    with pytest.raises(ConfigError, match="lr_range should rise"):
        SweepConfig(lr_range=(1e-3, 1e-4))
    with pytest.raises(ConfigError, match="epochs should be greater than 0"):
        SweepConfig(base={"epochs": 0})


def test_a_config_survives_its_json() -> None:
    config = SweepConfig(base=BASE, search=("lr", "epochs"))
    assert SweepConfig.from_dict(config.to_dict()) == config


@pytest.mark.slow
def test_a_killed_sweep_goes_on_with_what_it_knows(workspace: Workspace) -> None:
    run = toy_sweep(workspace.runs_dir, trials=1000, epoch_range=(1, 2), search=("lr", "epochs"))
    launching.launch(run, workspace)
    wait_for(lambda: run.status().epoch >= 1, f"the first trial; {run.log_tail()}")
    pid = run.status().pid
    assert pid is not None
    workers = psutil.Process(pid).children()
    os.kill(pid, signal.SIGKILL)
    wait_for_state(run, "crashed")
    wait_for(lambda: not any(_lives(worker) for worker in workers), "the end of its workers")

    known = complete_trials(run)
    assert 1 <= len(known) < 1000
    ask_for(run, len(known) + 1)
    assert sweeping.carry_out(run, workspace) == "finished"
    found = complete_trials(run)
    assert len(found) == len(known) + 1
    assert set(known["trial"]) < set(found["trial"])
    assert found["value"].is_monotonic_decreasing
    assert len(pd.read_parquet(run.path / "trials.parquet")) >= len(found)

    best = FinetuneConfig.from_dict(sweeping.best_options(run))
    assert best.lr == found["lr"].iloc[0]
    assert best.batch_size == 8


def complete_trials(run: RunFolder) -> pd.DataFrame:
    table = sweeping.trials_table(run)
    return table[table["state"] == "complete"]


def ask_for(run: RunFolder, trials: int) -> None:
    """Change how many trials a sweep should make."""
    path = run.path / "config.json"
    content = json.loads(path.read_text(encoding="utf-8"))
    content["config"]["trials"] = trials
    path.write_text(json.dumps(content), encoding="utf-8")


def _lives(process: psutil.Process) -> bool:
    try:
        return process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def test_a_trial_is_judged_by_the_mean_over_all_held_out_windows(tmp_path: Path) -> None:
    run = toy_sweep(tmp_path, trials=1, search=("lr",), base={**BASE, "epochs": 1})
    sweeping.work(run, lambda: False)
    (row,) = sweeping.trials_table(run).to_dict(orient="records")
    sizes = [part.is_val.sum() for part in sweeping.folds(run.examples(), 2)]
    assert row["value"] == pytest.approx(np.average(row["scores"], weights=sizes))
    assert sum(sizes) == 24


def test_a_stopped_trial_is_tried_again_with_its_own_options(tmp_path: Path) -> None:
    run = toy_sweep(tmp_path, trials=1, search=("lr",), base={**BASE, "epochs": 1})
    study = sweeping.open_study(run, sweeping.sweep_config(run))
    cut = study.ask()
    lr = cut.suggest_float("lr", 3e-4, 6e-3, log=True)
    sweeping._try_again(study)
    sweeping.work(run, lambda: False)
    table = sweeping.trials_table(run)
    assert table["lr"].tolist() == [lr, lr]
    assert sorted(table["state"]) == ["complete", "fail"]


def test_trials_train_by_repeatable_algorithms_if_the_sweep_asks_for_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[bool] = []
    run_epoch = Trainer.run_epoch

    def watched(trainer: Trainer, **options: Any) -> bool:
        asked.append(torch.are_deterministic_algorithms_enabled())
        return run_epoch(trainer, **options)

    monkeypatch.setattr(Trainer, "run_epoch", watched)
    base = {**BASE, "epochs": 1, "deterministic": True}
    sweeping.work(toy_sweep(tmp_path, trials=1, search=("lr",), base=base), lambda: False)
    assert asked == [True, True]
    assert not torch.are_deterministic_algorithms_enabled()


def test_a_run_of_another_kind_is_no_sweep(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = create_run(tmp_path / "runs", FinetuneConfig())
    assert main(["sweep", "--resume", run.id, "--workspace", str(tmp_path)]) == 2
    assert "should be a sweep. Found one of kind finetune" in capsys.readouterr().err


def test_a_sweep_is_prepared_with_windows_for_all_its_folds(
    workspace: Workspace, tmp_path_factory: pytest.TempPathFactory
) -> None:
    sample_copy(tmp_path_factory, workspace.root)
    with contextlib.closing(LabelStore.open(workspace.store_url)) as store:
        n_windows = len(store.windows())
    config = SweepConfig(base=BASE, folds=3)
    run = sweeping.prepare(config, workspace, name="search")
    assert sweeping.sweep_config(run) == config
    examples = run.examples()
    assert 0 < len(examples) <= n_windows
    parts = sweeping.folds(examples, 3)
    assert sum(part.is_val.sum() for part in parts) == len(examples)


def test_the_best_options_of_a_sweep_start_a_run(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run = toy_sweep(workspace.runs_dir, search=("lr", "pointer_head"))
    words = ["sweep", "--start-best", run.id, "--workspace", str(workspace.root)]
    assert main(words) == 2
    assert "should have a trial that is done" in capsys.readouterr().err
    study = sweeping.open_study(run, sweeping.sweep_config(run))
    for lr, head, value in ((1e-3, "bar", 0.4), (2e-3, "mean", 0.6), (3e-3, "bar", 0.5)):
        study.enqueue_trial({"lr": lr, "pointer_head": head})
        trial = study.ask()
        trial.suggest_float("lr", 1e-4, 1e-2)
        trial.suggest_categorical("pointer_head", ["bar", "mean"])
        study.tell(trial, value)
    launched: list[RunFolder] = []
    monkeypatch.setattr(launching, "launch", lambda started, _place: launched.append(started))
    assert main(words) == 0
    (started,) = launched
    config = started.config()
    assert (config.lr, config.pointer_head, config.batch_size) == (2e-3, "mean", 8)
    assert started.id in {known.id for known in list_runs(workspace.runs_dir)}
    assert str(started.path) in capsys.readouterr().out
