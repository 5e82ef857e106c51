"""Pretrain the encoder without labels: rebuild the features of masked bars from the bars around.

As the source notes have it: a share of the bars is set to the mean bar, and a linear layer on the
LSTM's output has to give their features back. `MaskedTrainer` has the shape of
`moola.trainer.Trainer`, so that one loop carries both.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from moola.checkpoint import Checkpoint, load_weights
from moola.device import resolve_device, use_one_thread
from moola.encoder import open_forget_gates
from moola.examples import Examples
from moola.exceptions import CheckpointError
from moola.features import FEATURE_NAMES
from moola.model import HIDDEN_SIZE, SMALLEST_DEVIATION
from moola.optimizer import LightAdamW, lr_factor
from moola.pretrain_config import PretrainConfig

CHECK_SEED = 2**31
"""The masks of the windows to check on are the same in every epoch."""


class MaskedAutoencoder(nn.Module):
    """The encoder of JadeCompact, on standardised features, and one linear layer back to them."""

    feature_mean: Tensor  # (F,) these two go with the encoder wherever it is loaded
    feature_deviation: Tensor  # (F,)

    def __init__(self, n_features: int = len(FEATURE_NAMES)) -> None:
        super().__init__()
        self.register_buffer("feature_mean", torch.zeros(n_features))
        self.register_buffer("feature_deviation", torch.ones(n_features))
        self.encoder = nn.LSTM(n_features, HIDDEN_SIZE, batch_first=True, bidirectional=True)
        self.decoder = nn.Linear(2 * HIDDEN_SIZE, n_features)

    def forward(self, features: Tensor, masked: Tensor) -> Tensor:
        """Return (B, T, F) scaled features rebuilt from those of the bars not masked (B, T)."""
        hidden, _ = self.encoder(features * ~masked[:, :, None])
        return self.decoder(hidden)


@dataclass
class MaskedState:
    """Every number that changes while training; saved with each checkpoint."""

    epoch: int = 0  # finished epochs
    step: int = 0
    wall_s: float = 0.0
    best_loss: float | None = None
    epoch_loss: float = 0.0  # sum over the steps of the running epoch
    n_batches: int = 0  # of the running epoch


class MaskedTrainer:
    """One masked autoencoder in training."""

    def __init__(self, config: PretrainConfig, examples: Examples) -> None:
        self.config = config
        self.device = resolve_device(config.device)
        use_one_thread(self.device)
        torch.manual_seed(config.seed)
        features = torch.from_numpy(examples.features)
        train = features[torch.from_numpy(~examples.is_val)]
        self.model = MaskedAutoencoder()
        open_forget_gates(self.model.encoder, config.supervised().forget_bias)
        self.model.feature_mean.copy_(train.mean(dim=(0, 1)))
        self.model.feature_deviation.copy_(train.std(dim=(0, 1)).clamp(min=SMALLEST_DEVIATION))
        self.train = self._scaled(train)
        self.val = self._scaled(features[torch.from_numpy(examples.is_val)])
        self.model.to(self.device)
        self.optimizer = LightAdamW(
            self.model.parameters(), lr=config.lr, weight_decay=config.weight_decay
        )
        self.state = MaskedState()
        self.clock = time.monotonic()

    def _scaled(self, features: Tensor) -> Tensor:
        scaled = (features - self.model.feature_mean) / self.model.feature_deviation
        return scaled.to(self.device)

    @property
    def n_steps(self) -> int:
        """Steps of the whole run."""
        return self.config.epochs * math.ceil(len(self.train) / self.config.batch_size)

    def begin(self) -> None:
        """Start a fresh run: there is nothing to prepare."""

    def run_epoch(self, *, stop: Callable[[], bool], on_step: Callable[[int, int], None]) -> bool:
        """Train on every window once, or go on with a half-done epoch; False if stopped."""
        self.model.train()
        state = self.state
        order = np.random.default_rng([self.config.seed, state.epoch]).permutation(len(self.train))
        parts = np.array_split(order, math.ceil(len(order) / self.config.batch_size))
        for rows in parts[state.n_batches :]:
            if stop():
                return False
            self.train_step(self.train[torch.from_numpy(rows).to(self.device)])
            on_step(state.step, self.n_steps)
        return True

    def train_step(self, features: Tensor) -> None:
        """Go one step on the error of the masked bars."""
        state = self.state
        loss = self._errors(features, seed=state.step).mean()
        self.optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(self.model.parameters(), self.config.clip_norm)
        for group in self.optimizer.param_groups:
            group["lr"] = self.config.lr * lr_factor(state.step, self.n_steps)
        self.optimizer.step()
        state.step += 1
        state.n_batches += 1
        state.epoch_loss += float(loss.detach())

    def _errors(self, features: Tensor, *, seed: int) -> Tensor:
        """Return (bars, F) squared errors of the masked bars; the masks follow from the seed."""
        rng = np.random.default_rng([self.config.seed, 1, seed])
        masked = rng.random(features.shape[:2]) < self.config.mask_share
        masked[:, 0] |= ~masked.any(axis=1)  # an error of no bar would be NaN
        mask = torch.from_numpy(masked).to(self.device)
        return (self.model(features, mask) - features)[mask].square()

    def end_epoch(self) -> tuple[dict[str, Any], bool]:
        """Check, advance; return the row and whether it is the best."""
        state = self.state
        self.model.eval()
        with torch.inference_mode():
            errors = self._errors(self.val, seed=CHECK_SEED).mean(dim=0).cpu()
        variance = self.val.var(dim=(0, 1)).clamp(min=1e-6).cpu()
        now = time.monotonic()
        state.wall_s, self.clock = state.wall_s + now - self.clock, now
        row = {
            "epoch": state.epoch + 1,
            "step": state.step,
            "wall": state.wall_s,
            "lr": self.optimizer.param_groups[0]["lr"],
            "loss": state.epoch_loss / state.n_batches,
            "val_loss": float(errors.mean()),
            "r2": dict(zip(FEATURE_NAMES, (1 - errors / variance).tolist(), strict=True)),
        }
        is_best = state.best_loss is None or row["val_loss"] < state.best_loss
        if is_best:
            state.best_loss = row["val_loss"]
        state.epoch += 1
        state.epoch_loss, state.n_batches = 0.0, 0
        return row, is_best

    def checkpoint(self, *, to_continue: bool = True) -> Checkpoint:
        """Return the model and, if wanted, what to continue from."""
        training = {"optimizer": self.optimizer.state_dict(), "state": asdict(self.state)}
        meta = {
            "epoch": self.state.epoch,
            "config": self.config.to_dict() | {"series": list(self.config.series)},
        }
        return Checkpoint(
            model=self.model.state_dict(), meta=meta, training=training if to_continue else None
        )

    def load(self, checkpoint: Checkpoint, *, source: str) -> None:
        """Continue where `checkpoint` was made, which may be the middle of an epoch."""
        if checkpoint.training is None:
            raise CheckpointError(
                f"A checkpoint to continue from holds more than weights ({source})."
            )
        load_weights(self.model, checkpoint.model, source=source)
        self.optimizer.load_state_dict(checkpoint.training["optimizer"])
        self.state = MaskedState(**checkpoint.training["state"])
