"""Start, queue and stop training processes that outlive the browser and the server.

Every launched run is a process of its own that waits for its turn: the queue is the set of waiting
processes, so there is no scheduler that could die. One run trains at a time in a runs folder.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
from filelock import FileLock, Timeout

from moola.config import FinetuneConfig
from moola.exceptions import DeviceError, RunError
from moola.runs import RunFolder, create_run, list_runs, now_iso
from moola.workspace import Workspace

PACKAGE_PARENT = Path(__file__).resolve().parents[1]
KILL_AFTER_S = 10.0
POLL_S = 0.25


def start_run(
    workspace: Workspace, config: FinetuneConfig, *, name: str | None = None
) -> RunFolder:
    """Create a run folder and launch the process that carries it."""
    run = create_run(workspace.runs_dir, config, name=name)
    launch(run, workspace)
    return run


def resume_run(run: RunFolder, workspace: Workspace) -> None:
    """Queue a stopped, failed or crashed run again; it continues from its last checkpoint."""
    status = run.status()
    if status.is_live:
        raise RunError(
            f"Run {run.id} should be stopped before it is resumed. It is {status.state}."
        )
    run.write_status(state="queued", pid=None, create_time=None, message="", ended_at=None)
    launch(run, workspace)


def launch(run: RunFolder, workspace: Workspace) -> int:
    """Start ``python -m moola finetune --resume`` in a session of its own; return its pid.

    Output goes to a file, never to a pipe: a full pipe would stop the training.
    """
    command = [sys.executable, "-m", "moola", run.kind, "--resume", str(run.path.resolve())]
    command += ["--workspace", str(workspace.root.resolve())]
    with (run.path / "log.txt").open("ab") as log:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            env=_child_environment(workspace),
        )
    with contextlib.suppress(psutil.NoSuchProcess):
        created = psutil.Process(process.pid).create_time()
        run.write_status(pid=process.pid, create_time=created)
    return process.pid


def _child_environment(workspace: Workspace) -> dict[str, str]:
    """Return the environment of a child: one thread, and the same package and store as here."""
    path = os.pathsep.join(filter(None, [str(PACKAGE_PARENT), os.environ.get("PYTHONPATH")]))
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": path}
    if workspace.database_url:
        environment["MOOLA_DATABASE_URL"] = workspace.database_url
    return environment


def stop_run(run: RunFolder) -> None:
    """Ask the run's process to save and end; kill it if it has not ended after 10 s."""
    process = _process(run)
    if process is None:
        return
    process.terminate()
    threading.Thread(target=_see_it_end, args=(run, process), daemon=True).start()


def _see_it_end(run: RunFolder, process: psutil.Process) -> None:
    """Kill a process that does not end by itself, and write down that this was a stop.

    A process that is still loading its libraries ends at once and has no time to write that.
    """
    with contextlib.suppress(psutil.NoSuchProcess):
        try:
            process.wait(KILL_AFTER_S)
        except psutil.TimeoutExpired:
            process.kill()
            process.wait()
    if run.status().state == "crashed":
        run.write_status(state="stopped", message="", ended_at=now_iso())


def _process(run: RunFolder) -> psutil.Process | None:
    status = run.status()
    if not status.is_live or status.pid is None:
        return None
    try:
        return psutil.Process(status.pid)
    except psutil.NoSuchProcess:
        return None


@contextmanager
def training_turn(run: RunFolder, *, stopped: Callable[[], bool]) -> Iterator[bool]:
    """Queue `run`, then hold the one training place of its folder; yield False if stopped first.

    The locks are released by the kernel when the process dies, however it dies. Waiting runs take
    their turn in the order of their folder names, which begin with the time they were made.
    """
    own = FileLock(run.path / ".run.lock")
    try:
        own.acquire(timeout=0)
    except Timeout as error:
        raise RunError(f"Run {run.id} is already carried by another process.") from error
    place = FileLock(run.path.parent / ".training.lock")
    try:
        run.claim("queued", message="")
        while not stopped():
            if _is_first(run):
                try:
                    place.acquire(timeout=0)
                except Timeout:
                    pass
                else:
                    break
            run.write_status()
            time.sleep(POLL_S)
        yield place.is_locked
    finally:
        place.release()
        own.release()


def _is_first(run: RunFolder) -> bool:
    waiting = [r.id for r in list_runs(run.path.parent, None) if r.status().state == "queued"]
    return run.id <= min(waiting, default=run.id)


def list_devices(*, timeout_s: float = 60.0) -> list[dict[str, str]]:
    """Return ``[{"key": "cpu", "name": ...}, ...]``, asked of a process that may import torch."""
    command = [sys.executable, "-m", "moola", "devices", "--json"]
    environment = os.environ | {"PYTHONPATH": str(PACKAGE_PARENT)}
    try:
        answer = subprocess.run(
            command, capture_output=True, text=True, timeout=timeout_s, env=environment, check=True
        )
        return json.loads(answer.stdout)["devices"]
    except (OSError, subprocess.SubprocessError, ValueError, KeyError) as error:
        raise DeviceError(f"The devices of this machine could not be listed: {error}.") from error
