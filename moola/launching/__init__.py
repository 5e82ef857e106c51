"""Start, queue, stop and kill the processes that carry runs; they outlive browser and server.

``launch(run, workspace)`` hands the command ``python -m moola KIND --resume RUN`` to a
`TrainingLauncher`: a process of this machine (`LocalLauncher`), or, where the workspace has a Ray
address, a job of that cluster (`RayLauncher`). Who reads the run's folder need not know which.
"""

from __future__ import annotations

import sys
import threading

from moola.config import FinetuneConfig
from moola.endings import EXIT_FILE
from moola.exceptions import RunError
from moola.launching._base import PACKAGE_PARENT, TrainingLauncher
from moola.launching.devices import list_devices
from moola.launching.local import LocalLauncher
from moola.launching.ray_cluster import RayLauncher
from moola.launching.ray_jobs import RayJobs, python_job
from moola.launching.turn import training_turn
from moola.liveness import read_job
from moola.restarting import hold_parent
from moola.runs import RunFolder, create_run
from moola.supervisor import ALIVE_FILE, ASK_FILE, JOB_FILE
from moola.workspace import Workspace

__all__ = [
    "PACKAGE_PARENT",
    "LocalLauncher",
    "RayJobs",
    "RayLauncher",
    "TrainingLauncher",
    "kill_run",
    "launch",
    "launcher_of",
    "list_devices",
    "look_after",
    "python_job",
    "resume_run",
    "start_run",
    "stop_run",
    "training_turn",
]


def start_run(
    workspace: Workspace, config: FinetuneConfig, *, name: str | None = None
) -> RunFolder:
    """Create a run folder and launch the process that carries it."""
    run = create_run(workspace.runs_dir, config, name=name)
    hold_parent(run)
    launch(run, workspace)
    return run


def resume_run(run: RunFolder, workspace: Workspace) -> None:
    """Queue a stopped, failed or crashed run again; it continues from its last checkpoint."""
    status = run.status()
    if status.is_live:
        raise RunError(
            f"Run {run.id} should be stopped before it is resumed. It is {status.state}."
        )
    launch(run, workspace)


def launch(run: RunFolder, workspace: Workspace) -> None:
    """Start what carries the run: the verb of its kind, told to resume its folder."""
    command = [sys.executable, "-m", "moola", run.kind, "--resume", str(run.path.resolve())]
    command += ["--workspace", str(workspace.root.resolve())]
    run.write_status(
        state="queued", pid=None, create_time=None, host=None, message="", ended_at=None
    )
    for name in (EXIT_FILE, JOB_FILE, ASK_FILE, ALIVE_FILE):  # they tell of an earlier process
        (run.path / name).unlink(missing_ok=True)
    launcher: TrainingLauncher = LocalLauncher()
    if workspace.ray_address:
        launcher = RayLauncher(workspace.ray_address)
    launcher.launch(run, command, workspace)


def launcher_of(run: RunFolder) -> TrainingLauncher:
    """Return the launcher that carries `run`, whatever the address is by now."""
    job = read_job(run.path)
    return RayLauncher(job.address) if job else LocalLauncher()


def stop_run(run: RunFolder) -> None:
    """Ask the run's process to save and end; it is killed if it has not ended after 10 s."""
    launcher_of(run).stop(run)


def kill_run(run: RunFolder) -> None:
    """End the run's process and its workers at once; only its last checkpoint stays."""
    launcher_of(run).kill(run)


def look_after(run: RunFolder) -> None:
    """Have a cluster asked about a run that gives no sign of life; returns at once."""
    if read_job(run.path) and run.status().is_live:
        threading.Thread(target=launcher_of(run).look_after, args=(run,), daemon=True).start()
