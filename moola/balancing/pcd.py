"""Follow the pointers, as far as every other task still gets its part.

"Not All Objectives Are Born Equal: Priority-Constrained Descent for Hierarchical Multi-Objective
Optimization", TMLR 2026, arXiv 2606.29521 (PCD).
"""

from __future__ import annotations

from typing import Any

from moola.balancing.jacobian import Jacobian

TAU = 0.1
"""Part of its own normalised progress that every other task is guaranteed: the target share."""


class PCD(Jacobian):
    """``min |d - g_1|^2 / 2`` subject to ``<g_j, d> >= tau |g_j|^2`` for the other tasks ``j``.

    ``g_i`` is divided by its own running size, ``g_1`` is the first task's (the pointers), and the
    result has the length of the pointers' gradient. ``tau`` is 0.1; the paper's default is 0.02.
    """

    name = "pcd"

    def make_aggregator(self) -> Any:
        """Return PCD with tau = 0.1."""
        from torchjd import aggregation

        return aggregation.PCD(tau=TAU)
