from __future__ import annotations

import pytest
import torch

from moola.balancing import GradShare
from moola.schema import TASKS
from moola.shares import loss_shares
from tests.balancing.family import BASELINES, PULLS, approx, decide, leaf_losses, tasks


def settled(pulls: dict, *, steps: int = 60) -> dict:
    balancer = GradShare(tasks())
    for _ in range(steps):
        weights = decide(balancer, leaf_losses(), pulls).weights
    return weights


def test_gradient_shares_are_on_target_from_the_first_step() -> None:
    weights = settled(PULLS, steps=1)
    pulled = loss_shares({task: weights[task] * PULLS[task] for task in TASKS})
    assert pulled == approx(0.7, 0.1, 0.1, 0.1)


def test_the_total_has_the_size_it_has_under_a_constant_predictor() -> None:
    weights = settled(PULLS)
    assert sum(weights[task] * BASELINES[task] for task in TASKS) == pytest.approx(1)


def test_by_hand() -> None:
    # p / |g| = 35, 0.2, 1, 2; times the baselines 0.2065 + 0.0758 + 0.0388 + 1.382 = 1.7031
    assert settled(PULLS) == approx(20.551, 0.1174, 0.5872, 1.1743, abs=1e-3)


def test_a_task_whose_gradient_all_but_vanishes_is_held_at_the_bound() -> None:
    # Type alone would take everything: it is held at 10 times its first weight, the rest at a
    # tenth of theirs, and the total 10 * 0.1 + 0.1 * 0.9 = 1.09 is scaled back to 1.
    weights = settled(PULLS | {"type": 1e-9})
    parts = {task: weights[task] * BASELINES[task] for task in TASKS}
    assert parts == approx(0.07 / 1.09, 0.01 / 1.09, 0.01 / 1.09, 1 / 1.09)


def test_one_noisy_batch_moves_the_weights_a_tenth_of_the_way() -> None:
    balancer = GradShare(tasks())
    decide(balancer, leaf_losses(), PULLS)
    decide(balancer, leaf_losses(), PULLS | {"ptr": 2 * PULLS["ptr"]})
    assert balancer.norms["ptr"] == pytest.approx(1.1 * PULLS["ptr"])


def test_a_task_without_anything_to_count_keeps_its_norm() -> None:
    balancer = GradShare(tasks())
    decide(balancer, leaf_losses(), PULLS)
    hidden_free = leaf_losses() | {"type": torch.tensor(0.0, requires_grad=True)}
    decide(balancer, hidden_free, PULLS | {"type": 0.0})
    assert balancer.norms["type"] == pytest.approx(PULLS["type"])
