from __future__ import annotations

from dataclasses import asdict

import pytest
import torch

from moola.exceptions import RunError
from moola.tally import EpochTally


def add(tally: EpochTally, *, loss: float, n: int, weight: float) -> None:
    tally.add(
        {"ptr": torch.tensor(loss), "type": torch.tensor(1.0)},
        {"ptr": torch.ones(n), "type": torch.ones(n)},
        {"ptr": weight, "type": 1.0},
    )


def test_losses_are_averaged_over_rows_and_weights_over_batches() -> None:
    tally = EpochTally()
    add(tally, loss=1.0, n=3, weight=2.0)
    add(tally, loss=5.0, n=1, weight=4.0)
    assert tally.mean_losses() == {"ptr": 2.0, "type": 1.0}
    assert tally.mean_weights() == {"ptr": 3.0, "type": 1.0}


def test_shares_are_of_what_went_backward_in_each_batch() -> None:
    tally = EpochTally()
    add(tally, loss=1.0, n=3, weight=2.0)
    add(tally, loss=5.0, n=1, weight=4.0)
    assert tally.loss_shares() == {"ptr": 22 / 24, "type": 2 / 24}


def test_a_task_without_labels_has_lost_nothing() -> None:
    tally = EpochTally()
    add(tally, loss=0.0, n=0, weight=1.0)
    assert tally.mean_losses()["ptr"] == 0.0


def test_a_copy_made_of_plain_numbers_goes_on() -> None:
    tally = EpochTally()
    add(tally, loss=1.0, n=3, weight=2.0)
    copy = EpochTally(**asdict(tally))
    add(copy, loss=5.0, n=1, weight=4.0)
    assert copy.mean_losses()["ptr"] == 2.0
    assert tally.n_batches == 1


@pytest.mark.parametrize("loss", [float("nan"), float("inf")])
def test_a_loss_that_is_no_number_stops_the_run_and_is_named(loss: float) -> None:
    with pytest.raises(RunError, match=f"loss of ptr should be finite. Found {loss}"):
        add(EpochTally(), loss=loss, n=1, weight=1.0)
