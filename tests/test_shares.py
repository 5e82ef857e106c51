from __future__ import annotations

import numpy as np
import pytest

from moola.schema import Task
from moola.shares import TaskGradients, loss_shares

TASKS: tuple[Task, ...] = ("ptr", "binary")


def gradients(*vectors: tuple[float, float]) -> TaskGradients:
    flat = np.array(vectors)
    return TaskGradients(TASKS, flat @ flat.T)


def test_loss_shares_sum_to_one() -> None:
    assert loss_shares({"ptr": 3.0, "type": 1.0}) == {"ptr": 0.75, "type": 0.25}


def test_nothing_lost_is_nobodys_share() -> None:
    assert loss_shares({"ptr": 0.0, "type": 0.0}) == {"ptr": 0.0, "type": 0.0}


def test_gradient_shares_compare_weighted_lengths() -> None:
    shares = gradients((3, 4), (0, 2)).shares({"ptr": 1.0, "binary": 2.5})
    assert shares == {"ptr": 0.5, "binary": 0.5}


def test_orthogonal_gradients_get_their_way_by_their_squares() -> None:
    aligned = gradients((3, 0), (0, 1)).aligned_shares({"ptr": 1.0, "binary": 1.0})
    assert aligned == pytest.approx({"ptr": 0.9, "binary": 0.1})


def test_an_overruled_task_has_a_negative_aligned_share() -> None:
    aligned = gradients((3, 0), (-1, 0)).aligned_shares({"ptr": 1.0, "binary": 1.0})
    assert aligned == pytest.approx({"ptr": 1.5, "binary": -0.5})


def test_cosines_name_the_pair_and_survive_a_dead_task() -> None:
    assert gradients((1, 0), (-2, 0)).cosines() == {"ptr-binary": pytest.approx(-1)}
    assert gradients((1, 0), (0, 0)).cosines() == {"ptr-binary": 0.0}
