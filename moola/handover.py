"""Take over the training of another run at one of its epochs, under this run's own strategy."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import nn

from moola.checkpoint import Checkpoint
from moola.config import CountdownScale, FinetuneConfig
from moola.exceptions import RunError
from moola.losses import countdown_delta
from moola.restarting import checkpoint_path, inherited_rows
from moola.runs import RunFolder
from moola.trainer import Trainer
from moola.validation import mean_losses

STRATEGY = ("balance", "weights", "guard", "max_boost", "countdown")
"""Options that decide what goes backward. While none changes, a restart is a mere continuation."""


def take_over(
    trainer: Trainer, parent: RunFolder, epoch: int, *, held: Path | None = None
) -> list[dict[str, Any]]:
    """Load the parent's checkpoint of `epoch` into `trainer`; return the rows up to there.

    Under the same strategy training goes on exactly as the parent did. Under another one the new
    balancer starts from the losses as they are now, and AdamW forgets the encoder: its second
    moments are sizes of a gradient that had other weights in it. The step counters go with them,
    since a moment of 0 at step 1,000 would make the next step 30 times as long.

    Parameters
    ----------
    held
        Where the checkpoint may have been kept when the run was made.
    """
    rows = inherited_rows(parent, epoch)
    _refuse_other_data(trainer, parent)
    path = held if held and held.exists() else checkpoint_path(parent, epoch)
    checkpoint = Checkpoint.load(path)
    before = FinetuneConfig.from_stored(checkpoint.meta["config"])
    is_same = all(getattr(before, name) == getattr(trainer.config, name) for name in STRATEGY)

    trainer.load(checkpoint, source=str(path), with_balancer=is_same)
    trainer.state.step = epoch * trainer.n_steps_per_epoch  # the batch size may have changed
    trainer.state.best_skill = None  # best.pt is the best of the run's own epochs
    if not is_same:
        rescale_countdown(trainer, before.countdown)
        forget_moments(trainer.optimizer, trainer.model.encoder)
        trainer.balancer.reset()
        now = mean_losses(trainer.model, trainer.train_batch, trainer.config.countdown)
        trainer.balancer.begin(now.mean_losses())
        trainer.balancer.end_epoch(now.mean_losses(), None)
    return rows


def _refuse_other_data(trainer: Trainer, parent: RunFolder) -> None:
    own, found = trainer.examples.content_hash(), parent.examples().content_hash()
    if own != found:
        raise RunError(
            f"A restart should train on the examples of {parent.id}, whose hash is {found[:12]}. "
            f"Found {own[:12]}."
        )


def forget_moments(optimizer: torch.optim.Optimizer, module: nn.Module) -> None:
    """Drop what AdamW knows of the parameters of `module`: both moments and the step counter."""
    for parameter in module.parameters():
        optimizer.state.pop(parameter, None)


@torch.no_grad()
def rescale_countdown(trainer: Trainer, before: CountdownScale) -> None:
    """Let the countdown head say the same number of bars in the unit of the run's own scale."""
    head = trainer.model.countdown_head
    if head is None or before == trainer.config.countdown:
        return
    factor = countdown_delta(trainer.config.countdown) / countdown_delta(before)
    for parameter in head.parameters():
        parameter.mul_(factor)
    forget_moments(trainer.optimizer, head)
