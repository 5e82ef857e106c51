"""What the tests of all strategies share."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
import torch
from torch import Tensor, nn

from moola.balancing import Balancer, Decision, StepContext, WeightedTask, weighted_tasks
from moola.schema import TASKS, Task
from moola.shares import loss_shares

SOURCE_LOSSES: dict[Task, float] = {"ptr": 0.015, "binary": 0.84, "countdown": 0.72, "type": 1.22}
"""The raw losses of the source notes."""
BASELINES: dict[Task, float] = {"ptr": 0.0059, "binary": 0.379, "countdown": 0.0388, "type": 0.691}
PULLS: dict[Task, float] = {"ptr": 0.02, "binary": 0.5, "countdown": 0.1, "type": 0.05}
"""Lengths of the tasks' gradients at the LSTM's output."""


def tasks(baselines: Mapping[Task, float] = BASELINES) -> tuple[WeightedTask, ...]:
    return weighted_tasks(TASKS, baselines)


def leaf_losses(values: Mapping[Task, float] = SOURCE_LOSSES) -> dict[Task, Tensor]:
    return {task: torch.tensor(value, requires_grad=True) for task, value in values.items()}


def decide(
    balancer: Balancer, losses: Mapping[Task, Tensor], pulls: Mapping[Task, float] = PULLS
) -> Decision:
    """Do a step in which task i's gradient at the LSTM's output has the length ``pulls[i]``."""
    hidden = torch.zeros(1, 105, 192, requires_grad=True)
    linked = {
        task: loss + pulls[task] * hidden[0, 0, i] for i, (task, loss) in enumerate(losses.items())
    }
    return balancer.step(linked, StepContext(epoch=1, step=0, hidden=hidden))


def backward_weights(balancer: Balancer, values: Mapping[Task, float] = SOURCE_LOSSES) -> dict:
    """Return the weights that really reach ``backward``: the derivative by each loss."""
    losses = leaf_losses(values)
    decide(balancer, losses).loss.backward()
    return {task: loss.grad.item() for task, loss in losses.items() if loss.grad is not None}


def shares(balancer: Balancer, values: Mapping[Task, float] = SOURCE_LOSSES) -> dict[Task, float]:
    weights = backward_weights(balancer, values)
    return loss_shares({task: weights[task] * values[task] for task in TASKS})


def approx(
    ptr: float, binary: float, countdown: float, type: float, *, abs: float = 5e-4
) -> object:
    return pytest.approx(dict(zip(TASKS, (ptr, binary, countdown, type), strict=True)), abs=abs)


def log_sigmas() -> nn.Parameter:
    return nn.Parameter(torch.zeros(len(TASKS)))
