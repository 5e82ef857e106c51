"""The trainer is killed again and again: no epoch that it logged is lost, and it ends the same.

``MOOLA_TRAINER_KILLS`` sets how often (default 2); a trainer takes some seconds to start.
"""

from __future__ import annotations

import json
import os
import random
import signal
import time
from pathlib import Path

import pytest

from moola import launching
from moola.runs import RunFolder
from moola.train import finetune
from moola.workspace import Workspace
from tests.toy import toy_examples, toy_run
from tests.training import without_time

pytestmark = pytest.mark.slow

N_KILLS = int(os.environ.get("MOOLA_TRAINER_KILLS", "2"))
EPOCHS_PER_LIFE = 8
LONGEST_LIFE_S = 0.4
"""From the first epoch of a life to the kill: some epochs, a kill may meet any part of one."""
PATIENCE_S = 120.0


def logged(run: RunFolder) -> dict[int, str]:
    """Return every complete line of the history by its epoch, as it stands on disk."""
    path = run.path / "history.jsonl"
    lines = path.read_text().split("\n")[:-1] if path.exists() else []
    return {json.loads(line)["epoch"]: line for line in lines}


def one_life(run: RunFolder, workspace: Workspace, lasts_s: float) -> dict[int, str]:
    """Start or resume the trainer, kill it a while after its first epoch; return what it logged."""
    before, deadline = len(logged(run)), time.monotonic() + PATIENCE_S
    if run.status().is_live:
        launching.launch(run, workspace)
    else:
        launching.resume_run(run, workspace)
    while len(logged(run)) <= before:
        assert time.monotonic() < deadline, run.log_tail()
        time.sleep(0.005)
    time.sleep(lasts_s)
    pid = run.status().pid
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    while run.status().is_live:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    return logged(run)


def test_a_trainer_killed_at_any_moment_loses_no_logged_epoch(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path / "work")
    epochs = EPOCHS_PER_LIFE * (N_KILLS + 1)
    run = toy_run(workspace.runs_dir, toy_examples(8), epochs=epochs)
    chance, known = random.Random(5), dict[int, str]()
    for number in range(N_KILLS):
        found = one_life(run, workspace, chance.uniform(0, LONGEST_LIFE_S))
        assert sorted(found) == list(range(1, len(found) + 1))
        # The newest row may be computed anew: its checkpoint was perhaps still to be written.
        lost = {e for e, line in known.items() if found.get(e) != line and e != max(known)}
        assert lost == set()
        assert len(found) >= len(known)
        known = found
        if len(known) >= epochs - 1:
            pytest.fail(f"the run ended before kill {number + 2}")
    print(f"{len(known)} epochs logged by {N_KILLS} trainers that were killed")

    assert finetune(run) == "finished"
    whole = toy_run(tmp_path / "whole", toy_examples(8), epochs=epochs)
    finetune(whole)
    assert without_time(run) == without_time(whole)
