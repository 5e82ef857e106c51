from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from moola.balancing import Epoch
from moola.schema import TASKS
from tests.balancing.family import (
    BASELINES,
    SOURCE_LOSSES,
    approx,
    backward_weights,
    shares,
    tasks,
)


def test_the_first_epoch_divides_by_the_constant_predictors() -> None:
    assert shares(Epoch(tasks()), BASELINES) == approx(0.7, 0.1, 0.1, 0.1)


def test_every_later_epoch_divides_by_the_one_before() -> None:
    balancer = Epoch(tasks())
    balancer.end_epoch(SOURCE_LOSSES, None)
    assert shares(balancer) == approx(0.7, 0.1, 0.1, 0.1)
    assert backward_weights(balancer) == approx(46.667, 0.119, 0.139, 0.082, abs=1e-3)


@given(st.lists(st.floats(0.12, 100), min_size=4, max_size=4))
def test_shares_are_on_target_whatever_the_scales_of_the_losses(factors: list[float]) -> None:
    losses = {t: BASELINES[t] * factor for t, factor in zip(TASKS, factors, strict=True)}
    balancer = Epoch(tasks())
    balancer.end_epoch(losses, None)
    assert shares(balancer, losses) == approx(0.7, 0.1, 0.1, 0.1)


def test_a_solved_task_is_divided_by_a_tenth_of_its_constant_loss_at_least() -> None:
    balancer = Epoch(tasks())
    balancer.end_epoch(SOURCE_LOSSES | {"ptr": 0.0}, None)
    assert abs(backward_weights(balancer)["ptr"] - 0.7 / 0.00059) < 1e-2


def test_weights_do_not_move_inside_an_epoch() -> None:
    balancer = Epoch(tasks())
    assert backward_weights(balancer, SOURCE_LOSSES) == backward_weights(balancer, BASELINES)
