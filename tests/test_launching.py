"""Runs in processes of their own: why one crashed, kill, Ctrl-C, and runs of other machines."""

from __future__ import annotations

import json
import os
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from moola import launching
from moola.atomic import write_json
from moola.endings import Ending, write_ending
from moola.launching.local import child_environment
from moola.liveness import RunJob, write_job
from moola.runs import RunFolder
from moola.supervisor import ALIVE_FILE
from moola.workspace import Workspace
from tests.processes import long_run, wait_for, wait_for_state, wait_until_training, workspace
from tests.toy import toy_run

__all__ = ["workspace"]  # a fixture


@pytest.fixture
def run(tmp_path: Path) -> RunFolder:
    """A run that says it trains on another machine, a moment ago."""
    run = toy_run(tmp_path)
    run.write_status(state="running", pid=1234, create_time=time.time() - 9, host="elsewhere")
    return run


@pytest.mark.slow
def test_kill_ends_a_run_at_once_and_says_that_it_was_wanted(workspace: Workspace) -> None:
    run = long_run(workspace)
    launching.launch(run, workspace)
    wait_until_training(run)
    launching.kill_run(run)
    wait_for_state(run, "stopped")
    assert "Killed before it could save" in run.status().message
    assert run.predictions() is None


@pytest.mark.slow
def test_a_run_that_gets_no_memory_says_so(workspace: Workspace) -> None:
    run = long_run(workspace)
    launching.launch(run, workspace)
    wait_until_training(run)
    pid = run.status().pid
    assert pid is not None
    used = psutil.Process(pid).memory_info().vms
    resource.prlimit(pid, resource.RLIMIT_AS, (used, used))
    wait_for(lambda: not run.status().is_live, "the end of a starved run")
    assert "ran out of memory" in run.status().message


@pytest.mark.slow
def test_ctrl_c_in_the_terminal_of_the_app_reaches_no_run(workspace: Workspace) -> None:
    run = long_run(workspace)
    code = (
        "import signal, sys, time; from pathlib import Path; from moola import launching;"
        "signal.signal(signal.SIGINT, signal.default_int_handler);"  # ignored in the background
        "from moola.runs import RunFolder; from moola.workspace import Workspace;"
        "launching.launch(RunFolder(Path(sys.argv[1])), Workspace(Path(sys.argv[2])));"
        "print('launched', flush=True); time.sleep(60)"
    )
    app = subprocess.Popen(
        [sys.executable, "-c", code, str(run.path), str(workspace.root)],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        start_new_session=True,  # a terminal of its own, as it were
    )
    assert app.stdout is not None
    assert app.stdout.readline() == b"launched\n"
    os.killpg(app.pid, signal.SIGINT)
    app.wait(30)
    wait_until_training(run)
    launching.kill_run(run)
    wait_for_state(run, "stopped")


@pytest.mark.slow
def test_a_run_started_in_a_terminal_and_killed_says_as_much_as_can_be_known(
    workspace: Workspace,
) -> None:
    run = long_run(workspace)
    process = subprocess.Popen(
        [sys.executable, "-m", "moola", "finetune", "--resume", str(run.path)],
        env=child_environment(workspace),
        stderr=subprocess.DEVNULL,
    )
    wait_until_training(run)
    process.kill()
    process.wait()
    status = run.status()
    assert status.state == "crashed"
    assert "after epoch" in status.message
    assert "killed from outside (kill -9, a closed terminal)" in status.message


def test_a_run_of_another_machine_is_live_while_it_gives_signs_of_life(run: RunFolder) -> None:
    assert run.status().state == "running"
    stored = json.loads((run.path / "run.json").read_text())
    write_json(run.path / "run.json", stored | {"heartbeat": time.time() - 500})
    assert run.status().state == "crashed"
    assert "No sign of life from elsewhere" in run.status().message
    (run.path / ALIVE_FILE).write_text(str(time.time()))
    assert run.status().state == "running"


def test_a_run_of_another_machine_crashed_when_its_supervisor_says_so(run: RunFolder) -> None:
    write_ending(str(run.path), Ending(1234, time.time(), signal="SIGSEGV"))
    assert run.status().state == "crashed"
    assert run.status().message.startswith("The process was killed by SIGSEGV on ")


def test_the_ending_of_an_earlier_process_does_not_count(run: RunFolder) -> None:
    write_ending(str(run.path), Ending(999, time.time(), signal="SIGSEGV"))
    assert run.status().state == "running"


def test_a_job_that_waits_for_its_place_stays_queued_until_the_cluster_gives_it_up(
    run: RunFolder,
) -> None:
    run.write_status(state="queued", pid=None, create_time=None, host=None)
    job = RunJob("http://head:8265", "moola-1")
    write_job(run.path, job)
    assert run.status().state == "queued"
    write_job(run.path, job._replace(state="failed", message="No node has a GPU."))
    assert run.status().state == "crashed"
    assert "failed: No node has a GPU." in run.status().message
