"""Train one cell of the benchmark with one seed, and keep what it says of the test windows.

Decoders and scores are computed from what is kept (`report`), so that a better decoder needs no
training again.
"""

from __future__ import annotations

import json
import os
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self

import numpy as np
import torch

from moola.config import GRADIENT_BALANCES, FinetuneConfig
from moola.decode import Calibration
from moola.length_prior import LengthPrior
from moola.masked import MaskedTrainer
from moola.predict import Outputs, run_model
from moola.pretrain_config import Method, PretrainConfig
from moola.pretrain_windows import pretraining_examples
from moola.pretraining import make_trainer
from moola.tally import EpochTally
from moola.trainer import Trainer

from .cells import FULL_EPOCHS, Cell
from .worlds import unlabelled, world

OUTPUTS = ("type_probabilities", "pointers", "binary_logits", "countdown_bars", "start_logits",
           "end_logits")  # fmt: skip


@dataclass(frozen=True, eq=False)
class Trained:
    """What a trained model says of the test windows, and what its decoders need."""

    outputs: Outputs
    prior: LengthPrior
    calibration: Calibration
    cpu_s: float

    def save(self, path: Path) -> None:
        """Write to a temporary name, then move it in place: what is there is whole."""
        temporary = path.with_name(f".{path.stem}.tmp.npz")
        arrays = {name: getattr(self.outputs, name) for name in OUTPUTS}
        np.savez_compressed(
            temporary,
            facts=json.dumps(
                {
                    "prior": self.prior.to_dict(),
                    "calibration": self.calibration.to_dict(),
                    "cpu_s": self.cpu_s,
                }
            ),
            **{name: value for name, value in arrays.items() if value is not None},
        )
        os.replace(temporary, path)

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read what `save` wrote."""
        with np.load(path) as kept:
            facts = json.loads(str(kept["facts"]))
            outputs = Outputs(**{name: kept.get(name) for name in OUTPUTS})
        prior, calibration = LengthPrior(**facts["prior"]), Calibration(**facts["calibration"])
        return cls(outputs, prior, calibration, facts["cpu_s"])


def train(cell: Cell, seed: int, cache: Path) -> Trained:
    """Train one model and return what it says of the test windows."""
    data = world(cell.world, seed, cell.n_test)
    options = cell.training_options(seed)
    if cell.pretrained:
        options["pretrained_encoder"] = str(_encoder(cell, cell.pretrained, cache))
    began = time.process_time()
    trainer = Trainer(FinetuneConfig.from_dict(options), data.with_labels(cell.n_labels))
    learn(trainer)
    cpu_s = time.process_time() - began
    features = torch.from_numpy(data.test.features)
    outputs = run_model(trainer.model, features, trainer.config.countdown)
    return Trained(outputs, trainer.prior, trainer.calibration, cpu_s)


def learn(trainer: Trainer | MaskedTrainer) -> None:
    """Do all epochs; what only a person would look at in between is left out: half of the time.

    Balances that weigh by gradients need it, and other trainers are left alone.
    """
    trainer.begin()
    while trainer.state.epoch < trainer.config.epochs:
        trainer.run_epoch(stop=lambda: False, on_step=lambda _done, _planned: None)
        is_last = trainer.state.epoch == trainer.config.epochs - 1
        is_plain = isinstance(trainer, Trainer) and trainer.config.balance not in GRADIENT_BALANCES
        if is_last or not is_plain:
            trainer.end_epoch()
        else:
            trainer.balancer.end_epoch(trainer.state.tally.mean_losses(), None)
            trainer.state = replace(
                trainer.state, epoch=trainer.state.epoch + 1, tally=EpochTally()
            )


def _encoder(cell: Cell, method: Method, cache: Path) -> Path:
    """Return the encoder pretrained on the world's unlabelled bars: one for all seeds."""
    path = cache / f"encoder-{cell.world}-{method}-{cell.epochs}.pt"
    if not path.exists():
        config = PretrainConfig(method=method, device="cpu")
        if cell.epochs < FULL_EPOCHS:  # a quick look
            config = PretrainConfig(method=method, windows=200, epochs=4, device="cpu")
        trainer = make_trainer(config, pretraining_examples(unlabelled(cell.world), config))
        learn(trainer)
        trainer.checkpoint(to_continue=False).save(path)
    return path
