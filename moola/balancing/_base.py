"""What every balancing strategy offers, and the weighted sum that most of them share."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor, nn

from moola.schema import Task
from moola.shares import TaskGradients

Needs = Literal["losses", "feature_grads", "full_jacobian"]
"""What a strategy looks at in a step: loss values, gradients at the LSTM's output as well, or every
task's gradient on the encoder, which it then writes itself."""

SMALLEST_SCALE = 1e-7
"""Below it labels count as constant: one span in 100 that is a bar longer already makes 2.8e-7."""


@dataclass(frozen=True, slots=True)
class WeightedTask:
    """A task, the share of the total loss it should have, and what a constant predictor loses."""

    name: Task
    target: float
    baseline: float

    @property
    def scale(self) -> float:
        """What the task's loss is divided by: its baseline, or 1 if its labels are constant.

        Constant labels have a baseline of 0 and teach nothing; dividing by it would let the
        rounding errors of that task decide every step.
        """
        return self.baseline if self.baseline > SMALLEST_SCALE else 1.0


@dataclass(frozen=True, slots=True)
class StepContext:
    """Where training stands when a decision is asked for."""

    epoch: int  # running epoch, from 1
    step: int  # steps done in the run
    hidden: Tensor  # (B, T, 192) LSTM output, for strategies that compare gradients there
    shared: tuple[nn.Parameter, ...] = ()  # of the encoder, for strategies that write gradients


@dataclass(frozen=True, slots=True)
class Decision:
    """The loss to go backward from, or None if all gradients are written; each task's weight."""

    loss: Tensor | None
    weights: dict[Task, float]


class Balancer(ABC):
    """Weighs task losses; every piece of state is made in ``__init__`` and cleared by `reset`.

    A strategy must say how it weighs and what its state is; the other moments it may ignore.
    """

    needs: Needs = "losses"

    def __init__(self, tasks: tuple[WeightedTask, ...]) -> None:
        self.tasks = tasks

    @abstractmethod
    def step(self, losses: Mapping[Task, Tensor], context: StepContext) -> Decision:
        """Return the loss of this step; weights never carry a gradient to the model."""

    def begin(self, untrained_losses: Mapping[Task, float]) -> None:  # noqa: B027
        """Take the mean losses over the training windows before the first step."""

    def after_step(self) -> None:  # noqa: B027
        """Act on parameters of the strategy's own, after the optimiser moved them."""

    def end_epoch(  # noqa: B027
        self, mean_losses: Mapping[Task, float], gradients: TaskGradients | None
    ) -> None:
        """Take the mean training losses of the epoch that just ended, and the probe's result."""

    @abstractmethod
    def reset(self) -> None:
        """Return to the state in which the strategy was made."""

    @abstractmethod
    def state_dict(self) -> dict[str, Any]:
        """Return the state as numbers that JSON can hold."""

    @abstractmethod
    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continue from what `state_dict` returned."""


class WeightedSum(Balancer):
    """Total = sum of ``w_i L_i`` with weights that stay as they are inside an epoch."""

    def __init__(self, tasks: tuple[WeightedTask, ...]) -> None:
        super().__init__(tasks)
        self.weights: dict[Task, float] = self.first_weights()

    @abstractmethod
    def first_weights(self) -> dict[Task, float]:
        """Return the weights of the first epoch."""

    def step(self, losses: Mapping[Task, Tensor], context: StepContext) -> Decision:
        """Return the weighted sum of `losses`."""
        terms = [weight * losses[task] for task, weight in self.weights.items()]
        return Decision(torch.stack(terms).sum(), dict(self.weights))

    def reset(self) -> None:
        """Return to the first weights."""
        self.weights = self.first_weights()

    def state_dict(self) -> dict[str, Any]:
        """Return the present weights."""
        return {"weights": dict(self.weights)}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continue with the weights of `state`."""
        self.weights = {task.name: float(state["weights"][task.name]) for task in self.tasks}


def pulls(losses: Mapping[Task, Tensor], hidden: Tensor) -> dict[Task, float]:
    """Return ``|dL_i / dh|`` of every task at the LSTM's output `hidden`, (B, T, 192).

    The graph stays, for the backward pass that follows. A task that had nothing to count in the
    batch pulls with 0.
    """
    norms: dict[Task, float] = {}
    for task, loss in losses.items():
        (gradient,) = torch.autograd.grad(loss, hidden, retain_graph=True, allow_unused=True)
        norms[task] = 0.0 if gradient is None else gradient.float().norm().item()
    return norms
