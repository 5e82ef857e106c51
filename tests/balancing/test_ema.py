from __future__ import annotations

import pytest

from moola.balancing import Ema
from tests.balancing.family import (
    BASELINES,
    SOURCE_LOSSES,
    approx,
    backward_weights,
    decide,
    leaf_losses,
    shares,
    tasks,
)


def seen(balancer: Ema, losses: dict, *, steps: int) -> Ema:
    for _ in range(steps):
        decide(balancer, leaf_losses(losses))
    return balancer


def test_the_first_step_divides_by_the_constant_predictors() -> None:
    assert shares(Ema(tasks()), BASELINES) == approx(0.7, 0.1, 0.1, 0.1)


def test_one_step_moves_the_mean_by_a_twentieth_of_the_way() -> None:
    balancer = seen(Ema(tasks()), BASELINES | {"type": 2 * BASELINES["type"]}, steps=1)
    assert backward_weights(balancer)["type"] == pytest.approx(0.1 / (1.05 * BASELINES["type"]))


def test_shares_settle_at_the_targets() -> None:
    assert shares(seen(Ema(tasks()), SOURCE_LOSSES, steps=300)) == approx(0.7, 0.1, 0.1, 0.1)


def test_the_weight_of_a_solved_task_stays_below_ten_times_its_first() -> None:
    balancer = seen(Ema(tasks()), SOURCE_LOSSES | {"ptr": 1e-6}, steps=300)
    assert abs(backward_weights(balancer)["ptr"] - 0.7 / 0.00059) < 1e-2


def test_the_total_says_nothing_of_how_far_the_losses_have_fallen() -> None:
    """Pitfall 8: it stays near 1, so that nothing may watch it."""
    fallen = {task: loss / 5 for task, loss in BASELINES.items()}
    for losses in (BASELINES, fallen):
        balancer = seen(Ema(tasks()), losses, steps=300)
        assert decide(balancer, leaf_losses(losses)).loss.item() == pytest.approx(1, rel=1e-3)


def test_a_batch_without_anything_to_count_leaves_the_mean_alone() -> None:
    balancer = seen(Ema(tasks()), SOURCE_LOSSES | {"type": 0.0}, steps=50)
    assert balancer.means["type"] == BASELINES["type"]


def test_the_gradient_is_that_of_a_weighted_loss_and_not_of_a_loss_over_itself() -> None:
    """Pitfall 8: a loss over its own running mean must not be differentiated through that mean."""
    # L / L would be flat: all weights that reach backward would be zero.
    balancer = seen(Ema(tasks()), SOURCE_LOSSES, steps=300)
    assert backward_weights(balancer) == approx(46.667, 0.119, 0.139, 0.082, abs=1e-2)
