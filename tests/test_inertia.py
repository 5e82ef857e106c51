from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import pytest

from moola.advice import advise
from moola.inertia import inertia
from moola.judgement import RunFacts
from tests.epoch_rows import POINTERS_STARVED, epochs

LOWEST, HIGHEST = math.log(0.1) / 2, math.log(2) / 2


def kendall(path: Sequence[float | None], *, ratio: float) -> list[dict[str, Any]]:
    """Return epochs whose pointers' log-sigma went `path` and lose `ratio` times the constant."""
    rows = epochs(len(path), loss=POINTERS_STARVED, skill={"ptr": 0.5})
    for row, value in zip(rows, path, strict=True):
        row["raw"]["ptr"] = ratio  # 0.5 held out at skill 0.5: the constant loses 1
        row["log_sigma"] = None if value is None else {"ptr": value}
    return rows


@pytest.mark.parametrize(
    ("path", "ratio", "planned", "evidence"),
    [
        # half ln 0.25 is -0.69: 0.63 away at 0.02 an epoch, which takes 32 epochs
        ([0.0, -0.02, -0.04, -0.06], 0.25, 20, "is -0.06, should be -0.69, and moves 0.020"),
        ([0.0, -0.02, -0.04, -0.06], 0.25, 40, None),
        ([0.0, -0.2, -0.4, -0.6], 0.25, 20, None),
        # beyond the bound nothing is learned any more, however many epochs are left
        ([0.0, -0.6, LOWEST, LOWEST], 0.02, 400, "stands at a bound, -1.15, and its loss asks"),
        ([0.0, 0.2, HIGHEST, HIGHEST], 4.0, 400, "stands at a bound, 0.35"),
        # at a bound, but on the way back
        ([0.3, 0.33, HIGHEST, HIGHEST - 0.005], 1.0, 400, None),
        # arrived: a standstill is no inertia
        ([-0.69, -0.69, -0.69, -0.69], 0.25, 20, None),
        # a standstill short of the optimum is
        ([0.0, 0.0, 0.0, 0.0], 0.25, 20, "moves 0.000 an epoch with 16 left"),
        # one epoch has no pace, and other strategies have no log-sigma
        ([0.0], 0.25, 20, None),
        ([None, None, None, None], 0.25, 20, None),
    ],
)
def test_a_log_sigma_is_inert_if_it_will_not_arrive_in_the_epochs_left(
    path: list[float | None], ratio: float, planned: int, evidence: str | None
) -> None:
    found = inertia(kendall(path, ratio=ratio), "ptr", planned)
    assert (found is None) if evidence is None else (found is not None and evidence in found)


def test_the_pace_is_that_of_the_last_three_epochs() -> None:
    path = [0.0, -0.3, -0.30, -0.31, -0.32, -0.33]
    found = inertia(kendall(path, ratio=0.25), "ptr", 30)
    assert found is not None
    assert "moves 0.010 an epoch with 24 left" in found


@pytest.mark.parametrize(
    ("path", "cause"),
    [
        ([-0.02 * i for i in range(6)], "Inertia: its log-sigma is -0.10"),
        ([-0.69] * 6, "moved faster"),
    ],
)
def test_a_silence_under_kendall_is_called_inertia_only_on_evidence(
    path: list[float | None], cause: str
) -> None:
    found = advise(kendall(path, ratio=0.25), RunFacts(epochs=20, balance="kendall"))
    (silence,) = [a for a in found if (a.alert.code, a.alert.task) == ("LOSS_SILENCED", "ptr")]
    assert cause in silence.cause
    switches = [dict(action.options) for action in silence.actions] == [{"balance": "epoch"}]
    assert switches == cause.startswith("Inertia")
