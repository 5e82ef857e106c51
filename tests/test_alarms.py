from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from moola.advice import advise
from moola.alarms import output_alarms
from moola.judgement import RunFacts, judge
from moola.schema import Task
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


def test_a_run_writes_its_alarms_where_it_probes(tmp_path: Path) -> None:
    run = toy_run(tmp_path, epochs=9, batch_size=9)
    finetune(run)
    rows = [row["alarms"] for row in run.history()]
    assert [i for i, found in enumerate(rows, start=1) if found is None] == [7, 9]
