"""Divide every loss by its own running mean."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor

from moola.balancing._base import Decision, StepContext, WeightedSum, WeightedTask
from moola.balancing.epoch import FLOOR
from moola.schema import Task

MOMENTUM = 0.95
"""Of the running mean; 20 steps, about three epochs of 174 windows."""


class Ema(WeightedSum):
    """``w_i = p_i / max(m_i, 0.1 L_const_i)`` with ``m_i`` the running mean of the task's loss.

    ``m_i`` starts at ``L_const_i`` and takes ``m_i <- 0.95 m_i + 0.05 L_i`` after each step. It is
    a number, not a tensor: ``L_i / L_i`` would have no gradient. The weighted total stays near 1
    whatever the model does, so nothing may watch it; the loss shares stay on target and cannot
    warn of a silent task.

    A batch in which a task has nothing to count says nothing about it, and leaves ``m_i`` alone.
    """

    def __init__(self, tasks: tuple[WeightedTask, ...]) -> None:
        super().__init__(tasks)
        self.means: dict[Task, float] = self._first_means()

    def _first_means(self) -> dict[Task, float]:
        return {task.name: task.scale for task in self.tasks}

    def first_weights(self) -> dict[Task, float]:
        """Return the targets over the constant predictors' losses."""
        return {task.name: task.target / task.scale for task in self.tasks}

    def step(self, losses: Mapping[Task, Tensor], context: StepContext) -> Decision:
        """Weigh by the mean up to here, then take this step's losses into it."""
        decision = super().step(losses, context)
        for task in self.tasks:
            loss = losses[task.name].item()
            if loss > 0:
                self.means[task.name] += (1 - MOMENTUM) * (loss - self.means[task.name])
            divisor = max(self.means[task.name], FLOOR * task.scale)
            self.weights[task.name] = task.target / divisor
        return decision

    def reset(self) -> None:
        """Return to the constant predictors' losses."""
        super().reset()
        self.means = self._first_means()

    def state_dict(self) -> dict[str, Any]:
        """Return the weights of the next step and the running means."""
        return super().state_dict() | {"means": dict(self.means)}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continue with the means of `state`."""
        super().load_state_dict(state)
        self.means = {task.name: float(state["means"][task.name]) for task in self.tasks}
