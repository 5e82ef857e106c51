"""Train in a process of this machine, under a supervisor that learns how it ends.

Every launched run is a process of its own that waits for its turn: the queue is the set of waiting
processes, so there is no scheduler that could die. One run trains at a time in a runs folder.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import threading
from collections.abc import Sequence

import psutil

from moola.exceptions import RunError
from moola.launching._base import KILL_AFTER_S, KILLED, PACKAGE_PARENT
from moola.runs import RunFolder, now_iso
from moola.workspace import Workspace


class LocalLauncher:
    """Starts ``moola.supervisor`` in a session of its own, which no Ctrl-C reaches."""

    def launch(self, run: RunFolder, command: Sequence[str], workspace: Workspace) -> None:
        """Start the supervisor, and note the pid of the trainer that it has started."""
        supervisor = [sys.executable, "-S", "-m", "moola.supervisor", str(run.path.resolve())]
        process = subprocess.Popen(
            [*supervisor, "--", *command],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
            env=child_environment(workspace),
        )
        answer = b""
        if process.stdout is not None:  # a pipe was asked for
            with process.stdout as said:
                answer = said.readline()
        if not answer.strip().isdigit():
            raise RunError(f"The process of {run.id} should start. Its supervisor said nothing.")
        pid = int(answer)
        with contextlib.suppress(psutil.NoSuchProcess):
            created = psutil.Process(pid).create_time()
            run.write_status(pid=pid, create_time=created)

    def stop(self, run: RunFolder) -> None:
        """Send SIGTERM, and SIGKILL if the process has not ended after 10 s."""
        process = _process(run)
        if process is None:
            return
        process.terminate()
        _see_it_end_in_background(run, process, message="")

    def kill(self, run: RunFolder) -> None:
        """Send SIGKILL to the process and its workers."""
        process = _process(run)
        if process is None:
            return
        _kill_with_children(process)
        _see_it_end_in_background(run, process, message=KILLED)

    def look_after(self, run: RunFolder) -> None:
        """Do nothing: a process of this machine can be seen by anyone."""


def child_environment(workspace: Workspace) -> dict[str, str]:
    """Return the environment of a child: one thread, and the same package and store as here."""
    path = os.pathsep.join(filter(None, [str(PACKAGE_PARENT), os.environ.get("PYTHONPATH")]))
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": path}
    if workspace.database_url:
        environment["MOOLA_DATABASE_URL"] = workspace.database_url
    return environment


def _see_it_end_in_background(run: RunFolder, process: psutil.Process, *, message: str) -> None:
    threading.Thread(target=_see_it_end, args=(run, process, message), daemon=True).start()


def _see_it_end(run: RunFolder, process: psutil.Process, message: str) -> None:
    """Kill a process that does not end by itself, and write down that this was wanted.

    A process that is still loading its libraries ends at once and has no time to write that.
    """
    with contextlib.suppress(psutil.NoSuchProcess):
        try:
            process.wait(KILL_AFTER_S)
        except psutil.TimeoutExpired:
            _kill_with_children(process)
            process.wait()
    if run.status().state == "crashed":
        run.write_status(state="stopped", message=message, ended_at=now_iso())


def _kill_with_children(process: psutil.Process) -> None:
    with contextlib.suppress(psutil.NoSuchProcess):
        for one in [process, *process.children(recursive=True)]:
            with contextlib.suppress(psutil.NoSuchProcess):
                one.kill()


def _process(run: RunFolder) -> psutil.Process | None:
    status = run.status()
    if not status.is_live or status.pid is None:
        return None
    try:
        return psutil.Process(status.pid)
    except psutil.NoSuchProcess:
        return None
