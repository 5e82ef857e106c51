"""Which windows got worse between two recorded epochs."""

from __future__ import annotations

import numpy as np
import pytest

from moola.schema import TASKS
from moola.window_losses import WindowLosses
from moola.worse_windows import Step, sentence, step_to, worse_windows

UIDS = np.array(["a", "b", "b", "c"])
BEFORE = [[0.01, 1, 1, 1], [0.01, 1, 1, 1], [0.01, 1, 1, 1], [0.01, 1, np.nan, 1]]
AFTER = [[0.03, 1, 1, 1], [0.01, 1, 1, 0.5], [0.01, 1, 1, 1.4], [0.01, 2, np.nan, 1]]


@pytest.fixture
def losses() -> WindowLosses:
    is_val = np.array([True, False, False, True])
    made = WindowLosses.empty(UIDS, is_val, TASKS)
    for epoch, loss in ((2, BEFORE), (4, AFTER), (6, BEFORE)):
        made = made.with_epoch(epoch, np.array(loss, np.float32))
    return made


@pytest.mark.parametrize(
    ("epoch", "step"), [(1, (2, 4)), (2, (2, 4)), (4, (2, 4)), (5, (2, 4)), (99, (4, 6))]
)
def test_an_epoch_is_compared_with_the_one_recorded_before(
    losses: WindowLosses, epoch: int, step: tuple[int, int]
) -> None:
    assert step_to(losses, epoch) == Step(*step)


def test_one_recorded_epoch_is_nothing_to_compare(losses: WindowLosses) -> None:
    assert step_to(losses.up_to(2), 2) is None


def test_a_small_loss_that_trebled_counts_more_than_a_large_one_that_doubled(
    losses: WindowLosses,
) -> None:
    table = worse_windows(losses, Step(2, 4))
    assert table["window_uid"].tolist() == ["a", "c", "b"], "a window with two spans stands once"
    assert table["change"].tolist() == pytest.approx([2 / 4, 1 / 3, 0.4 / 4], rel=2e-2)
    assert table["split"].tolist() == ["held out", "held out", "training"]
    assert table["ptr_before"][0] == pytest.approx(0.01, rel=1e-2)
    assert np.isnan(table["countdown_change"][1])


def test_the_sentence_counts_held_out_windows_alone(losses: WindowLosses) -> None:
    text = sentence(losses, Step(2, 4))
    assert "Pointers 1 of 2 (+100%)" in text
    assert "Binary 1 of 2 (+50%)" in text
    assert "Countdown 0 of 1 (+0%)" in text
