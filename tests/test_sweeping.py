"""A sweep over tiny models: its folds, its study, killed and continued."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
import torch

from moola import launching, sweeping
from moola.cli import main
from moola.config import FinetuneConfig
from moola.exceptions import ConfigError
from moola.runs import RunFolder, create_run
from moola.sweep_config import SweepConfig
from moola.trainer import Trainer
from moola.workspace import Workspace
from tests.processes import wait_for, wait_for_state, workspace
from tests.toy import toy_examples

__all__ = ["workspace"]  # a fixture

BASE = {"device": "cpu", "batch_size": 8}


def toy_sweep(folder: Path, **options: object) -> RunFolder:
    values = {"base": BASE, "trials": 2, "folds": 2, "epoch_range": (1, 2), "prune": False}
    config = SweepConfig(**{**values, **options})  # pyright: ignore[reportArgumentType]
    run = create_run(folder, config, kind="sweep")
    toy_examples(24).save(run.path / "dataset.npz")
    return run


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
    run = toy_sweep(workspace.runs_dir, trials=3, epoch_range=(15, 15), search=("lr", "epochs"))
    launching.launch(run, workspace)
    wait_for(lambda: run.status().epoch >= 1, f"the first trial; {run.log_tail()}")
    pid = run.status().pid
    assert pid is not None
    workers = psutil.Process(pid).children()
    os.kill(pid, signal.SIGKILL)
    wait_for_state(run, "crashed")
    wait_for(lambda: not any(_lives(worker) for worker in workers), "the end of its workers")

    launching.resume_run(run, workspace)
    wait_for_state(run, "finished")
    table = sweeping.trials_table(run)
    complete = table[table["state"] == "complete"]
    assert len(complete) == 3
    assert complete["value"].is_monotonic_decreasing
    assert complete["lr"].nunique() == 3
    assert (run.path / "trials.parquet").exists()

    best = FinetuneConfig.from_dict(sweeping.best_options(run))
    assert best.lr == complete["lr"].iloc[0]
    assert best.batch_size == 8


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
