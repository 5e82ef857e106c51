from __future__ import annotations

from typing import Any

import pytest

from moola.schema import TASKS
from moola.silence import Silence, ever_silenced, silenced_tasks, target_shares

ON_TARGET = (0.7, 0.1, 0.1, 0.1)
POINTERS_STARVED = (0.036, 0.291, 0.25, 0.423)
TYPE_WITHOUT_GRADIENT = (0.85, 0.08, 0.06, 0.01)


def rows(*shares: tuple[float, ...], gradient: tuple[float, ...] | None = ON_TARGET) -> list[dict]:
    """Epoch rows from 1 on with these loss shares and one gradient share for all."""

    def by_task(values: tuple[float, ...] | None) -> dict[str, Any] | None:
        return None if values is None else dict(zip(TASKS, values, strict=True))

    return [
        {"epoch": epoch, "loss_share": by_task(loss), "grad_share": by_task(gradient)}
        for epoch, loss in enumerate(shares, start=1)
    ]


def found(history: list[dict]) -> list[tuple[str, str]]:
    return [(silence.task, silence.kind) for silence in silenced_tasks(history)]


def test_a_starved_task_is_reported_at_epoch_six_since_epoch_four() -> None:
    history = rows(*[POINTERS_STARVED] * 6)
    assert silenced_tasks(history[:5]) == []
    assert silenced_tasks(history) == [
        Silence(
            task="ptr",
            kind="loss",
            since_epoch=4,
            share=0.036,
            target=0.7,
            dominant_task="type",
            dominant_share=0.423,
        )
    ]


def test_the_report_is_one_sentence() -> None:
    sentence = str(silenced_tasks(rows(*[POINTERS_STARVED] * 8))[0])
    assert sentence == (
        "Pointers silent since epoch 4: loss share 3.6% (target 70%); largest: Type 42%."
    )


def test_a_task_on_its_loss_target_can_be_silent_in_the_gradient() -> None:
    history = rows(*[ON_TARGET] * 6, gradient=TYPE_WITHOUT_GRADIENT)
    assert found(history) == [("type", "gradient")]
    assert silenced_tasks(history)[0].dominant_task == "ptr"


def test_one_bad_epoch_between_good_ones_is_nothing() -> None:
    history = rows(*[ON_TARGET] * 5, POINTERS_STARVED, *[ON_TARGET] * 3)
    for n_rows in range(len(history) + 1):
        assert silenced_tasks(history[:n_rows]) == []
    assert ever_silenced(history) == []


def test_a_frozen_encoder_has_no_gradient_rule() -> None:
    assert found(rows(*[ON_TARGET] * 9, gradient=None)) == []
    assert found(rows(*[POINTERS_STARVED] * 9, gradient=None)) == [("ptr", "loss")]


@pytest.mark.parametrize(
    ("share", "is_silent"), [(0.174, True), (0.175, False), (0.18, False), (0.0, True)]
)
def test_pointers_are_silent_below_a_quarter_of_their_target(share: float, is_silent: bool) -> None:
    rest = (1 - share) / 3
    assert (found(rows(*[(share, rest, rest, rest)] * 6)) == [("ptr", "loss")]) is is_silent


def test_the_first_three_epochs_do_not_count() -> None:
    assert silenced_tasks(rows(*[POINTERS_STARVED] * 3, *[ON_TARGET] * 2)) == []
    assert silenced_tasks(rows(*[POINTERS_STARVED] * 5, ON_TARGET)) == []


def test_a_recovered_task_is_remembered_but_not_reported() -> None:
    history = rows(*[POINTERS_STARVED] * 7, *[ON_TARGET] * 2)
    assert silenced_tasks(history) == []
    assert [(silence.task, silence.since_epoch) for silence in ever_silenced(history)] == [
        ("ptr", 4)
    ]


def test_a_run_of_two_tasks_is_measured_against_its_own_targets() -> None:
    assert target_shares(["type", "ptr"]) == pytest.approx({"ptr": 0.875, "type": 0.125})
    history = [
        {"epoch": epoch, "loss_share": {"ptr": 0.96, "type": 0.04}, "grad_share": None}
        for epoch in range(1, 8)
    ]
    assert silenced_tasks(history) == []


@pytest.mark.parametrize("history", [[], [{"epoch": 9}], [{"epoch": 9, "loss_share": None}] * 5])
def test_rows_without_shares_report_nothing(history: list[dict]) -> None:
    assert silenced_tasks(history) == []
