from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from moola.balancing import Kendall
from tests.balancing.family import (
    BASELINES,
    approx,
    backward_weights,
    decide,
    leaf_losses,
    log_sigmas,
    shares,
    tasks,
)

FALLEN = {"ptr": 0.003, "binary": 0.15, "countdown": 0.02, "type": 0.65}


def settle(balancer: Kendall, losses: dict, *, lr: float = 1e-2, steps: int = 600) -> nn.Parameter:
    """Train the log-sigmas alone on losses that do not move."""
    optimizer = torch.optim.Adam([balancer.log_sigma], lr=lr)
    for _ in range(steps):
        optimizer.zero_grad()
        decide(balancer, leaf_losses(losses)).loss.backward()
        optimizer.step()
        balancer.after_step()
    return balancer.log_sigma


def test_total_at_the_start_by_hand() -> None:
    # Losses at their constants and l = 0: each bracket is 1/2, and the targets sum to 1.
    decision = decide(Kendall(tasks(), log_sigmas()), leaf_losses(BASELINES))
    assert decision.loss.item() == pytest.approx(0.5)
    assert decision.weights["ptr"] == pytest.approx(0.7 / 2 / 0.0059)


def test_with_priority_the_shares_settle_at_the_targets() -> None:
    balancer = Kendall(tasks(), log_sigmas())
    log_sigma = settle(balancer, FALLEN)
    expected = [math.log(FALLEN[task.name] / task.baseline) / 2 for task in tasks()]
    assert log_sigma.tolist() == pytest.approx(expected, abs=1e-2)
    assert shares(balancer, FALLEN) == approx(0.7, 0.1, 0.1, 0.1, abs=0.01)


def test_as_published_the_shares_settle_at_a_quarter_each() -> None:
    """Pitfall 4: sigmas settle at a quarter for each task; a weight on a loss is absorbed."""
    balancer = Kendall(tasks(), log_sigmas(), priority=False)
    settle(balancer, FALLEN)
    assert shares(balancer, FALLEN) == approx(0.25, 0.25, 0.25, 0.25, abs=0.01)
    doubled = FALLEN | {"ptr": 2 * FALLEN["ptr"]}
    settle(balancer, doubled)
    assert shares(balancer, doubled) == approx(0.25, 0.25, 0.25, 0.25, abs=0.01)


def test_as_published_it_starts_where_a_constant_predictor_is_its_optimum() -> None:
    balancer = Kendall(tasks(), log_sigmas(), priority=False)
    assert shares(balancer, BASELINES) == approx(0.25, 0.25, 0.25, 0.25)


@pytest.mark.parametrize("priority", [True, False])
def test_bounds_are_reached_but_not_crossed(priority: bool) -> None:
    balancer = Kendall(tasks(), log_sigmas(), priority=priority)
    extreme = {"ptr": BASELINES["ptr"] * 1e-4, "type": BASELINES["type"] * 50}
    moved = settle(balancer, BASELINES | extreme).tolist()
    low, high = balancer.bounds[0][0], balancer.bounds[3][1]
    assert moved[0] == pytest.approx(low, abs=1e-6)
    assert moved[3] == pytest.approx(high, abs=1e-6)


def test_a_sigma_outside_its_bounds_comes_back_and_learns_again() -> None:
    """Pitfall 7: a clamp in forward has no gradient outside, a projection after the step has."""
    log_sigma = log_sigmas()
    balancer = Kendall(tasks(), log_sigma)
    with torch.no_grad():
        log_sigma.fill_(-10)
    decide(balancer, leaf_losses(FALLEN)).loss.backward()
    assert log_sigma.grad is not None
    assert (log_sigma.grad.abs() > 0).all()
    balancer.after_step()
    assert log_sigma.min().item() == pytest.approx(math.log(0.1) / 2)


def test_a_larger_sigma_means_a_smaller_weight() -> None:
    """Pitfall 5: bounds on sigma work the other way round: a lower bound is what tames a task."""
    log_sigma = log_sigmas()
    balancer = Kendall(tasks(), log_sigma)
    before = backward_weights(balancer)
    with torch.no_grad():
        log_sigma[3] += 0.3
    assert backward_weights(balancer)["type"] < before["type"]


def test_at_the_rate_of_the_model_the_sigmas_hardly_travel_within_a_run() -> None:
    """Pitfall 6: inertia: at the model's learning rate a run is over before the sigmas arrive."""
    slow = settle(Kendall(tasks(), log_sigmas()), FALLEN, lr=1e-3, steps=120)
    fast = settle(Kendall(tasks(), log_sigmas()), FALLEN, lr=1e-2, steps=120)
    wanted = math.log(FALLEN["binary"] / BASELINES["binary"]) / 2
    assert slow[1].item() / wanted < 0.3
    assert fast[1].item() / wanted > 0.9
