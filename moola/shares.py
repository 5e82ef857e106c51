"""Who takes the loss and who moves the encoder, as shares that sum to 1; plain arithmetic.

The shares of a run can be computed again from its stored rows, without torch.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from moola.schema import Task


def loss_shares(weighted: Mapping[Task, float]) -> dict[Task, float]:
    """Return each task's part of the sum of weighted losses.

    Weights of 70/10/10/10 do not give the pointers 70 % when their loss is small:

    >>> weighted = {"ptr": 0.7 * 0.015, "binary": 0.1 * 0.84, "countdown": 0.1 * 0.72}
    >>> [round(share, 3) for share in loss_shares(weighted | {"type": 0.1 * 1.22}).values()]
    [0.036, 0.291, 0.25, 0.423]
    """
    return _normalised(weighted)


@dataclass(frozen=True, eq=False)
class TaskGradients:
    """Inner products of K tasks' unweighted gradients on the encoder.

    Every question about sizes, angles and shares can be answered from these K x K numbers.
    """

    tasks: tuple[Task, ...]
    gram: NDArray[np.float64]  # (K, K) <g_i, g_j>

    def norms(self) -> dict[Task, float]:
        """Return the length of each task's gradient."""
        return dict(zip(self.tasks, self._norms().tolist(), strict=True))

    def shares(self, weights: Mapping[Task, float]) -> dict[Task, float]:
        """Return ``w_i |g_i| / sum_j w_j |g_j|``: who pulls how hard, whatever the direction."""
        return _normalised({task: weights[task] * norm for task, norm in self.norms().items()})

    def aligned_shares(self, weights: Mapping[Task, float]) -> dict[Task, float]:
        """Return ``<w_i g_i, G> / |G|^2`` with ``G = sum_j w_j g_j``: who gets its way.

        The shares sum to 1; a negative one belongs to a task that the others overrule.
        """
        w = np.array([weights[task] for task in self.tasks])
        along = w * (self.gram @ w)
        return _normalised(dict(zip(self.tasks, along.tolist(), strict=True)))

    def cosines(self) -> dict[str, float]:
        """Return the cosine of every pair of gradients, keyed ``ptr-binary``; 0 without length."""
        norms = self._norms()
        cosines = {}
        for i, j in itertools.combinations(range(len(self.tasks)), 2):
            scale = norms[i] * norms[j]
            cosine = self.gram[i, j] / scale if scale > 0 else 0.0
            cosines[f"{self.tasks[i]}-{self.tasks[j]}"] = float(cosine)
        return cosines

    def _norms(self) -> NDArray[np.float64]:
        return np.sqrt(np.clip(np.diag(self.gram), 0, None))


def _normalised(parts: Mapping[Task, float]) -> dict[Task, float]:
    total = sum(parts.values())
    return {task: part / total if total else 0.0 for task, part in parts.items()}
