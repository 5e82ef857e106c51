"""The test vectors of the balancing notes, and every condition by hand."""

from __future__ import annotations

import math
from typing import Any

import pytest

from moola.judgement import RunFacts, judge
from moola.schema import TASKS
from moola.silence import SilenceRules
from tests.epoch_rows import ON_TARGET, POINTERS_STARVED, TYPE_WITHOUT_GRADIENT, epochs

PLAN = RunFacts(epochs=20)


def codes(history: list[dict], facts: RunFacts = PLAN, **rules: Any) -> set[tuple[str, str]]:
    return {(a.code, a.task) for a in judge(history, facts, SilenceRules(**rules))}


def test_a_starved_pointer_is_reported_at_epoch_six_since_epoch_four() -> None:
    history = epochs(6, loss=POINTERS_STARVED)
    assert codes(history[:5]) == {("OUT_OF_BAND", "ptr"), ("OUT_OF_BAND", "type")}
    assert codes(history) == {("LOSS_SILENCED", "ptr"), ("OUT_OF_BAND", "type")}
    silent = judge(history, PLAN)[0]
    assert (silent.level, silent.since_epoch) == ("error", 4)
    assert "3.6%" in silent.evidence
    assert "largest: Type 42%" in silent.evidence


def test_a_task_on_its_loss_target_can_be_silent_in_the_gradient() -> None:
    """Pitfall 14: a loss share is not influence."""
    history = epochs(6, gradient=TYPE_WITHOUT_GRADIENT, skill={"type": 0.02})
    assert codes(history) == {("GRAD_SILENCED", "type"), ("NOT_LEARNING", "type")}


def test_it_may_learn_all_the_same_by_its_head_alone() -> None:
    rising = {"type": [0.1, 0.2, 0.3, 0.35, 0.38, 0.4]}
    history = epochs(6, gradient=TYPE_WITHOUT_GRADIENT, skill=rising)
    assert codes(history) == {("GRAD_SILENCED", "type"), ("HEAD_ONLY", "type")}


def test_one_bad_epoch_between_good_ones_is_nothing() -> None:
    history = epochs(5) + epochs(1, loss=POINTERS_STARVED, first=6) + epochs(3, first=7)
    assert codes(history) == set()


def test_a_frozen_encoder_has_no_gradient_to_judge_whatever_the_last_epochs_did() -> None:
    frozen = RunFacts(epochs=20, is_frozen=True)
    for last_skills in ([0.4, 0.45, 0.5], [0.5, 0.45, 0.4], [0.4, 0.4, 0.4]):
        skill = {"type": [0.01, 0.02, 0.1, 0.2, 0.3, *last_skills], "ptr": 0.02}
        history = epochs(8, gradient=None, skill=skill)
        found = {alert.task: alert for alert in judge(history, frozen)}
        assert (found["type"].code, found["type"].since_epoch) == ("HEAD_ONLY", 3)
        assert "encoder is frozen" in found["type"].evidence
        assert found["ptr"].code == "NOT_LEARNING"


@pytest.mark.parametrize("loss", [math.nan, math.inf, None, 0.0])
def test_a_loss_that_is_no_number_is_a_dead_path_at_once(loss: float | None) -> None:
    history = epochs(1)
    history[0]["raw"]["countdown"] = loss
    (alert,) = judge(history, PLAN)
    assert (alert.code, alert.task, alert.level) == ("DEAD_PATH", "countdown", "error")


@pytest.mark.parametrize("norm", [math.nan, 0.0, None])
def test_a_head_whose_gradient_never_arrives_is_a_dead_path(norm: float | None) -> None:
    history = epochs(1)
    history[0]["grad_raw"]["type"] = norm
    assert codes(history) == {("DEAD_PATH", "type")}
    assert codes(history, RunFacts(epochs=20, is_frozen=True)) == set()


def test_shares_are_judged_whatever_the_total_of_kendall_says() -> None:
    history = epochs(6, loss=POINTERS_STARVED)
    for row in history:
        row["total"] = -3.0
    assert ("LOSS_SILENCED", "ptr") in codes(history)


def test_skill_is_not_judged_before_a_quarter_of_the_plan() -> None:
    history = epochs(14, skill={"type": 0.0})
    assert codes(history, RunFacts(epochs=60)) == set()
    assert codes(epochs(15, skill={"type": 0.0}), RunFacts(epochs=60)) == {("NOT_LEARNING", "type")}
    assert codes(epochs(4, skill={"type": 0.0}), RunFacts(epochs=4)) == set()


def test_a_validation_loss_a_fifth_above_its_best_for_three_epochs_regresses() -> None:
    history = epochs(8)
    for row, loss in zip(history, [1, 0.5, 0.4, 0.3, 0.3, 0.37, 0.38, 0.39], strict=True):
        row["val_raw"]["binary"] = loss
    assert codes(history[:7]) == set()
    assert codes(history) == {("REGRESSING", "binary")}


def test_a_task_that_the_others_pull_against_in_most_probes_is_overruled() -> None:
    history = epochs(6)
    for row in history[:5]:
        row["aligned_share"]["type"] = -0.1
    assert codes(history) == {("OVERRULED", "type")}
    assert codes(history[:5]) == set()


def test_out_of_band_becomes_a_warning_after_three_epochs() -> None:
    history = epochs(6, loss=(0.55, 0.2, 0.15, 0.1))
    levels = [judge(history[:n], PLAN)[0].level for n in (4, 5, 6)]
    assert levels == ["info", "info", "warn"]
    assert judge(history[:3], PLAN) == []


def test_old_runs_can_be_judged_with_other_thresholds() -> None:
    history = epochs(6, loss=(0.3, 0.3, 0.3, 0.1))
    assert codes(history) == {("OUT_OF_BAND", "ptr")}
    assert codes(history, silent_part=0.5) == {("LOSS_SILENCED", "ptr")}


def test_nothing_is_said_of_a_run_without_epochs() -> None:
    assert judge([], PLAN) == []


def test_errors_come_first_then_the_order_of_the_tasks() -> None:
    history = epochs(8, loss=(0.0, 0.5, 0.0, 0.5), skill={"binary": 0.0})
    found = [(a.level, a.task) for a in judge(history, PLAN)]
    assert found == sorted(found, key=lambda f: (["error", "warn"].index(f[0]), TASKS.index(f[1])))
    assert ON_TARGET == (0.7, 0.1, 0.1, 0.1)


def without_probe(history: list[dict], *epochs_left_out: int) -> list[dict]:
    """Return the rows with no gradient measured in some epochs, as between two probes."""
    columns = ("grad_raw", "grad_share", "aligned_share")
    return [
        row | dict.fromkeys(columns) if row["epoch"] in epochs_left_out else row for row in history
    ]


def test_a_streak_counts_probed_epochs_and_lasts_between_them() -> None:
    history = epochs(15, gradient=TYPE_WITHOUT_GRADIENT)
    sparse = without_probe(history, 5, 6, 7, 9, 10, 11, 13, 14, 15)
    assert codes(sparse[:8]) == codes(sparse[:11]) == set()
    assert codes(sparse[:12]) == codes(sparse) == {("GRAD_SILENCED", "type")}
    (silent,) = judge(sparse, PLAN)
    assert silent.since_epoch == 4
    assert "gradient share 1.0%" in silent.evidence


def test_a_probe_that_hears_a_task_ends_its_streak_at_once() -> None:
    history = epochs(8, gradient=TYPE_WITHOUT_GRADIENT) + epochs(4, first=9)
    assert codes(without_probe(history, 9, 10, 11)) == set()
    assert codes(without_probe(history, 9, 10, 11)[:11]) == {("GRAD_SILENCED", "type")}


def test_the_vectors_hold_where_later_epochs_have_no_probe() -> None:
    silent = epochs(10, gradient=TYPE_WITHOUT_GRADIENT, skill={"type": 0.02})
    rising = epochs(10, gradient=TYPE_WITHOUT_GRADIENT, skill={"type": [i / 20 for i in range(10)]})
    starved = epochs(10, loss=POINTERS_STARVED)
    one_bad = epochs(5) + epochs(1, gradient=TYPE_WITHOUT_GRADIENT, first=6) + epochs(4, first=7)
    gaps = (7, 9, 10)
    assert codes(without_probe(silent, *gaps)) == {
        ("GRAD_SILENCED", "type"),
        ("NOT_LEARNING", "type"),
    }
    assert codes(without_probe(rising, *gaps)) == {("GRAD_SILENCED", "type"), ("HEAD_ONLY", "type")}
    assert ("LOSS_SILENCED", "ptr") in codes(without_probe(starved, *gaps))
    assert codes(without_probe(one_bad, *gaps)) == set()


def test_a_restart_begins_every_streak_anew() -> None:
    history = epochs(7, loss=POINTERS_STARVED) + epochs(3, loss=POINTERS_STARVED, first=8)
    history[7]["restart"] = {"from_run": "x", "from_epoch": 7, "balance_before": "raw"}
    assert ("LOSS_SILENCED", "ptr") in codes(history[:7])
    assert ("LOSS_SILENCED", "ptr") not in codes(history[:9])
    found = [alert for alert in judge(history, PLAN) if alert.code == "LOSS_SILENCED"]
    assert [alert.since_epoch for alert in found] == [8]
