from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from moola.balancing import Raw
from moola.checkpoint import Checkpoint
from moola.config import BALANCES, Balance, FinetuneConfig
from moola.dataset import Batch
from moola.device import AVAILABLE
from moola.exceptions import CheckpointError, DeviceError, RunError, SchemaError
from moola.model import JadeCompact
from moola.predict import predict
from moola.schema import TASKS
from moola.silence import target_shares
from moola.train import finetune
from moola.trainer import Trainer
from moola.validation import mean_losses
from tests.toy import toy_examples, toy_run
from tests.training import after_steps, without_time

ROW_KEYS = {
    "schema", "epoch", "step", "wall", "lr", "strategy", "raw", "weight", "boost", "loss_share",
    "grad_raw", "grad_share", "aligned_share", "cos_pairs", "val_raw", "skill", "log_sigma",
    "metrics", "metrics_95", "probe_s", "epoch_s", "alarms", "clip_rate",
    "feature_density",  # in the first row alone
}  # fmt: skip


def test_leaves_a_row_per_epoch_and_both_checkpoints(tmp_path: Path) -> None:
    run, seen = toy_run(tmp_path), []
    assert finetune(run, on_progress=seen.append) == "finished"
    assert [row["epoch"] for row in run.history()] == [1, 2, 3, 4]
    assert [row["step"] for row in run.history()] == [3, 6, 9, 12]
    assert len(seen) == 4
    assert Checkpoint.load(run.path / "last.pt").meta["epoch"] == 4
    assert Checkpoint.load(run.path / "best.pt").training is None


def test_a_row_holds_what_the_monitor_reads(tmp_path: Path) -> None:
    run = toy_run(tmp_path, epochs=1)
    finetune(run)
    (row,) = run.history()
    assert set(row) == ROW_KEYS | {"feature_density"}  # the data is looked at once
    for key in (
        "raw",
        "weight",
        "loss_share",
        "grad_raw",
        "grad_share",
        "val_raw",
        "skill",
    ):
        assert list(row[key]) == list(TASKS)
    for key in ("loss_share", "grad_share", "aligned_share"):
        assert sum(row[key].values()) == pytest.approx(1)
    assert len(row["cos_pairs"]) == 6
    assert {"hit_at_3", "center_mae_norm", "countdown_mae_bars"} <= set(row["metrics"])
    assert set(row["metrics_95"]) <= set(row["metrics"])
    assert row["log_sigma"] is None
    assert row["boost"] is None


def test_a_silent_task_stops_the_run_with_a_checkpoint_if_asked(tmp_path: Path) -> None:
    run = toy_run(tmp_path, balance="raw", epochs=9, on_silence="stop")
    assert finetune(run) == "stopped"
    assert [row["epoch"] for row in run.history()] == [1, 2, 3, 4, 5, 6]
    assert Checkpoint.load(run.path / "last.pt").meta["epoch"] == 6


def test_a_silent_task_wakes_the_guard_if_asked(tmp_path: Path) -> None:
    run = toy_run(tmp_path, balance="raw", pointer_head="mean", epochs=9, on_silence="guard")
    finetune(run)
    boosts = [row["boost"]["ptr"] for row in run.history()]
    assert boosts[:7] == [1.0] * 7  # reported after epoch 6, answered after epoch 7
    assert boosts[7] > 1


@pytest.mark.parametrize("balance", BALANCES)
def test_every_strategy_trains_and_its_shares_are_weights_times_losses(
    tmp_path: Path, balance: Balance
) -> None:
    run = toy_run(tmp_path, balance=balance, epochs=1, batch_size=9)
    finetune(run)
    (row,) = run.history()
    weighted = {task: row["weight"][task] * row["raw"][task] for task in TASKS}
    total = sum(weighted.values())
    assert row["loss_share"] == pytest.approx({t: w / total for t, w in weighted.items()})
    assert (row["log_sigma"] is None) == (balance != "kendall")


def test_the_weights_of_the_strategy_are_those_that_train(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Pitfall 17: an earlier system built its balancer, passed it in, and never called it."""
    only_type = dict.fromkeys(TASKS, 0.0) | {"type": 1.0}
    monkeypatch.setattr(Raw, "first_weights", lambda self: only_type)
    trainer = Trainer(FinetuneConfig(balance="raw", device="cpu"), toy_examples())
    trainer.begin()
    before = {name: p.clone() for name, p in trainer.model.named_parameters()}
    trainer.train_step(trainer.train_batch)
    moved = {n for n, p in trainer.model.named_parameters() if not torch.equal(p, before[n])}
    assert "type_head.bias" in moved
    assert not moved & {"pointer_head.bias", "binary_head.bias", "countdown_head.bias"}


def test_the_best_epoch_is_that_of_the_best_validation_skill_whatever_the_total_was(
    tmp_path: Path,
) -> None:
    """Pitfall 8: the total under ema stays near 1, and means are kept in the checkpoint."""
    run = toy_run(tmp_path, epochs=4, balance="ema", lr=3e-2)
    finetune(run)
    targets = target_shares(TASKS)
    skills = [
        sum(targets[task] * skill for task, skill in row["skill"].items()) for row in run.history()
    ]
    best = 1 + skills.index(max(skills))
    assert Checkpoint.load(run.path / "best.pt").meta["epoch"] == best
    training = Checkpoint.load(run.path / "last.pt").training
    assert training is not None
    assert min(training["balancer"]["means"].values()) > 0


@pytest.mark.parametrize("balance", ["epoch", "kendall"])
def test_a_resumed_run_equals_an_uninterrupted_one(tmp_path: Path, balance: Balance) -> None:
    whole = toy_run(tmp_path / "whole", balance=balance)
    finetune(whole)
    parts = toy_run(tmp_path / "parts", balance=balance)
    finetune(parts, stop=after_steps(6))
    assert len(parts.history()) == 2
    torch.manual_seed(999)
    finetune(parts)
    assert without_time(parts) == without_time(whole)


def test_a_run_stopped_inside_an_epoch_goes_on_with_the_next_batch(tmp_path: Path) -> None:
    whole, parts = toy_run(tmp_path / "whole"), toy_run(tmp_path / "parts")
    finetune(whole)
    assert finetune(parts, stop=after_steps(4)) == "stopped"
    checkpoint = Checkpoint.load(parts.path / "last.pt")
    assert checkpoint.training is not None
    assert checkpoint.training["state"]["step"] == 4
    finetune(parts)
    assert without_time(parts) == without_time(whole)


@pytest.mark.parametrize(("name", "epoch"), [("best.pt", 1), ("last.pt", 1), ("last.pt", 3)])
def test_a_crash_between_row_and_checkpoint_repeats_that_epoch(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, epoch: int
) -> None:
    whole, killed = toy_run(tmp_path / "whole"), toy_run(tmp_path / "killed")
    finetune(whole)
    save = Checkpoint.save

    def crash(checkpoint: Checkpoint, path: Path) -> None:
        if checkpoint.meta["epoch"] == epoch and path.name == name:
            raise KeyboardInterrupt
        save(checkpoint, path)

    monkeypatch.setattr(Checkpoint, "save", crash)
    with pytest.raises(KeyboardInterrupt):
        finetune(killed)
    assert len(killed.history()) == epoch
    monkeypatch.undo()
    finetune(killed)
    assert without_time(killed) == without_time(whole)


def test_a_finished_run_has_nothing_to_resume(tmp_path: Path) -> None:
    run = toy_run(tmp_path, epochs=1)
    finetune(run)
    rows = run.history()
    assert finetune(run) == "finished"
    assert run.history() == rows


def test_equal_seeds_give_equal_numbers_and_others_do_not(tmp_path: Path) -> None:
    runs = [toy_run(tmp_path / str(i), epochs=1, seed=seed) for i, seed in enumerate((1, 1, 2))]
    for run in runs:
        finetune(run)
    first, again, other = (without_time(run) for run in runs)
    assert first == again != other


def test_two_deterministic_runs_are_equal_and_train_by_repeatable_algorithms(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[bool] = []
    step = Trainer.train_step

    def watched(trainer: Trainer, batch: Batch) -> None:
        asked.append(torch.are_deterministic_algorithms_enabled())
        step(trainer, batch)

    monkeypatch.setattr(Trainer, "train_step", watched)
    runs = [toy_run(tmp_path / str(i), epochs=2, deterministic=True) for i in range(2)]
    for run in runs:
        finetune(run)
    assert without_time(runs[0]) == without_time(runs[1])
    assert asked == [True] * 12
    assert not torch.are_deterministic_algorithms_enabled()


@pytest.mark.parametrize(("clip_norm", "rate"), [(1e-6, 1.0), (1e9, 0.0)])
def test_a_row_says_which_part_of_its_steps_was_clipped(
    tmp_path: Path, clip_norm: float, rate: float
) -> None:
    """Pitfall 10: one clipped norm lets the largest task shorten the rest, so it is counted."""
    run = toy_run(tmp_path, epochs=1, clip_norm=clip_norm)
    finetune(run)
    assert run.history()[0]["clip_rate"] == rate


def test_the_clip_rate_counts_the_steps_of_an_epoch_that_was_cut_in_two(tmp_path: Path) -> None:
    run = toy_run(tmp_path, epochs=1, clip_norm=1e-6)
    finetune(run, stop=after_steps(1))
    finetune(run)
    assert run.history()[0]["clip_rate"] == 1.0


def test_batches_hold_every_window_once_in_a_new_order_each_epoch() -> None:
    trainer = Trainer(FinetuneConfig(batch_size=4, device="cpu"), toy_examples(14))
    first, second = (torch.cat(trainer.batches(epoch)) for epoch in (1, 2))
    assert sorted(first.tolist()) == sorted(second.tolist()) == list(range(11))
    assert not torch.equal(first, second)
    assert {len(rows) for rows in trainer.batches(1)} == {3, 4}


def test_steps_are_reported_as_done_of_planned(tmp_path: Path) -> None:
    seen = []
    finetune(toy_run(tmp_path, epochs=2), on_step=lambda *counts: seen.append(counts))
    assert seen == [(step, 6) for step in range(1, 7)]


def test_a_batch_of_one_window_trains(tmp_path: Path) -> None:
    run = toy_run(tmp_path, toy_examples(4), epochs=1, batch_size=1)
    assert finetune(run) == "finished"


def test_windows_without_any_span_train_the_binary_head(tmp_path: Path) -> None:
    run = toy_run(tmp_path, toy_examples(12, n_without_span=8), epochs=2, batch_size=2)
    finetune(run)
    assert all(np.isfinite(list(row["raw"].values())).all() for row in run.history())


def test_without_expansion_heads_two_tasks_share_the_row(tmp_path: Path) -> None:
    run = toy_run(tmp_path, epochs=1, use_expansion_heads=False)
    finetune(run)
    (row,) = run.history()
    assert list(row["loss_share"]) == ["ptr", "type"]
    assert "countdown_mae_bars" not in row["metrics"]


def test_a_frozen_encoder_stays_and_has_no_gradient_shares(tmp_path: Path) -> None:
    source = JadeCompact()
    torch.save(source.state_dict(), tmp_path / "encoder.pt")
    run = toy_run(
        tmp_path, epochs=2, pretrained_encoder=str(tmp_path / "encoder.pt"), freeze_encoder=True
    )
    finetune(run)
    trained = JadeCompact.from_pretrained(run.path / "last.pt", standardize=True)
    assert torch.equal(trained.encoder.weight_ih_l0, source.encoder.weight_ih_l0)
    for key in ("grad_raw", "grad_share", "aligned_share", "cos_pairs"):
        assert run.history()[-1][key] is None


def test_a_resumed_run_does_not_need_the_pretrained_file_again(tmp_path: Path) -> None:
    torch.save(JadeCompact().state_dict(), tmp_path / "encoder.pt")
    run = toy_run(tmp_path, pretrained_encoder=str(tmp_path / "encoder.pt"))
    finetune(run, stop=after_steps(5))
    (tmp_path / "encoder.pt").unlink()
    assert finetune(run) == "finished"


def test_a_checkpoint_of_other_heads_is_refused(tmp_path: Path) -> None:
    run, other = toy_run(tmp_path / "a"), toy_run(tmp_path / "b", use_expansion_heads=False)
    finetune(other, stop=after_steps(1))
    (other.path / "last.pt").rename(run.path / "last.pt")
    with pytest.raises(CheckpointError, match=r"log_sigma should have shape \(4,\)\. Found \(2,\)"):
        finetune(run)


def test_a_checkpoint_without_its_training_state_is_refused(tmp_path: Path) -> None:
    run = toy_run(tmp_path, epochs=1)
    finetune(run)
    (run.path / "best.pt").rename(run.path / "last.pt")
    with pytest.raises(CheckpointError, match="more than weights"):
        finetune(run)


def test_a_missing_device_is_refused_before_anything_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(AVAILABLE, "cuda", lambda: False)
    run = toy_run(tmp_path, device="cuda")
    with pytest.raises(DeviceError, match="cuda"):
        finetune(run)
    assert not (run.path / "history.jsonl").exists()


def test_a_split_without_validation_windows_is_refused(tmp_path: Path) -> None:
    examples = toy_examples()
    run = toy_run(tmp_path, examples.take(~examples.is_val))
    with pytest.raises(SchemaError, match="0 for validation"):
        finetune(run)


def test_a_loss_that_explodes_ends_the_run_and_keeps_the_last_good_checkpoint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = toy_run(tmp_path, epochs=3)
    finetune(run, stop=after_steps(4))
    step = Trainer.train_step

    def poisoned(trainer: Trainer, batch: Any) -> None:
        batch.features[0, 0, 0] = float("nan")
        step(trainer, batch)

    monkeypatch.setattr(Trainer, "train_step", poisoned)
    with pytest.raises(RunError, match="should be finite"):
        finetune(run)
    assert len(run.history()) == 1
    assert all(t.isfinite().all() for t in Checkpoint.load(run.path / "last.pt").model.values())


@pytest.mark.parametrize("device", ["cuda", "mps"])
def test_a_gpu_trains_resumes_and_agrees_with_the_cpu(tmp_path: Path, device: str) -> None:
    if not AVAILABLE[device]():
        pytest.skip(f"no {device} on this machine")
    run = toy_run(tmp_path, device=device)
    assert finetune(run, stop=after_steps(5)) == "stopped"
    assert finetune(run) == "finished"
    assert sum(run.history()[-1]["grad_share"].values()) == pytest.approx(1)
    on_gpu = predict(run, run.examples(), device=device)
    on_cpu = predict(run, run.examples(), device="cpu")
    np.testing.assert_allclose(on_gpu["binary_prob"], on_cpu["binary_prob"], atol=1e-2)


@pytest.mark.slow
def test_overfits_four_windows() -> None:
    config = FinetuneConfig(epochs=250, batch_size=4, lr=5e-3, device="cpu")
    trainer = Trainer(config, toy_examples(5))
    trainer.begin()
    with trainer.model.without_dropout():
        for _ in range(config.epochs):
            trainer.train_step(trainer.train_batch)
    losses = mean_losses(trainer.model, trainer.train_batch, "clip20").mean_losses()
    for task in TASKS:
        assert losses[task] < 0.1 * trainer.constants.losses[task]
