"""Compute what every window loses on every task, in one forward pass without dropout."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from moola.config import CountdownScale
from moola.dataset import Batch
from moola.losses import counted_entries, task_losses
from moola.model import JadeCompact, ModelOutput
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
        parts.append(_of_each_row(model(part.features, part.hidden), part, countdown))
    return torch.cat(parts).float().cpu().numpy()


def _of_each_row(output: ModelOutput, batch: Batch, countdown: CountdownScale) -> Tensor:
    """Return (B, K) losses by mapping `task_losses` over batches of one."""

    def of_one(heads: Mapping[str, Tensor], targets: Mapping[str, Tensor]) -> Tensor:
        alone = Batch(**{name: value[None] for name, value in targets.items()})
        said = ModelOutput(**{name: value[None] for name, value in heads.items()})
        losses = task_losses(said, alone, countdown)
        counted = counted_entries(alone)
        columns = [
            torch.where(counted[task].sum() > 0, loss, torch.nan) for task, loss in losses.items()
        ]
        return torch.stack(columns)

    return torch.vmap(of_one)(_tensors(output), _tensors(batch))


def _tensors(record: ModelOutput | Batch) -> dict[str, Tensor]:
    """Return the fields that hold a tensor; a head or a target that is absent stays out."""
    values = {item.name: getattr(record, item.name) for item in fields(record)}
    return {name: value for name, value in values.items() if isinstance(value, Tensor)}
