"""What a training step and an epoch spend their time on: `make bench`."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.nn import functional

from moola.calibration import fit_calibration
from moola.config import FinetuneConfig
from moola.decode import IDENTITY
from moola.dropout import Masks
from moola.model import JadeCompact
from moola.predict import run_model
from moola.probe import probe_gradients
from moola.train import finetune
from moola.trainer import Trainer
from tests.benchmarks.timing import interleaved, print_table
from tests.toy import toy_examples, toy_run

N_WINDOWS = 174
EPOCHS = 60
ROUNDS = int(os.environ.get("BENCH_ROUNDS", "15"))
HIDDEN_SHAPE = (29, 105, 192)


def trainer_with(*, masks: bool, **options: Any) -> Trainer:
    config = FinetuneConfig(device="cpu", epochs=10_000, **options)
    trainer = Trainer(config, toy_examples(N_WINDOWS))
    if not masks:
        for layer in (trainer.model.input_dropout, trainer.model.dense_dropout):
            layer.masks = None
    trainer.begin()
    return trainer


def step_of(trainer: Trainer) -> Callable[[], None]:
    rows = torch.arange(29)

    def step() -> None:
        trainer.model.train()
        trainer.train_step(trainer.train_batch.take(rows))

    return step


def test_probes_cost_a_twentieth_of_a_run_at_most(tmp_path: Path) -> None:
    """Default options over the planned 60 epochs: rows hold both times, as any run's do."""
    run = toy_run(tmp_path, toy_examples(N_WINDOWS), epochs=EPOCHS, batch_size=29)
    finetune(run)
    rows = run.history()
    probes_s = [row["probe_s"] for row in rows if row["probe_s"] is not None]
    share = sum(probes_s) / sum(row["epoch_s"] for row in rows)
    print(
        f"\n{len(probes_s)} probes in {EPOCHS} epochs, {np.median(probes_s) * 1000:.0f} ms each: "
        f"{share:.1%} of the epochs' time"
    )
    assert share <= 0.05


def test_dropout_masks() -> None:
    masks, x = Masks(0), torch.ones(HIDDEN_SHAPE)
    assert abs(float((x * masks.draw(x.shape, 0.6)).mean()) - 1) < 0.01
    seconds = interleaved(
        {
            "mask of SFC64 words": lambda: masks.draw(x.shape, 0.6),
            "torch dropout of ones": lambda: functional.dropout(x, 0.6),
        },
        rounds=ROUNDS,
    )
    print_table(f"dropout mask {HIDDEN_SHAPE}", seconds)


def epoch_of(trainer: Trainer) -> Callable[[], None]:
    def epoch() -> None:
        trainer.model.train()
        for rows in trainer.batches(1):
            trainer.train_step(trainer.train_batch.take(rows))

    return epoch


def test_options_that_make_training_faster(tmp_path: Path) -> None:
    torch.save(JadeCompact().state_dict(), tmp_path / "encoder.pt")
    frozen = {
        "pretrained_encoder": str(tmp_path / "encoder.pt"),
        "freeze_encoder": True,
        "augment": "none",
    }
    steps = {
        "step, plain torch dropout": step_of(trainer_with(masks=False)),
        "step, SFC64 masks": step_of(trainer_with(masks=True)),
        "step, masks + bf16": step_of(trainer_with(masks=True, precision="bf16")),
    }
    print_table("training step, 29 windows", interleaved(steps, rounds=ROUNDS))
    epochs = {
        "frozen, plain torch dropout": epoch_of(trainer_with(masks=False, **frozen)),
        "frozen, masks": epoch_of(trainer_with(masks=True, **frozen)),
        "cached, plain torch dropout": epoch_of(
            trainer_with(masks=False, cache_encoder=True, **frozen)
        ),
        "cached, masks": epoch_of(trainer_with(masks=True, cache_encoder=True, **frozen)),
        "cached, masks + bf16": epoch_of(
            trainer_with(masks=True, cache_encoder=True, precision="bf16", **frozen)
        ),
    }
    print_table("epoch of a frozen encoder", interleaved(epochs, rounds=ROUNDS))


def test_parts_of_an_epoch() -> None:
    trainer = trainer_with(masks=True)
    logits = run_model(trainer.model, trainer.fit_batch.features, "clip20").binary_logits
    assert logits is not None
    spans = trainer.fit_examples
    fitted = fit_calibration(logits, spans.start, spans.end, trainer.prior)
    assert np.isfinite([fitted.scale, fitted.offset]).all()

    def calibrate(initial=IDENTITY) -> object:
        return fit_calibration(logits, spans.start, spans.end, trainer.prior, initial=initial)

    seconds = interleaved(
        {
            "training pass": epoch_of(trainer),
            "gradient probe": lambda: probe_gradients(trainer.model, trainer.probe_batch, "clip20"),
            "calibration from nothing": calibrate,
            "calibration from the epoch before": lambda: calibrate(fitted),
        },
        rounds=ROUNDS,
    )
    print_table(f"epoch of {len(trainer.train_batch)} training windows", seconds)
