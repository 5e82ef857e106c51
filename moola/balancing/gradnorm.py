"""Learn the weights so that every task trains at the same rate.

Chen, Badrinarayanan, Lee, Rabinovich, "GradNorm: Gradient Normalization for Adaptive Loss Balancing
in Deep Multitask Networks", ICML 2018, equations 1 and 2, as the source notes used it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from moola.balancing._base import Balancer, Decision, StepContext, WeightedTask, pulls
from moola.schema import Task

ALPHA = 1.5
"""Strength of the pull back to a common training rate; the paper's value for its first data set."""
LR = 0.025
"""Adam's rate for the weights; the paper's."""
SMALLEST_WEIGHT = 1e-3


class GradNorm(Balancer):
    """Minimise ``sum_i | w_i G_i - mean_j(w_j G_j) r_i^1.5 |`` over the weights, a step at a time.

    ``G_i`` is ``|dL_i / dh|`` at the LSTM's output ``h``; ``r_i = (L_i / L0_i) / mean_j(L_j /
    L0_j)`` the task's inverse training rate, with ``L0_i`` its mean loss before training. The mean
    is held constant in the derivative, as in the paper. Afterwards every ``w_i`` is at least 1e-3
    and they sum to the number of tasks.

    It knows no priorities: here for comparison. `moola.balancing.gradshare` has them.
    """

    needs = "feature_grads"

    def __init__(self, tasks: tuple[WeightedTask, ...]) -> None:
        super().__init__(tasks)
        self.reset()

    def begin(self, untrained_losses: Mapping[Task, float]) -> None:
        """Take the losses that training rates are measured by."""
        self.first_losses = [max(untrained_losses[t.name], t.scale / 10) for t in self.tasks]

    def step(self, losses: Mapping[Task, Tensor], context: StepContext) -> Decision:
        """Return the weighted sum, then move the weights by this step's gradients."""
        names: list[Task] = [task.name for task in self.tasks]
        weights = self.weights.tolist()
        total = torch.stack(
            [weight * losses[name] for name, weight in zip(names, weights, strict=True)]
        ).sum()
        norms = pulls(losses, context.hidden)
        self._adapt(
            torch.tensor([norms[name] for name in names], dtype=torch.float64),
            torch.tensor([losses[name].item() for name in names], dtype=torch.float64),
        )
        return Decision(total, dict(zip(names, weights, strict=True)))

    def _adapt(self, norms: Tensor, losses: Tensor) -> None:
        pull = self.weights.detach() * norms
        progress = losses / torch.tensor(self.first_losses, dtype=torch.float64)
        rate = progress / progress.mean().clamp_min(torch.finfo(torch.float64).tiny)
        self.weights.grad = torch.sign(pull - pull.mean() * rate**ALPHA) * norms
        self.optimizer.step()
        with torch.no_grad():
            self.weights.clamp_(min=SMALLEST_WEIGHT)
            self.weights.mul_(len(self.tasks) / self.weights.sum())

    def reset(self) -> None:
        """Return to weights of 1 and to the constant predictors as the ruler."""
        self.weights = torch.ones(len(self.tasks), dtype=torch.float64, requires_grad=True)
        self.optimizer = torch.optim.Adam([self.weights], lr=LR)
        self.first_losses = [task.scale for task in self.tasks]

    def state_dict(self) -> dict[str, Any]:
        """Return weights, ruler and Adam's moments."""
        moments = self.optimizer.state.get(self.weights, {})
        return {
            "weights": self.weights.tolist(),
            "first_losses": list(self.first_losses),
            "moments": {name: value.tolist() for name, value in moments.items()},
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continue with the weights and moments of `state`."""
        self.reset()
        self.first_losses = [float(loss) for loss in state["first_losses"]]
        with torch.no_grad():
            self.weights.copy_(torch.tensor(state["weights"], dtype=torch.float64))
        if state["moments"]:
            self.optimizer.state[self.weights] = {
                # Adam counts its steps in float32, whatever the parameters are
                name: torch.tensor(value, dtype=torch.float32 if name == "step" else torch.float64)
                for name, value in state["moments"].items()
            }
