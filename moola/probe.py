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
from moola.silence import RULES

N_PROBE_WINDOWS = 16
"""Windows of a probe, spread over all that train; 58 cost as much as the whole training pass.

Measured on the sample (138 training windows; four runs of 60 epochs; epoch, raw, kendall) against a
probe of all 138: the verdict "silent for three epochs" agreed in 90-94 % of tasks and epochs with
16 windows, 93-97 % with 29, 92-97 % with 58, 88-96 % with 8. A probe cost 20, 36, 77 and 12 ms of
CPU, a training pass 81. Gradients at the LSTM's output cost 10 ms and agreed in 91-97 %, but they
overstate per-bar tasks: their shares were off by up to 0.17 on average, so they are not used.
"""
EVERY_EPOCH_UNTIL = RULES.first_report_epoch
"""A silence that begins at once is reported here, so that all epochs up to it are probed."""


def is_probed(epoch: int, *, first: int, every: int) -> bool:
    """Return whether an epoch ends with a probe: the first ones of a run, then every so many.

    Parameters
    ----------
    first
        The first epoch of the run's own strategy: 1, or the one after a restart.

    >>> [epoch for epoch in range(1, 20) if is_probed(epoch, first=1, every=4)]
    [1, 2, 3, 4, 5, 6, 8, 12, 16]
    """
    return epoch - first < EVERY_EPOCH_UNTIL or epoch % every == 0


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
