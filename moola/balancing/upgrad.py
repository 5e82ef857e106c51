"""Mix gradients so that no task is pushed back.

Quinton, Rey, "Jacobian Descent for Multi-Objective Optimization", arXiv 2406.16232 (UPGrad).
"""

from __future__ import annotations

from typing import Any

import torch

from moola.balancing.jacobian import Jacobian


class UPGrad(Jacobian):
    """``d = sum_i pi(g_i)``: each task's gradient, projected to where no task loses, then summed.

    ``g_i`` is the gradient of ``p_i L_i / L_const_i`` on the encoder and ``pi`` the projection onto
    the dual cone of all of them. Without a conflict it is their plain sum, so that the priorities
    p act as in ``initial``; the preference of 1 for every row is that sum.
    """

    name = "upgrad"

    def make_aggregator(self) -> Any:
        """Return UPGrad with a preference of 1 a task."""
        from torchjd import aggregation

        return aggregation.UPGrad(pref_vector=torch.ones(len(self.tasks)))
