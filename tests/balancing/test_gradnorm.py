from __future__ import annotations

import pytest

from moola.balancing import GradNorm
from moola.schema import TASKS
from tests.balancing.family import BASELINES, approx, decide, leaf_losses, tasks

EVEN = dict.fromkeys(TASKS, 1.0)


def settled(pulls: dict, losses: dict, *, steps: int = 600) -> dict:
    balancer = GradNorm(tasks())
    balancer.begin(BASELINES)
    for _ in range(steps):
        decide(balancer, leaf_losses(losses), pulls)
    return decide(balancer, leaf_losses(losses), pulls).weights


def test_the_first_weights_are_one() -> None:
    assert decide(GradNorm(tasks()), leaf_losses()).weights == EVEN


def test_a_first_step_of_adam_by_hand() -> None:
    # At equal rates the two below the mean pull rise by 0.025 and the two above fall by it.
    balancer = GradNorm(tasks())
    decide(balancer, leaf_losses(BASELINES), {"ptr": 1, "binary": 2, "countdown": 8, "type": 9})
    assert balancer.weights.tolist() == pytest.approx([1.025, 1.025, 0.975, 0.975], abs=1e-6)


def test_at_equal_training_rates_it_evens_out_the_gradients() -> None:
    pulls = {"ptr": 0.5, "binary": 1.0, "countdown": 1.0, "type": 2.0}
    weights = settled(pulls, BASELINES)
    pulled = {task: weights[task] * pulls[task] for task in TASKS}
    assert max(pulled.values()) / min(pulled.values()) < 1.2


def test_a_task_that_trains_slower_gets_more_weight() -> None:
    half = {task: BASELINES[task] / 2 for task in TASKS} | {"type": BASELINES["type"]}
    weights = settled(EVEN, half)
    assert weights["type"] == max(weights.values())


def test_it_knows_no_priorities() -> None:
    assert settled(EVEN, BASELINES) == approx(1, 1, 1, 1, abs=0.1)


def test_weights_sum_to_the_number_of_tasks_and_none_vanishes() -> None:
    weights = settled(EVEN | {"ptr": 1e4}, BASELINES)
    assert sum(weights.values()) == pytest.approx(4)
    assert min(weights.values()) > 0
