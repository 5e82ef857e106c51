from __future__ import annotations

from moola.balancing import Manual
from moola.schema import TASKS
from tests.balancing.family import approx, shares, tasks


def by_hand(*weights: float) -> Manual:
    return Manual(tasks(), dict(zip(TASKS, weights, strict=True)))


def test_the_weights_of_the_notes_give_the_pointers_31_percent() -> None:
    """Pitfall 1: weights are not shares; 50/1/1/0.1 on the losses of the notes is no 70 %."""
    assert shares(by_hand(50, 1, 1, 0.1)) == approx(0.308, 0.345, 0.296, 0.050)


def test_targets_over_losses_give_the_targets() -> None:
    assert shares(by_hand(46.7, 0.119, 0.139, 0.082)) == approx(0.7, 0.1, 0.1, 0.1, abs=1e-3)


def test_with_a_countdown_in_bars_the_weights_of_the_notes_give_the_pointers_4_percent() -> None:
    losses = {"ptr": 0.015, "binary": 0.84, "countdown": 15.5, "type": 1.22}
    assert 0.03 < shares(by_hand(50, 1, 1, 0.1), losses)["ptr"] < 0.05
