from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from moola.config import FinetuneConfig
from moola.exceptions import ConfigError
from moola.finetuning import summary_line
from moola.losses import task_losses
from moola.model import JadeCompact
from moola.runs import RunFolder
from moola.schema import TASKS, Task
from moola.tally import EpochTally
from moola.train import finetune
from moola.trainer import Trainer
from moola.training_model import training_output, with_hidden
from moola.validation import mean_losses
from tests.toy import toy_examples, toy_run
from tests.training import after_steps, without_time


def trained(**options: Any) -> Trainer:
    defaults = {"device": "cpu", "epochs": 4, "batch_size": 4, "augment": "none"}
    trainer = Trainer(FinetuneConfig.from_dict({**defaults, **options}), toy_examples(24))
    trainer.begin()
    return trainer


@pytest.fixture
def encoder(tmp_path: Path) -> str:
    """Return the path of a checkpoint whose encoder to freeze."""
    torch.manual_seed(0)
    torch.save(JadeCompact().state_dict(), tmp_path / "encoder.pt")
    return str(tmp_path / "encoder.pt")


def frozen_run(folder: Path, encoder: str, **options: Any) -> RunFolder:
    return toy_run(folder, pretrained_encoder=encoder, freeze_encoder=True, **options)


def gradients(trainer: Trainer, precision: Any) -> dict[str, Tensor]:
    """Return every parameter's gradient of the sum of all losses, without dropout."""
    model = trainer.model
    model.zero_grad()
    with model.without_dropout():
        output = training_output(model, trainer.train_batch, precision)
        torch.stack([*task_losses(output, trainer.train_batch, "clip20").values()]).sum().backward()
    return {name: p.grad.clone() for name, p in model.named_parameters() if p.grad is not None}


def test_gradients_in_bfloat16_are_close_to_those_in_float32() -> None:
    trainer = trained()
    exact, rounded = gradients(trainer, "fp32"), gradients(trainer, "bf16")
    assert rounded.keys() == exact.keys()
    assert all(gradient.dtype == torch.float32 for gradient in rounded.values())
    flat = [torch.cat([g.flatten() for g in found.values()]) for found in (exact, rounded)]
    error = float((flat[1] - flat[0]).norm() / flat[0].norm())
    assert 0 < error < 0.02  # not equal, so it was rounded; eight bits of mantissa are 0.4 %


def test_losses_are_made_of_float32_and_plain_precision_changes_nothing() -> None:
    trainer = trained()
    trainer.model.eval()
    batch = trainer.train_batch
    rounded = training_output(trainer.model, batch, "bf16")
    assert {t.dtype for t in (rounded.type_logits, rounded.start_logits, rounded.countdown)} == {
        torch.float32
    }
    assert {loss.dtype for loss in task_losses(rounded, batch, "clip20").values()} == {
        torch.float32
    }
    plain = training_output(trainer.model, batch, "fp32")
    assert torch.equal(plain.type_logits, trainer.model(batch.features).type_logits)


@pytest.mark.parametrize("balance", ["epoch", "gradshare"])
def test_a_run_in_bfloat16_trains_resumes_and_ends_near_the_one_in_float32(
    tmp_path: Path, balance: str
) -> None:
    runs = {
        name: toy_run(tmp_path / name, precision=precision, balance=balance, epochs=2)
        for name, precision in (("exact", "fp32"), ("whole", "bf16"), ("parts", "bf16"))
    }
    finetune(runs["exact"])
    finetune(runs["whole"])
    finetune(runs["parts"], stop=after_steps(4))
    finetune(runs["parts"])
    assert without_time(runs["parts"]) == without_time(runs["whole"])
    exact, rounded = (runs[name].history()[-1] for name in ("exact", "whole"))
    assert rounded["val_raw"] != exact["val_raw"]
    assert rounded["val_raw"] == pytest.approx(exact["val_raw"], rel=0.05)
    assert rounded["grad_share"] == pytest.approx(exact["grad_share"], abs=0.05)


def test_a_cached_encoder_runs_once_over_the_windows_for_all_epochs(
    encoder: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[int] = []
    trainer = Trainer(
        FinetuneConfig(
            device="cpu", batch_size=4, augment="none", pretrained_encoder=encoder,
            freeze_encoder=True, cache_encoder=True,
        ),
        toy_examples(24),
    )  # fmt: skip
    trainer.model.encoder.register_forward_hook(lambda _m, inputs, _o: seen.append(len(inputs[0])))
    trainer.begin()
    once = [18, 6, 18, 16]  # to train on, held out, to calibrate on, to probe
    assert seen == once
    for _ in range(2):
        trainer.run_epoch(stop=lambda: False, on_step=lambda _done, _planned: None)
        row, _ = trainer.end_epoch()
        assert row["alarms"] is not None
    trainer.window_losses()
    assert seen == once


def test_cached_output_is_that_of_eval_mode_and_leaves_the_mode_alone() -> None:
    trainer = trained()
    batch = with_hidden(trainer.model.train(), trainer.train_batch)
    assert all(module.training for module in trainer.model.modules())
    model = trainer.model.eval()
    with torch.no_grad():
        plain, cached = model(batch.features), model(batch.features, batch.hidden)
    torch.testing.assert_close(cached.hidden, plain.hidden)
    torch.testing.assert_close(cached.binary_logits, plain.binary_logits)
    assert batch.take(torch.arange(3)).hidden is not None


def test_the_heads_of_a_cached_run_learn_and_its_encoder_stays(encoder: str) -> None:
    trainer = trained(
        pretrained_encoder=encoder, freeze_encoder=True, cache_encoder=True, epochs=12, lr=1e-2
    )
    before = mean_losses(trainer.model, trainer.train_batch, "clip20").mean_losses()
    for _ in range(trainer.config.epochs):
        trainer.run_epoch(stop=lambda: False, on_step=lambda _done, _planned: None)
        trainer.end_epoch()
    after = mean_losses(trainer.model, trainer.train_batch, "clip20").mean_losses()
    assert all(after[task] < before[task] for task in TASKS)
    assert after["binary"] < 0.8 * before["binary"]
    source = JadeCompact.from_pretrained(encoder).encoder.state_dict()
    for name, weights in trainer.model.encoder.state_dict().items():
        assert torch.equal(weights, source[name])


def test_a_resumed_cached_run_equals_an_uninterrupted_one_and_differs_from_an_uncached_one(
    tmp_path: Path, encoder: str
) -> None:
    whole, parts = (
        frozen_run(tmp_path / name, encoder, cache_encoder=True) for name in ("whole", "parts")
    )
    finetune(whole)
    assert finetune(parts, stop=after_steps(4)) == "stopped"
    finetune(parts)
    assert without_time(parts) == without_time(whole)
    plain = frozen_run(tmp_path / "plain", encoder)
    finetune(plain)
    assert without_time(plain) != without_time(whole)


@pytest.mark.parametrize(
    "options",
    [
        {"augment": "none"},
        {"freeze_encoder": True, "pretrained_encoder": "x", "augment": "shift"},
        {"freeze_encoder": True, "pretrained_encoder": "x"},
    ],
)
def test_an_encoder_whose_output_changes_is_not_cached(options: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match="cache_encoder should go with freeze_encoder"):
        FinetuneConfig(cache_encoder=True, **options)


def test_the_first_line_of_a_log_says_that_a_cached_encoder_is_another_estimator() -> None:
    options: dict[str, Any] = {
        "freeze_encoder": True, "pretrained_encoder": "x", "augment": "none"
    }  # fmt: skip
    assert "another estimator" not in summary_line(toy_examples(), FinetuneConfig(**options))
    cached = FinetuneConfig(**options, cache_encoder=True)
    assert "another estimator" in summary_line(toy_examples(), cached)


def test_an_old_run_was_exact_undetermined_and_uncached() -> None:
    old = FinetuneConfig.from_stored({"epochs": 3})
    assert (old.precision, old.deterministic, old.cache_encoder) == ("fp32", False, False)


def validation_losses(**options: Any) -> dict[Task, float]:
    """Return what a short training ends at on the held-out windows."""
    trainer = trained(epochs=6, lr=1e-2, clip_norm=1e9, balance="manual", **options)
    for _ in range(trainer.config.epochs):
        trainer.run_epoch(stop=lambda: False, on_step=lambda _done, _planned: None)
        trainer.state.tally = EpochTally()
        trainer.state.epoch += 1
    return mean_losses(trainer.model, trainer.val_batch, "clip20").mean_losses()


def largest_change(first: dict[Task, float], second: dict[Task, float]) -> float:
    return max(abs(second[task] / first[task] - 1) for task in TASKS)


def test_weights_hardly_matter_with_a_frozen_encoder_and_a_lot_with_a_trained_one(
    encoder: str,
) -> None:
    """Pitfall 9: under a frozen encoder the balance does next to nothing.

    AdamW divides every head's gradient by its own size, so only a shared encoder feels weights.
    """
    pointers, types = (50.0, 1.0, 1.0, 0.1), (0.1, 1.0, 1.0, 50.0)
    frozen: dict[str, Any] = {"pretrained_encoder": encoder, "freeze_encoder": True}
    of_frozen, of_trained = (
        largest_change(
            validation_losses(weights=pointers, **options),
            validation_losses(weights=types, **options),
        )
        for options in (frozen, {})
    )
    assert of_frozen < 0.001
    assert of_trained > 0.1
