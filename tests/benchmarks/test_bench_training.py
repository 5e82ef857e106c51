"""What a training step and an epoch spend their time on: `make bench`."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch.nn import functional

from moola.calibration import fit_calibration
from moola.config import FinetuneConfig
from moola.decode import IDENTITY
from moola.dropout import Masks
from moola.predict import run_model
from moola.probe import probe_gradients
from moola.trainer import Trainer
from tests.benchmarks.timing import interleaved, print_table
from tests.toy import toy_examples

N_WINDOWS = 174
ROUNDS = 15
HIDDEN_SHAPE = (29, 105, 192)


def trainer_with(*, masks: bool) -> Trainer:
    trainer = Trainer(FinetuneConfig(device="cpu", epochs=10_000), toy_examples(N_WINDOWS))
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


def test_training_step() -> None:
    seconds = interleaved(
        {
            "step, SFC64 masks": step_of(trainer_with(masks=True)),
            "step, plain torch dropout": step_of(trainer_with(masks=False)),
        },
        rounds=ROUNDS,
    )
    print_table("training step, 29 windows", seconds)


def test_parts_of_an_epoch() -> None:
    trainer = trainer_with(masks=True)
    logits = run_model(trainer.model, trainer.fit_batch.features, "clip20").binary_logits
    assert logits is not None
    spans = trainer.fit_examples
    fitted = fit_calibration(logits, spans.start, spans.end, trainer.prior)
    assert np.isfinite([fitted.scale, fitted.offset]).all()

    def epoch() -> None:
        trainer.model.train()
        for rows in trainer.batches(1):
            trainer.train_step(trainer.train_batch.take(rows))

    def calibrate(initial=IDENTITY) -> object:
        return fit_calibration(logits, spans.start, spans.end, trainer.prior, initial=initial)

    seconds = interleaved(
        {
            "training pass": epoch,
            "gradient probe": lambda: probe_gradients(trainer.model, trainer.probe_batch, "clip20"),
            "calibration from nothing": calibrate,
            "calibration from the epoch before": lambda: calibrate(fitted),
        },
        rounds=ROUNDS,
    )
    print_table(f"epoch of {len(trainer.train_batch)} training windows", seconds)
