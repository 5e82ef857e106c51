"""Divide every loss by its own mean in the epoch before: the default."""

from __future__ import annotations

from collections.abc import Mapping

from moola.balancing._base import WeightedSum
from moola.schema import Task
from moola.shares import TaskGradients

FLOOR = 0.1
"""Part of the constant predictor's loss below which the divisor does not fall.

Without a floor a task that is all but solved would get an unbounded weight.
"""


class Epoch(WeightedSum):
    """``w_i = p_i / max(mean loss of the epoch before, 0.1 L_const_i)``, frozen inside an epoch.

    The first epoch divides by ``L_const_i``. The loss shares then stay near their targets by
    construction, so they cannot warn of a silent task: read gradient shares and skill instead.
    """

    def first_weights(self) -> dict[Task, float]:
        """Return the targets over the constant predictors' losses."""
        return {task.name: task.target / task.scale for task in self.tasks}

    def end_epoch(self, mean_losses: Mapping[Task, float], gradients: TaskGradients | None) -> None:
        """Set the weights of the coming epoch."""
        for task in self.tasks:
            divisor = max(mean_losses[task.name], FLOOR * task.scale)
            self.weights[task.name] = task.target / divisor
