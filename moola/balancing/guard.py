"""Raise the weight of a task that moves the encoder too little, whatever the strategy."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor

from moola.balancing._base import Balancer, Decision, StepContext
from moola.exceptions import ConfigError
from moola.schema import Task
from moola.shares import TaskGradients

ENOUGH = 0.5
"""Part of its target below which a task's gradient share calls for help; it counts as silent
below a quarter (`moola.silence`)."""
FASTEST_RISE = 2.0
DECAY = 0.9
"""Of what a boost exceeds 1 by, in each epoch in which it was not needed."""
MAX_BOOST = 8.0
"""A cap of 2.2 was too little to bring a task back in the balancing simulation."""


class Guard(Balancer):
    """Multiply a task's weight by a boost in 1..8 that answers the probe of each epoch.

    With ``g`` the task's share of the gradient on the encoder and ``p`` its target: where ``g`` is
    below ``p/2`` the boost is multiplied by ``min(2, p/2 / g)``, otherwise it becomes ``1 +
    0.9 (boost - 1)``. A boosted task takes loss share from the others, so the pointers may leave
    their band while the guard is at work: that is its price.

    The boost is added on top of the strategy's own loss, ``sum (boost_i - 1) w_i L_i``. A strategy
    that learns its weights would undo a boost that it could see.

    A guard that is not active waits: setting `is_active` wakes it, as ``--on-silence guard`` does.
    """

    def __init__(
        self, inner: Balancer, *, max_boost: float = MAX_BOOST, is_active: bool = True
    ) -> None:
        super().__init__(inner.tasks)
        self.inner = inner
        self.needs = inner.needs
        self.max_boost = max_boost
        self.starts_active = self.is_active = is_active
        self.boosts: dict[Task, float] = self._no_boost()
        self.weights: dict[Task, float] = {}

    def _no_boost(self) -> dict[Task, float]:
        return {task.name: 1.0 for task in self.tasks}

    def begin(self, untrained_losses: Mapping[Task, float]) -> None:
        """Let the strategy take the losses before training."""
        self.inner.begin(untrained_losses)

    def step(self, losses: Mapping[Task, Tensor], context: StepContext) -> Decision:
        """Return the strategy's loss with the boosts on top."""
        decision = self.inner.step(losses, context)
        weights = decision.weights
        loss = decision.loss
        if loss is None:
            raise ConfigError("A guard should stand around a strategy with a loss. Found none.")
        for name, boost in self.boosts.items():
            if boost > 1:
                loss = loss + (boost - 1) * weights[name] * losses[name]
        self.weights = {name: weights[name] * self.boosts[name] for name in weights}
        return Decision(loss, dict(self.weights))

    def after_step(self) -> None:
        """Let the strategy act on its own parameters."""
        self.inner.after_step()

    def end_epoch(self, mean_losses: Mapping[Task, float], gradients: TaskGradients | None) -> None:
        """Set the boosts by the gradient shares of the last step's weights."""
        if self.is_active and gradients is not None and self.weights:
            shares = gradients.shares(self.weights)
            for task in self.tasks:
                self.boosts[task.name] = self._next(
                    self.boosts[task.name], shares[task.name], ENOUGH * task.target
                )
        self.inner.end_epoch(mean_losses, gradients)

    def _next(self, boost: float, share: float, enough: float) -> float:
        if share >= enough:
            return 1 + DECAY * (boost - 1)
        rise = FASTEST_RISE if share <= 0 else min(FASTEST_RISE, enough / share)
        return min(self.max_boost, boost * rise)

    def reset(self) -> None:
        """Forget every boost."""
        self.inner.reset()
        self.boosts, self.weights = self._no_boost(), {}
        self.is_active = self.starts_active

    def state_dict(self) -> dict[str, Any]:
        """Return the strategy's state and the boosts."""
        guard = {
            "boosts": dict(self.boosts),
            "weights": dict(self.weights),
            "is_active": self.is_active,
        }
        return self.inner.state_dict() | {"guard": guard}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continue with the boosts of `state`; a run that had no guard starts without any."""
        self.inner.load_state_dict(state)
        guard = state.get("guard", {"boosts": {}, "weights": {}, "is_active": self.is_active})
        self.is_active = guard["is_active"]
        self.boosts = {task.name: float(guard["boosts"].get(task.name, 1)) for task in self.tasks}
        self.weights = {
            task.name: float(guard["weights"][task.name])
            for task in self.tasks
            if task.name in guard["weights"]
        }
