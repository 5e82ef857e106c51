"""Measure once per epoch how hard each task pulls at the shared encoder.

A loss share is not influence: a task with 11 % of the loss has been seen with 2 % of the gradient.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor

from moola.config import CountdownScale
from moola.dataset import Batch
from moola.losses import task_losses
from moola.model import JadeCompact
from moola.shares import TaskGradients

N_PROBE_WINDOWS = 58
"""Two default batches; verdicts from 58 and from 320 windows agreed in the balancing simulation."""


def probe_gradients(
    model: JadeCompact, batch: Batch, countdown: CountdownScale
) -> TaskGradients | None:
    """Return the tasks' unweighted gradients on the LSTM's parameters for the windows of `batch`.

    Measured in float32 without dropout, so that all tasks and all epochs see the same model. Train
    mode, random generators and every ``.grad`` are left as they were. None when the encoder is
    frozen: nothing pulls at it then.
    """
    if model.encoder_is_frozen:
        return None
    parameters = list(model.encoder.parameters())
    device = batch.features.device.type
    with _training(model), model.without_dropout(), torch.autocast(device, enabled=False):
        losses = task_losses(model(batch.features), batch, countdown)
        flat = torch.stack([_flat_gradient(loss, parameters) for loss in losses.values()])
    flat = flat.cpu().double()  # MPS has no float64
    return TaskGradients(tuple(losses), (flat @ flat.T).numpy())


def _flat_gradient(loss: Tensor, parameters: list[torch.nn.Parameter]) -> Tensor:
    gradients = torch.autograd.grad(loss, parameters, retain_graph=True)
    return torch.cat([gradient.flatten() for gradient in gradients])


@contextmanager
def _training(model: JadeCompact) -> Iterator[None]:
    """Be in train mode for a while: cuDNN's LSTM goes backward in no other."""
    before = model.training
    model.train()
    try:
        yield
    finally:
        model.train(before)
