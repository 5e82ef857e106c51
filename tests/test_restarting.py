"""A run goes on from an epoch of another, with its data and model and a strategy of its own."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from moola.balancing import Epoch, Kendall
from moola.checkpoint import Checkpoint
from moola.cli import main
from moola.config import FinetuneConfig
from moola.exceptions import ConfigError, RunError
from moola.handover import take_over
from moola.predict import predict
from moola.restarting import (
    checkpoint_epochs,
    checkpoint_path,
    hold_parent,
    kept_epochs,
    nearest_checkpoint,
    prune_checkpoints,
    restart_config,
)
from moola.runs import RunFolder, create_run, list_runs
from moola.schema import TASKS
from moola.train import finetune
from moola.trainer import Trainer
from tests.toy import toy_examples, toy_run
from tests.training import after_steps, without_time


@pytest.fixture(scope="module")
def parent(tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    """A finished run of four epochs under raw weights."""
    run = toy_run(tmp_path_factory.mktemp("runs"), balance="raw")
    finetune(run)
    return run


def restarted(parent: RunFolder, epoch: int, **changes: Any) -> RunFolder:
    run = create_run(parent.path.parent, restart_config(parent, epoch, **changes))
    parent.examples().save(run.path / "dataset.npz")
    return run


def trainer_of(run: RunFolder) -> Trainer:
    return Trainer(run.config(), run.examples())


def without_origin(run: RunFolder) -> list[dict[str, Any]]:
    return [
        {k: v for k, v in row.items() if k not in ("from_run", "restart")}
        for row in without_time(run)
    ]


def test_under_the_same_strategy_it_ends_as_the_uninterrupted_run(parent: RunFolder) -> None:
    run = restarted(parent, 2)
    assert finetune(run) == "finished"
    assert without_origin(run) == without_origin(parent)
    own, theirs = (Checkpoint.load(r.path / "last.pt").model for r in (run, parent))
    assert all(torch.equal(own[name], theirs[name]) for name in own)


def test_a_live_parent_may_prune_the_checkpoint_before_the_new_run_has_its_turn(
    tmp_path: Path,
) -> None:
    parent = toy_run(tmp_path)
    finetune(parent)
    run = restarted(parent, 2, balance="raw")
    hold_parent(run)
    prune_checkpoints(parent, {4})
    assert checkpoint_epochs(parent) == [4]
    assert finetune(run) == "finished"
    assert run.history()[2]["restart"]["from_epoch"] == 2


def test_the_history_begins_with_the_parents_rows_and_marks_the_change(parent: RunFolder) -> None:
    run = restarted(parent, 2, balance="epoch")
    finetune(run)
    rows = run.history()
    assert [row["epoch"] for row in rows] == [1, 2, 3, 4]
    assert [row.get("from_run") for row in rows] == [parent.id, parent.id, None, None]
    assert [row["strategy"] for row in rows] == ["raw", "raw", "epoch", "epoch"]
    mark = {"from_run": parent.id, "from_epoch": 2, "balance_before": "raw"}
    assert [row.get("restart") for row in rows] == [None, None, mark, None]
    assert [row["step"] for row in rows] == [3, 6, 9, 12]


def test_the_new_weights_fit_the_losses_at_the_restart(parent: RunFolder) -> None:
    run = restarted(parent, 3, balance="epoch")
    trainer = trainer_of(run)
    take_over(trainer, parent, 3)
    assert isinstance(trainer.balancer, Epoch)
    shares = trainer.balancer.weights
    before = parent.history()[2]["raw"]
    weighted = {task: shares[task] * before[task] for task in TASKS}
    assert weighted["ptr"] / sum(weighted.values()) == pytest.approx(0.7, abs=0.1)


def test_a_restarted_run_resumes_as_if_never_interrupted(parent: RunFolder) -> None:
    whole, parts = (restarted(parent, 1, balance="ema") for _ in range(2))
    finetune(whole)
    assert finetune(parts, stop=after_steps(1)) == "stopped"
    assert [row["epoch"] for row in parts.history()] == [1]
    finetune(parts)
    assert without_time(parts) == without_time(whole)
    assert parts.history()[1]["restart"]["from_epoch"] == 1


def test_under_another_strategy_the_encoder_is_forgotten_by_the_optimizer(
    parent: RunFolder,
) -> None:
    trainer = trainer_of(restarted(parent, 2, balance="epoch"))
    take_over(trainer, parent, 2)
    state = trainer.optimizer.state
    assert not any(parameter in state for parameter in trainer.model.encoder.parameters())
    assert float(state[trainer.model.type_head.weight]["step"]) == 6
    trainer.train_step(trainer.train_batch)
    assert float(state[trainer.model.encoder.weight_ih_l0]["step"]) == 1


def test_the_schedule_goes_on_where_it_was_at_the_new_peak_rate(parent: RunFolder) -> None:
    trainer = trainer_of(restarted(parent, 2, lr=1e-3, batch_size=9))
    take_over(trainer, parent, 2)
    assert trainer.state.step == 2
    assert trainer.n_steps == 4
    assert {g["peak_lr"] for g in trainer.optimizer.param_groups if g["scheduled"]} == {1e-3}


def test_a_learned_strategy_starts_from_its_own_beginning(parent: RunFolder) -> None:
    trainer = trainer_of(restarted(parent, 2, balance="kendall"))
    take_over(trainer, parent, 2)
    assert isinstance(trainer.balancer, Kendall)
    assert trainer.balancer.log_sigma.tolist() == [0.0] * 4


def test_a_countdown_on_another_scale_still_says_the_same_bars(tmp_path: Path) -> None:
    parent = toy_run(tmp_path, countdown="raw", balance="raw", epochs=2)
    finetune(parent)
    run = restarted(parent, 1, countdown="clip20", balance="epoch", epochs=2)
    trainer = trainer_of(run)
    take_over(trainer, parent, 1)
    trainer.checkpoint().save(run.path / "last.pt")
    (parent.path / "last.pt").write_bytes(checkpoint_path(parent, 1).read_bytes())
    own, theirs = (predict(r, r.examples(), device="cpu")["countdown_bars"] for r in (run, parent))
    np.testing.assert_allclose(own, theirs, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"use_expansion_heads": False}, r"use_expansion_heads should stay True .* Found False"),
        ({"data": "other.parquet"}, r"data should stay None .* Found 'other\.parquet'"),
        ({"epochs": 2}, "epochs should go beyond epoch 2"),
    ],
)
def test_other_data_another_model_and_no_epochs_to_go_are_refused(
    parent: RunFolder, changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        restart_config(parent, 2, **changes)


def test_examples_that_have_changed_are_refused(parent: RunFolder) -> None:
    run = restarted(parent, 2)
    toy_examples(seed=5).save(run.path / "dataset.npz")
    with pytest.raises(RunError, match="should train on the examples of"):
        finetune(run)


def test_an_epoch_without_a_checkpoint_is_refused_by_name(parent: RunFolder) -> None:
    with pytest.raises(RunError, match=r"checkpoint of epoch 9 .* Found 1, 2, 3, 4\."):
        restart_config(parent, 9)


@pytest.mark.parametrize("value", ["run", "run@", "@3", "run@0", "run@x"])
def test_a_restart_names_a_run_and_an_epoch(value: str) -> None:
    with pytest.raises(ConfigError, match="restart_from should be RUN@EPOCH"):
        FinetuneConfig(restart_from=value)


def test_the_last_checkpoints_and_one_for_every_twelfth_of_the_plan_are_kept() -> None:
    assert sorted(kept_epochs(60, 60, 5)) == [*range(5, 56, 5), 56, 57, 58, 59, 60]
    assert sorted(kept_epochs(3, 60, 5)) == [1, 2, 3]
    assert kept_epochs(60, 60, 0) == set()


def test_a_run_prunes_as_it_goes_and_names_the_nearest(tmp_path: Path) -> None:
    run = toy_run(tmp_path, toy_examples(4), epochs=14, batch_size=9, keep_checkpoints=1)
    finetune(run)
    assert checkpoint_epochs(run) == [2, 4, 6, 8, 10, 12, 14]
    assert [nearest_checkpoint(run, epoch) for epoch in (1, 5, 99)] == [None, 4, 14]
    names = {path.name for path in (run.path / "checkpoints").iterdir()}
    assert len(names) == 7, "no temporary file is left"


def test_without_hard_links_a_checkpoint_is_copied(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise OSError("no links here")

    monkeypatch.setattr("os.link", refuse)
    run = toy_run(tmp_path, epochs=1)
    finetune(run)
    assert Checkpoint.load(checkpoint_path(run, 1)).meta["epoch"] == 1


def test_a_checkpoint_that_a_crash_left_out_is_kept_on_resume(tmp_path: Path) -> None:
    run = toy_run(tmp_path)
    finetune(run, stop=after_steps(6))
    checkpoint_path(run, 2).unlink()
    # last.pt says epoch 2 and no batch of epoch 3 yet
    finetune(run, stop=after_steps(0))
    assert checkpoint_epochs(run) == [1, 2]


def test_the_options_of_a_restart_are_the_parents_but_for_the_changes(parent: RunFolder) -> None:
    config = restart_config(parent, 3, balance="epoch")
    assert config == replace(parent.config(), balance="epoch", restart_from=f"{parent.id}@3")


def test_the_command_line_takes_the_parents_options_and_what_is_given(
    parent: RunFolder, tmp_path: Path
) -> None:
    workspace = tmp_path / "work"
    (workspace / "runs").mkdir(parents=True)
    run = RunFolder(shutil.copytree(parent.path, workspace / "runs" / parent.id))
    run.write_status(state="finished")  # a queued run would be waited for
    words = ["finetune", "--restart-from", f"{run.id}@3", "--balance", "epoch", "--name", "cured"]
    assert main([*words, "--workspace", str(workspace)]) == 0
    (child,) = (r for r in list_runs(workspace / "runs") if r.id.endswith("cured"))
    assert child.config().batch_size == parent.config().batch_size != FinetuneConfig().batch_size
    assert [row["strategy"] for row in child.history()] == ["raw", "raw", "raw", "epoch"]
    assert child.status().state == "finished"
