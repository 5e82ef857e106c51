from __future__ import annotations

from moola.balancing import Initial
from tests.balancing.family import BASELINES, SOURCE_LOSSES, approx, shares, tasks


def test_shares_start_at_the_targets() -> None:
    balancer = Initial(tasks())
    balancer.begin(SOURCE_LOSSES)
    assert shares(balancer) == approx(0.7, 0.1, 0.1, 0.1)


def test_before_the_first_pass_the_constant_predictors_are_the_ruler() -> None:
    assert shares(Initial(tasks()), BASELINES) == approx(0.7, 0.1, 0.1, 0.1)


def test_weights_stay_while_losses_fall_so_that_the_slowest_task_takes_over() -> None:
    balancer = Initial(tasks())
    balancer.begin(SOURCE_LOSSES)
    fallen = {task: loss * 0.2 for task, loss in SOURCE_LOSSES.items()} | {"type": 1.22 * 0.95}
    balancer.end_epoch(fallen, None)
    late = shares(balancer, fallen)
    assert late["ptr"] < 0.6
    assert late["type"] > 0.3
