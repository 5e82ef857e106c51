"""Sums over the batches of one epoch: what was lost on which task, and with which weight."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor

from moola.exceptions import RunError
from moola.schema import Task
from moola.shares import loss_shares


@dataclass
class EpochTally:
    """Plain numbers, so that a checkpoint in the middle of an epoch can hold them."""

    n_batches: int = 0
    lost: dict[Task, float] = field(default_factory=dict)  # sum of loss times entries
    entries: dict[Task, float] = field(default_factory=dict)  # rows or bars counted
    weights: dict[Task, float] = field(default_factory=dict)  # sum over batches
    weighted: dict[Task, float] = field(default_factory=dict)  # sum of weight times loss
    n_clipped: int = 0  # steps whose gradient was longer than the run allows
    reached: dict[Task, int] = field(default_factory=dict)  # steps that gave a head a gradient

    def add(
        self,
        losses: Mapping[Task, Tensor],
        counted: Mapping[Task, Tensor],
        weights: Mapping[Task, float],
    ) -> None:
        """Add one batch: mean losses, the mask of what each counted, and the weights used.

        Raises
        ------
        RunError
            If a loss is NaN or infinite; the step that would spoil the weights is not taken.
        """
        numbers = torch.stack([*losses.values(), *(counted[task].sum() for task in losses)])
        values = numbers.tolist()  # one wait for the device, not one per task
        for task, loss, n in zip(losses, values, values[len(losses) :], strict=False):
            if not math.isfinite(loss):
                raise RunError(
                    f"The loss of {task} should be finite. Found {loss}: a lower learning rate, "
                    "or the countdown scale clip20, may help."
                )
            _increase(self.lost, task, loss * n)
            _increase(self.entries, task, n)
            _increase(self.weights, task, weights[task])
            _increase(self.weighted, task, weights[task] * loss)
        self.n_batches += 1

    def reach(self, tasks: Iterable[Task]) -> None:
        """Count a step for the tasks whose head it gave a gradient."""
        for task in tasks:
            self.reached[task] = self.reached.get(task, 0) + 1

    def unreached(self) -> list[Task]:
        """Return the tasks whose head got no gradient, though there were entries to learn from."""
        return [task for task, n in self.entries.items() if n and not self.reached.get(task)]

    def mean_losses(self) -> dict[Task, float]:
        """Return the mean loss over all rows or bars counted; 0 where there were none."""
        return {task: lost / max(self.entries[task], 1) for task, lost in self.lost.items()}

    def mean_weights(self) -> dict[Task, float]:
        """Return the weights' mean over the batches."""
        return {task: total / max(self.n_batches, 1) for task, total in self.weights.items()}

    def clip_rate(self) -> float:
        """Return the part of the steps that were clipped.

        One norm is clipped for all tasks, so a high rate says that the largest shortens the rest.
        """
        return self.n_clipped / max(self.n_batches, 1)

    def loss_shares(self) -> dict[Task, float]:
        """Return each task's part of everything that went backward in the epoch."""
        return loss_shares(self.weighted)


def _increase(sums: dict[Task, float], task: Task, amount: float) -> None:
    sums[task] = sums.get(task, 0.0) + amount
