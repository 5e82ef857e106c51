"""Divide every loss once by what it was before training: option 1 of the source notes."""

from __future__ import annotations

from collections.abc import Mapping

from moola.balancing._base import WeightedSum
from moola.schema import Task


class Initial(WeightedSum):
    """``w_i = p_i / L0_i``, fixed for the whole run.

    ``L0_i`` is the mean loss of one pass over the training windows without updates. A single batch
    would be a bad ruler, and so would heads that do not start at a constant prediction: an
    untrained sigmoid triples the pointers' ``L0``, and they get a third of their weight for good.

    The shares drift from their targets as the losses fall at different speeds.
    """

    def first_weights(self) -> dict[Task, float]:
        """Return the targets over the constant predictors' losses, until `begin` is called."""
        return {task.name: task.target / task.scale for task in self.tasks}

    def begin(self, untrained_losses: Mapping[Task, float]) -> None:
        """Fix the weights by the losses before the first step."""
        for task in self.tasks:
            # Constant labels may cost next to nothing from the start; see `WeightedTask.scale`.
            ruler = max(untrained_losses[task.name], task.scale / 10)
            self.weights[task.name] = task.target / ruler
