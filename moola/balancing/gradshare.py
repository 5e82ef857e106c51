"""Give every task its share of the gradient instead of its share of the loss.

With priorities it is the closed form of Chen, Badrinarayanan, Lee, Rabinovich, "GradNorm: Gradient
Normalization for Adaptive Loss Balancing in Deep Multitask Networks", ICML 2018, at alpha = 0.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor

from moola.balancing._base import Decision, StepContext, WeightedSum, WeightedTask, pulls
from moola.schema import Task

MOMENTUM = 0.9
"""Of the running mean of the gradient norms; ten steps, since one batch's norm is noisy."""
LOW, HIGH = 0.1, 10.0
"""Bounds of a weight in units of ``p_i / L_const_i``: a task whose gradient vanishes, because it
is solved or its head is dead, would otherwise get an unbounded weight."""


class GradShare(WeightedSum):
    """``w_i`` in proportion to ``p_i / m_i``, ``m_i`` the running mean of ``|dL_i / dh|``.

    ``h`` is the LSTM's output: a third of a step more, where the gradient on the LSTM's parameters
    would cost a backward pass a task. The weights are scaled to ``sum w_i L_const_i = 1``, the size
    that the total loss has under a constant predictor, then bounded, then scaled once more.

    The loss shares go where they will; it is the gradient shares that are on target.
    """

    needs = "feature_grads"

    def __init__(self, tasks: tuple[WeightedTask, ...]) -> None:
        super().__init__(tasks)
        self.norms: dict[Task, float] = {}

    def first_weights(self) -> dict[Task, float]:
        """Return the targets over the constant predictors' losses, until a step was seen."""
        return {task.name: task.target / task.scale for task in self.tasks}

    def step(self, losses: Mapping[Task, Tensor], context: StepContext) -> Decision:
        """Take this step's gradient norms into the running means, then weigh by them."""
        for task, norm in pulls(losses, context.hidden).items():
            if norm > 0:
                before = self.norms.get(task, norm)
                self.norms[task] = MOMENTUM * before + (1 - MOMENTUM) * norm
        if len(self.norms) == len(self.tasks):
            self.weights = self._bounded()
        return super().step(losses, context)

    def _bounded(self) -> dict[Task, float]:
        wanted: dict[Task, float] = {
            task.name: task.target / self.norms[task.name] for task in self.tasks
        }
        scaled, first = self._scaled(wanted), self.first_weights()
        bounded: dict[Task, float] = {
            name: min(max(weight, LOW * first[name]), HIGH * first[name])
            for name, weight in scaled.items()
        }
        return self._scaled(bounded)

    def _scaled(self, weights: Mapping[Task, float]) -> dict[Task, float]:
        total = sum(weights[task.name] * task.scale for task in self.tasks)
        return {name: weight / total for name, weight in weights.items()}

    def reset(self) -> None:
        """Forget every norm."""
        super().reset()
        self.norms = {}

    def state_dict(self) -> dict[str, Any]:
        """Return the weights and the running means of the norms."""
        return super().state_dict() | {"norms": dict(self.norms)}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continue with the norms of `state`."""
        super().load_state_dict(state)
        self.norms = {
            task.name: float(state["norms"][task.name])
            for task in self.tasks
            if task.name in state["norms"]
        }
