"""Weights given by hand."""

from __future__ import annotations

from collections.abc import Mapping

from moola.balancing._base import WeightedSum, WeightedTask
from moola.schema import Task


class Manual(WeightedSum):
    """``w_i`` as given; the source notes try 50, 1, 1 and 0.1.

    At losses of 0.015, 0.84, 0.72 and 1.22 these give the pointers 31 %, not 70 %; weights of
    46.7, 0.119, 0.139 and 0.082 (``p_i / L_i``) do.
    """

    def __init__(self, tasks: tuple[WeightedTask, ...], given: Mapping[Task, float]) -> None:
        self.given = dict(given)
        super().__init__(tasks)

    def first_weights(self) -> dict[Task, float]:
        """Return the given weights."""
        return {task.name: float(self.given[task.name]) for task in self.tasks}
