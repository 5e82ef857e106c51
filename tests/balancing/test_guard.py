from __future__ import annotations

import numpy as np
import pytest

from moola.balancing import Epoch, Guard, Kendall
from moola.schema import TASKS
from moola.shares import TaskGradients
from tests.balancing.family import (
    BASELINES,
    backward_weights,
    decide,
    leaf_losses,
    log_sigmas,
    tasks,
)


def heard(guard: Guard, **shares: float) -> None:
    """End an epoch whose weighted gradients have these shares."""
    decision = decide(guard, leaf_losses(BASELINES))
    norms = [shares[task] / decision.weights[task] for task in TASKS]
    guard.end_epoch(BASELINES, TaskGradients(TASKS, np.diag(np.square(norms))))


def test_a_task_at_a_tenth_of_its_target_doubles_once_an_epoch() -> None:
    guard = Guard(Epoch(tasks()))
    for expected in (2.0, 4.0, 8.0, 8.0):
        heard(guard, ptr=0.79, binary=0.1, countdown=0.1, type=0.01)
        assert guard.boosts["type"] == pytest.approx(expected)
    assert [guard.boosts[task] for task in TASKS[:3]] == [1, 1, 1]


def test_just_below_half_the_target_it_rises_to_just_there() -> None:
    guard = Guard(Epoch(tasks()))
    heard(guard, ptr=0.76, binary=0.1, countdown=0.1, type=0.04)
    assert guard.boosts["type"] == pytest.approx(0.05 / 0.04)


def test_a_task_that_does_not_move_the_encoder_at_all_rises_as_fast_as_allowed() -> None:
    guard = Guard(Epoch(tasks()))
    heard(guard, ptr=0.8, binary=0.1, countdown=0.1, type=0.0)
    assert guard.boosts["type"] == 2


def test_a_boost_that_is_no_longer_needed_fades() -> None:
    guard = Guard(Epoch(tasks()))
    heard(guard, ptr=0.79, binary=0.1, countdown=0.1, type=0.01)
    heard(guard, ptr=0.7, binary=0.1, countdown=0.1, type=0.1)
    assert guard.boosts["type"] == pytest.approx(1.9)


def test_the_boost_reaches_backward_and_is_reported() -> None:
    guard = Guard(Epoch(tasks()))
    before = backward_weights(guard, BASELINES)
    heard(guard, ptr=0.79, binary=0.1, countdown=0.1, type=0.01)
    after = backward_weights(guard, BASELINES)
    assert after["type"] == pytest.approx(2 * before["type"])
    assert after["ptr"] == pytest.approx(before["ptr"])
    assert decide(guard, leaf_losses(BASELINES)).weights == pytest.approx(after)


def test_a_learned_weight_does_not_see_the_boost_and_cannot_undo_it() -> None:
    plain, guarded = Kendall(tasks(), log_sigmas()), Guard(Kendall(tasks(), log_sigmas()))
    guarded.boosts["type"] = 4.0
    for balancer in (plain, guarded):
        decide(balancer, leaf_losses()).loss.backward()
    inner = guarded.inner
    assert isinstance(inner, Kendall)
    assert inner.log_sigma.grad is not None
    assert plain.log_sigma.grad is not None
    assert inner.log_sigma.grad.tolist() == plain.log_sigma.grad.tolist()


def test_at_a_largest_boost_of_one_it_is_the_bare_strategy() -> None:
    guard = Guard(Epoch(tasks()), max_boost=1)
    heard(guard, ptr=0.79, binary=0.1, countdown=0.1, type=0.01)
    bare = Epoch(tasks())
    bare.end_epoch(BASELINES, None)
    assert backward_weights(guard) == backward_weights(bare)


def test_without_a_probe_nothing_is_boosted() -> None:
    guard = Guard(Epoch(tasks()))
    guard.end_epoch(BASELINES, None)
    assert set(guard.boosts.values()) == {1.0}


def test_the_state_of_a_run_without_a_guard_starts_it_without_boosts() -> None:
    guard = Guard(Epoch(tasks()))
    guard.load_state_dict(Epoch(tasks()).state_dict())
    assert set(guard.boosts.values()) == {1.0}
