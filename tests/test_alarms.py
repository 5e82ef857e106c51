from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from moola.advice import advise, badges
from moola.alarms import Watch, output_alarms, still_heads
from moola.judgement import RunFacts, judge
from moola.schema import Task
from moola.tally import EpochTally
from moola.train import finetune
from tests.epoch_rows import epochs
from tests.toy import toy_run

PLAN = RunFacts(epochs=20)


def sigmoid(x: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-x))


@pytest.mark.parametrize("task", ["ptr", "binary", "countdown", "type"])
def test_a_head_that_says_the_same_of_every_window_is_constant(task: Task) -> None:
    same = np.full((9, 3), 0.4, np.float32)
    assert output_alarms({task: same}) == [f"CONSTANT_OUTPUT/{task}"]
    varied = same + np.arange(9, dtype=np.float32)[:, None] / 10
    assert output_alarms({task: varied}) == []


def test_a_sigmoid_applied_twice_is_seen_by_its_range() -> None:
    logits = np.linspace(-8, 8, 105, dtype=np.float32)[None]
    assert output_alarms({"binary": sigmoid(logits)}) == []
    assert output_alarms({"binary": sigmoid(sigmoid(logits))}) == ["SQUEEZED/binary"]


def test_an_alarm_is_judged_after_warm_up_since_it_began_and_says_what_to_do() -> None:
    history = [row | {"alarms": []} for row in epochs(6)]
    for row in history[3:]:
        row["alarms"] = ["CONSTANT_OUTPUT/type"]
    history.append(epochs(1, first=7)[0] | {"alarms": None})  # an epoch without a probe
    (alert,) = judge(history, PLAN)
    assert (alert.code, alert.task, alert.since_epoch) == ("CONSTANT_OUTPUT", "type", 4)
    assert "same of every window" in advise(history, PLAN)[0].cause
    early = [row | {"alarms": ["SQUEEZED/binary"]} for row in epochs(3)]
    assert judge(early, PLAN) == []


def test_answers_that_do_not_move_by_a_millionth_between_probes_are_still() -> None:
    """Not the same as constant output: these differ from window to window, and not over time."""
    watch = Watch()
    varied = np.float32([[0.1, 0.9], [0.6, 0.4]])
    assert watch.look({"type": varied}, unreached=[]) == []  # nothing to compare with yet
    assert watch.look({"type": varied + np.float32(5e-7)}, unreached=[]) == ["STILL/type"]
    assert watch.look({"type": varied + np.float32(1e-4)}, unreached=[]) == []
    bars = np.float32([[3.0], [9.0]])
    assert still_heads({"countdown": bars}, {"countdown": bars + np.float32(4e-5)}) == ["countdown"]
    assert still_heads({"countdown": bars}, {"countdown": bars + np.float32(1e-3)}) == []


def test_a_head_is_dead_after_three_probed_epochs_without_gradient_or_movement() -> None:
    for alarm, words in (("NO_GRADIENT", "own parameters"), ("STILL", "no longer move")):
        probed = [row | {"alarms": [f"{alarm}/type"]} for row in epochs(6)]
        unprobed = epochs(1, first=7)[0] | {"alarms": None}
        assert judge(probed[:5], PLAN) == []  # epochs 4 and 5: two in a row
        (found,) = advise([*probed, unprobed], PLAN)
        assert (found.alert.code, found.alert.level) == ("DEAD_HEAD", "error")
        assert (found.alert.task, found.alert.since_epoch) == ("type", 4)
        assert words in found.alert.evidence
        assert found.actions[0].options == {"lr": 1e-3}
        assert badges(probed, PLAN)["type"] == "DEAD_PATH"
        revived = epochs(1, first=8)[0] | {"alarms": []}
        assert judge([*probed, unprobed, revived], PLAN) == []


def test_a_head_whose_weight_is_zero_is_dead_for_that_reason(tmp_path: Path) -> None:
    run = toy_run(tmp_path, epochs=6, batch_size=9, balance="manual", weights=(50.0, 1.0, 1.0, 0.0))
    finetune(run)
    assert [row["alarms"] for row in run.history()] == [["NO_GRADIENT/type"]] * 6
    dead = [item for item in advise(run.history(), PLAN) if item.alert.code == "DEAD_HEAD"]
    assert [item.alert.task for item in dead] == ["type"]
    assert "weight is 0" in dead[0].cause
    assert dead[0].actions[0].options == {"balance": "epoch"}


def test_an_epoch_without_entries_for_a_task_is_no_dead_head() -> None:
    tally = EpochTally(entries={"binary": 210.0, "type": 0.0, "ptr": 2.0})
    tally.reach(["binary"])
    assert tally.unreached() == ["ptr"]


def test_a_run_writes_its_alarms_where_it_probes(tmp_path: Path) -> None:
    run = toy_run(tmp_path, epochs=9, batch_size=9)
    finetune(run)
    rows = [row["alarms"] for row in run.history()]
    assert [i for i, found in enumerate(rows, start=1) if found is None] == [7, 9]
