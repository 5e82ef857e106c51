"""The target shares as weights, whatever the losses' scales: what goes wrong without a balance."""

from __future__ import annotations

from moola.balancing._base import WeightedSum
from moola.schema import Task


class Raw(WeightedSum):
    """``w_i = p_i``.

    With losses of 0.015, 0.84, 0.72 and 1.22 the pointers' 70 % become 3.6 % of the total.
    """

    def first_weights(self) -> dict[Task, float]:
        """Return the target shares."""
        return {task.name: task.target for task in self.tasks}
