"""Weights learned with the model, as task uncertainties.

Kendall, Gal, Cipolla, "Multi-Task Learning Using Uncertainty to Weigh Losses", CVPR 2018, eq. 10.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from moola.balancing._base import Balancer, Decision, StepContext, WeightedTask
from moola.inertia import HIGH, LOW
from moola.schema import Task


class Kendall(Balancer):
    """Total = sum of ``p_i (e^(-2 l_i) L_i / (2 L_const_i) + l_i)`` with ``l = log sigma``.

    ``p_i`` is the target share, ``L_const_i`` the constant predictor's loss, ``l_i`` starts at 0.
    At the optimum ``sigma_i^2 = L_i / L_const_i`` every bracket weighs 1/2, so that the priority
    has to stand outside of it: a factor on ``L_i`` inside would be absorbed by ``l_i``.

    With ``priority=False`` it is the paper's ``e^(-2 l_i) L_i / 2 + l_i``, started at its optimum
    for a constant predictor; all tasks then tend to equal shares.

    Each ``l_i`` is moved back between its bounds *after* a step. A clamp in the forward pass has no
    gradient outside, where a sigma would stay for good. Since the weight is ``1 / (2 sigma^2)``, it
    is the lower bound that keeps a task from taking everything, and the upper one that protects it.

    Parameters
    ----------
    log_sigma
        (K,) parameter in the order of `tasks`. It wants a learning rate of its own (1e-2) and no
        weight decay: at the model's rate it would take thousands of steps to travel.
    """

    def __init__(
        self, tasks: tuple[WeightedTask, ...], log_sigma: nn.Parameter, *, priority: bool = True
    ) -> None:
        super().__init__(tasks)
        self.log_sigma = log_sigma
        scales = [task.scale for task in tasks]
        if priority:
            self.targets, self.scales = [task.target for task in tasks], scales
            self.first = [0.0 for _ in tasks]
        else:
            self.targets, self.scales = [1.0 for _ in tasks], [1.0 for _ in tasks]
            self.first = [math.log(scale) / 2 for scale in scales]
        self.bounds = [
            (first + math.log(LOW) / 2, first + math.log(HIGH) / 2) for first in self.first
        ]
        self.reset()

    def step(self, losses: Mapping[Task, Tensor], context: StepContext) -> Decision:
        """Return the total, through which the log-sigmas get their gradient."""
        raw = torch.stack([losses[task.name] for task in self.tasks])
        targets, scales = raw.new_tensor(self.targets), raw.new_tensor(self.scales)
        factors = targets * (-2 * self.log_sigma).exp() / 2 / scales
        loss = (factors * raw + targets * self.log_sigma).sum()
        weights: dict[Task, float] = {
            task.name: factor.item() for task, factor in zip(self.tasks, factors, strict=True)
        }
        return Decision(loss, weights)

    @torch.no_grad()
    def after_step(self) -> None:
        """Move every log-sigma back between its bounds."""
        low, high = self.log_sigma.new_tensor(self.bounds).T
        self.log_sigma.copy_(self.log_sigma.clamp(low, high))

    def reset(self) -> None:
        """Return the log-sigmas to where they started."""
        self.load_state_dict({"log_sigma": self.first})

    def state_dict(self) -> dict[str, Any]:
        """Return the log-sigmas."""
        return {"log_sigma": self.log_sigma.tolist()}

    @torch.no_grad()
    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continue with the log-sigmas of `state`."""
        self.log_sigma.copy_(self.log_sigma.new_tensor(state["log_sigma"]))
