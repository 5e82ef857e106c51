"""Compute what every window loses on every task, in one forward pass without dropout."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from moola.config import CountdownScale
from moola.dataset import Batch
from moola.losses import losses_of_rows
from moola.model import JadeCompact
from moola.predict import BATCH_SIZE


@torch.inference_mode()
def losses_of_windows(
    model: JadeCompact, batch: Batch, countdown: CountdownScale
) -> NDArray[np.float32]:
    """Return (N, K) losses, NaN where a task has nothing to count; `model` is left in eval mode.

    A window's loss is what `task_losses` makes of that window alone, whatever heads there are.
    """
    model.eval()
    parts = []
    for rows in torch.arange(len(batch), device=batch.features.device).split(BATCH_SIZE):
        part = batch.take(rows)
        parts.append(losses_of_rows(model(part.features, part.hidden), part, countdown))
    return torch.cat(parts).float().cpu().numpy()
