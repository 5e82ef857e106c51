"""What is left of a process that ended: real processes under a real supervisor."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from moola.endings import EXIT_FILE, Ending, oom_counters, oom_has_grown, read_ending
from moola.launching._base import PACKAGE_PARENT
from moola.supervisor import ALIVE_FILE, ASK_FILE, JOB_FILE

PATIENCE_S = 30.0


def supervise(folder: Path, code: str, *options: str) -> tuple[subprocess.Popen[bytes], int]:
    """Start a supervisor of ``python -c code``; return it and the pid of its child."""
    command = [sys.executable, "-S", "-m", "moola.supervisor", str(folder), *options, "--"]
    process = subprocess.Popen(
        [*command, sys.executable, "-S", "-c", code],
        stdout=subprocess.PIPE,
        start_new_session=True,
        env=os.environ | {"PYTHONPATH": str(PACKAGE_PARENT)},
    )
    assert process.stdout is not None
    with process.stdout as said:
        return process, int(said.readline())


def ending_after(folder: Path, code: str) -> Ending:
    process, pid = supervise(folder, code)
    process.wait(PATIENCE_S)
    ending = read_ending(str(folder))
    assert ending is not None
    assert ending.pid == pid
    return ending


def wait_for(happened: Callable[[], object], what: str) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not happened():
        assert time.monotonic() < deadline, f"waited in vain for {what}"
        time.sleep(0.02)


def printed(folder: Path, text: str) -> Callable[[], bool]:
    return lambda: text in (folder / "log.txt").read_text()


WAIT = "import time; print('up', flush=True); time.sleep(60)"
LIMIT = "import resource; resource.setrlimit(resource.RLIMIT_AS, (500_000_000,) * 2); "


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("import os; os.kill(os.getpid(), 9)", "The process was killed by SIGKILL"),
        ("import os; os.abort()", "The process was killed by SIGABRT"),
        ("import sys; sys.exit(3)", "The process ended with exit code 3"),
        (
            "raise ValueError('no bars')",
            "The process ended with exit code 1 (ValueError: no bars)",
        ),
        (
            LIMIT + "bytearray(10**9)",
            "Out of memory: the process ended with exit code 1 (MemoryError)",
        ),
        ("print('done')", "The process ended with exit code 0"),
    ],
)
def test_the_ending_is_written_down_in_words(tmp_path: Path, code: str, words: str) -> None:
    assert ending_after(tmp_path, code).in_words == words


def test_last_words_are_those_of_this_process_not_of_an_earlier_one(tmp_path: Path) -> None:
    (tmp_path / "log.txt").write_text("MemoryError\n")
    ending = ending_after(tmp_path, "import sys; sys.exit(4)")
    assert ending.last_words == ""
    assert not ending.out_of_memory


def test_workers_that_a_killed_process_leaves_behind_are_ended(tmp_path: Path) -> None:
    worker = "import time; time.sleep(60)"
    code = (
        f"import subprocess, sys, os; w = subprocess.Popen([sys.executable, '-c', '{worker}']);"
        "print(w.pid, flush=True); os.kill(os.getpid(), 9)"
    )
    ending_after(tmp_path, code)
    pid = int((tmp_path / "log.txt").read_text())
    wait_for(
        lambda: not psutil.pid_exists(pid) or psutil.Process(pid).status() == "zombie", "the worker"
    )


def test_a_supervisor_is_small_and_passes_a_stop_on(tmp_path: Path) -> None:
    code = (
        "import signal, sys, time; signal.signal(15, lambda *_: sys.exit(7));"
        "print('up', flush=True); time.sleep(60)"
    )
    process, _ = supervise(tmp_path, code)
    wait_for(printed(tmp_path, "up"), "the child")
    assert psutil.Process(process.pid).memory_info().rss < 20e6
    process.terminate()
    assert process.wait(PATIENCE_S) == 7


def test_a_child_outlives_its_killed_supervisor(tmp_path: Path) -> None:
    process, pid = supervise(tmp_path, WAIT)
    wait_for(printed(tmp_path, "up"), "the child")
    process.kill()
    process.wait(PATIENCE_S)
    assert psutil.pid_exists(pid)
    os.kill(pid, signal.SIGKILL)
    assert not (tmp_path / EXIT_FILE).exists()


@pytest.mark.parametrize(("asked", "name"), [("stop", "SIGTERM"), ("kill", "SIGKILL")])
def test_a_remote_supervisor_stamps_its_life_and_does_what_the_folder_asks(
    tmp_path: Path, asked: str, name: str
) -> None:
    (tmp_path / JOB_FILE).write_text('{"id": "job-2"}')
    process, _ = supervise(tmp_path, WAIT, "--job", "job-2")
    wait_for((tmp_path / ALIVE_FILE).exists, "a sign of life")
    (tmp_path / ASK_FILE).write_text(asked)
    process.wait(PATIENCE_S)
    ending = read_ending(str(tmp_path))
    assert ending is not None
    assert ending.signal == name


def test_a_job_that_was_taken_back_while_it_waited_starts_nothing(tmp_path: Path) -> None:
    (tmp_path / JOB_FILE).write_text('{"id": "job-2"}')
    command = [sys.executable, "-S", "-m", "moola.supervisor", str(tmp_path), "--job", "job-1"]
    subprocess.run([*command, "--", "touch", str(tmp_path / "started")], check=True)
    assert not (tmp_path / "started").exists()


@pytest.mark.parametrize(
    ("cgroup", "file"),
    [
        ("0::/user.slice\n", "cg/user.slice/memory.events"),
        ("4:memory:/box\n0::/\n", "cg/memory/box/memory.oom_control"),
        ("0::/\n", "proc/vmstat"),
    ],
)
def test_a_kill_for_memory_is_seen_in_the_counter_of_the_own_group(
    tmp_path: Path, cgroup: str, file: str
) -> None:
    for name in ("proc/self/cgroup", "proc/vmstat", file):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / "proc/vmstat").write_text("nr_free 5\noom_kill 4\n")
    (tmp_path / "proc/self/cgroup").write_text(cgroup)
    (tmp_path / file).write_text("oom 3\noom_kill 1\n")
    before = oom_counters(str(tmp_path / "proc"), str(tmp_path / "cg"))
    assert before == {str(tmp_path / file): 1}
    assert not oom_has_grown(before)
    (tmp_path / file).write_text("oom 4\noom_kill 2\n")
    assert oom_has_grown(before)


def test_a_half_written_ending_is_none(tmp_path: Path) -> None:
    (tmp_path / EXIT_FILE).write_text('{"pid": 1')
    assert read_ending(str(tmp_path)) is None
