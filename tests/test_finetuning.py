"""The process around a training: killed, stopped, queued, failed, and continued."""

from __future__ import annotations

import os
import signal

import pytest

from moola import launching
from moola.exceptions import RunError
from moola.runs import RunFolder
from moola.train import finetune
from moola.workspace import Workspace
from tests.processes import long_run, wait_for, wait_for_state, wait_until_training, workspace
from tests.toy import toy_examples, toy_run

__all__ = ["workspace"]  # a fixture

pytestmark = pytest.mark.slow


def losses(run: RunFolder) -> list[dict[str, float]]:
    return [row["raw"] for row in run.history()]


def test_kill_9_is_seen_as_a_crash_and_resume_ends_with_the_same_losses(
    workspace: Workspace,
) -> None:
    whole, killed = (long_run(workspace, epochs=8) for _ in range(2))
    assert finetune(whole) == "finished"

    launching.launch(killed, workspace)
    wait_until_training(killed, epoch=2)
    pid = killed.status().pid
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    wait_for_state(killed, "crashed")
    wait_for(lambda: "killed by SIGKILL" in killed.status().message, "the supervisor's word")

    n_logged = len(killed.history())
    launching.resume_run(killed, workspace)
    wait_for_state(killed, "finished")
    assert 2 <= n_logged < 8
    for row, expected in zip(losses(killed), losses(whole), strict=True):
        assert row == pytest.approx(expected, abs=1e-6)
    assert killed.predictions() is not None
    assert (killed.path / "success.json").exists()


def test_stop_saves_and_says_stopped_and_leaves_predictions(workspace: Workspace) -> None:
    run = long_run(workspace)
    launching.launch(run, workspace)
    wait_until_training(run)
    launching.stop_run(run)
    wait_for_state(run, "stopped")
    assert (run.path / "last.pt").exists()
    assert run.predictions() is not None
    assert 2 <= len(run.history()) < 400


def test_a_run_stopped_while_it_is_still_loading_is_stopped_not_crashed(
    workspace: Workspace,
) -> None:
    run = long_run(workspace)
    launching.launch(run, workspace)
    launching.stop_run(run)
    wait_for_state(run, "stopped")
    assert run.history() == []


def test_runs_queue_and_one_that_is_stopped_or_killed_lets_the_next_in(
    workspace: Workspace,
) -> None:
    first, second, third = (long_run(workspace) for _ in range(3))
    for run in (first, second, third):
        launching.launch(run, workspace)
    wait_until_training(first)
    wait_for(lambda: (third.path / ".run.lock").exists(), "the last one waits for its turn")
    assert [run.status().state for run in (second, third)] == ["queued", "queued"]

    launching.stop_run(second)
    wait_for_state(second, "stopped")
    pid = first.status().pid
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    wait_until_training(third)


def test_a_run_is_carried_by_one_process_only(workspace: Workspace) -> None:
    run = long_run(workspace)
    launching.launch(run, workspace)
    wait_until_training(run)
    with (
        pytest.raises(RunError, match="already carried by another process"),
        launching.training_turn(run, stopped=lambda: False),
    ):
        pass
    with pytest.raises(RunError, match="should be stopped before it is resumed"):
        launching.resume_run(run, workspace)


def test_a_damaged_checkpoint_fails_the_run_with_its_reason(workspace: Workspace) -> None:
    run = long_run(workspace, epochs=3)
    (run.path / "last.pt").write_bytes(b"not a checkpoint")
    launching.launch(run, workspace)
    wait_for_state(run, "failed")
    assert "last.pt" in run.status().message
    assert "Traceback" not in run.status().message


def test_a_bar_on_both_sides_of_the_split_fails_the_run(workspace: Workspace) -> None:
    leaking = toy_examples(12)
    leaking.bar_start[3] = leaking.bar_start[2] + 50  # row 3 is for validation, row 2 is not
    run = toy_run(workspace.runs_dir, leaking)
    launching.launch(run, workspace)
    wait_for_state(run, "failed")
    assert "No bar should stand in both training and validation" in run.status().message
    assert run.history() == []


def test_the_devices_are_asked_of_a_process_of_their_own() -> None:
    assert "cpu" in {item["key"] for item in launching.list_devices()}
