"""What holds for every strategy."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch

from moola.balancing import Balancer, Kendall, make_balancer
from moola.config import BALANCES, JACOBIAN_BALANCES, Balance, FinetuneConfig
from moola.exceptions import ConfigError
from moola.schema import TASKS
from moola.shares import TaskGradients
from tests.balancing.family import (
    BASELINES,
    SOURCE_LOSSES,
    backward_weights,
    decide,
    leaf_losses,
    log_sigmas,
)

WEIGHING = [name for name in BALANCES if name not in JACOBIAN_BALANCES]
"""The others have no total loss: test_jacobian."""
TYPE_UNHEARD = TaskGradients(TASKS, np.diag([1.0, 0.5, 0.5, 1e-8]))
HALVED = {task: value / 2 for task, value in BASELINES.items()}


def make(name: Balance) -> Balancer:
    return make_balancer(FinetuneConfig(balance=name), BASELINES, log_sigma=log_sigmas())


def train_a_little(balancer: Balancer) -> None:
    """Move whatever state there is."""
    balancer.begin(SOURCE_LOSSES)
    decide(balancer, leaf_losses(HALVED))
    balancer.end_epoch(HALVED, TYPE_UNHEARD)
    if isinstance(balancer, Kendall):
        with torch.no_grad():
            balancer.log_sigma.sub_(0.25)


@pytest.mark.parametrize("name", WEIGHING)
def test_every_loss_gets_a_positive_weight_and_it_is_the_reported_one(name: Balance) -> None:
    losses = leaf_losses()
    decision = decide(make(name), losses)
    decision.loss.backward()
    reached = {task: loss.grad.item() for task, loss in losses.items() if loss.grad is not None}
    assert min(reached.values()) > 0
    assert reached == pytest.approx(decision.weights, rel=1e-5)


def test_changing_the_strategy_changes_the_weights_that_reach_backward() -> None:
    found = []
    for name in WEIGHING:
        balancer = make(name)
        train_a_little(balancer)
        found.append([round(weight, 6) for weight in backward_weights(balancer).values()])
    assert len({tuple(weights) for weights in found}) == len(WEIGHING)


@pytest.mark.parametrize("name", WEIGHING)
def test_the_state_survives_a_round_trip_through_json(name: Balance) -> None:
    balancer, other = make(name), make(name)
    train_a_little(balancer)
    other.load_state_dict(json.loads(json.dumps(balancer.state_dict())))
    assert backward_weights(other) == backward_weights(balancer)


@pytest.mark.parametrize("name", WEIGHING)
def test_reset_forgets_everything(name: Balance) -> None:
    balancer = make(name)
    train_a_little(balancer)
    balancer.reset()
    assert backward_weights(balancer) == backward_weights(make(name))


@pytest.mark.parametrize("name", WEIGHING)
def test_without_expansion_heads_pointers_and_type_share_the_targets(name: Balance) -> None:
    config = FinetuneConfig(balance=name, use_expansion_heads=False)
    log_sigma = torch.nn.Parameter(torch.zeros(2))
    balancer = make_balancer(config, BASELINES, log_sigma=log_sigma)
    weights = backward_weights(balancer, {"ptr": 0.01, "type": 1.0})
    assert list(weights) == ["ptr", "type"]
    assert [task.target for task in balancer.tasks] == pytest.approx([0.875, 0.125])


@pytest.mark.parametrize("name", WEIGHING)
def test_constant_labels_do_not_get_an_unbounded_weight(name: Balance) -> None:
    baselines = BASELINES | {"type": 1e-8}
    balancer = make_balancer(FinetuneConfig(balance=name), baselines, log_sigma=log_sigmas())
    balancer.begin(SOURCE_LOSSES | {"type": 0.0})
    balancer.end_epoch(HALVED | {"type": 0.0}, None)
    assert backward_weights(balancer)["type"] <= 1


def test_kendall_wants_something_to_train() -> None:
    with pytest.raises(ConfigError, match="kendall"):
        make_balancer(FinetuneConfig(balance="kendall"), BASELINES, log_sigma=None)


def test_targets_are_seventy_ten_ten_ten() -> None:
    assert [task.target for task in make("raw").tasks] == pytest.approx([0.7, 0.1, 0.1, 0.1])
    assert [task.name for task in make("raw").tasks] == list(TASKS)
