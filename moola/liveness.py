"""Whether a process still carries a run, and if not, as much as can be known of its end.

A pid says something on its own machine only. Of a run that another host carries we know signs of
life, an ``exit.json``, and what its cluster last said of the job.
"""

from __future__ import annotations

import json
import os
import socket
import time
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

import psutil

from moola.atomic import write_json
from moola.endings import Ending, oom_counters, oom_has_grown, read_ending
from moola.supervisor import ALIVE_FILE, JOB_FILE

START_GRACE_S = 30.0
SILENCE_S = 60.0
"""A trainer elsewhere stamps every second or two; the rest is for slow disks and clocks apart."""


class RunJob(NamedTuple):
    """The cluster's job that carries a run, as last heard of (``job.json``, the launcher's own)."""

    address: str
    id: str
    state: str = "pending"
    message: str = ""
    asked_at: float = 0.0


def read_job(folder: Path) -> RunJob | None:
    """Return the job that carries the run in `folder`; None for one that runs at home."""
    try:
        return RunJob(**json.loads((folder / JOB_FILE).read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return None


def write_job(folder: Path, job: RunJob) -> None:
    """Write ``job.json``; the trainer never does, so neither can undo what the other wrote."""
    write_json(folder / JOB_FILE, job._asdict())


def own_marks() -> dict[str, Any]:
    """Return what ``run.json`` keeps of the process that carries a run, to judge its end by."""
    process = psutil.Process()
    return {
        "pid": process.pid,
        "create_time": process.create_time(),
        "host": socket.gethostname(),
        "oom_kills": oom_counters(),
    }


def is_alive(stored: dict[str, Any], folder: Path) -> bool:
    """Return whether the process in ``run.json`` still carries the run in `folder`.

    A queued run without a pid is one whose process has just been started and has not reported yet,
    or one that waits for its place on a cluster, however long that takes.
    """
    if _is_elsewhere(stored, folder):
        return _is_alive_elsewhere(stored, folder)
    pid, create_time = stored.get("pid"), stored.get("create_time")
    if pid is None or create_time is None:
        young = time.time() - stored.get("heartbeat", 0) < START_GRACE_S
        return stored.get("state") == "queued" and young
    return _is_same_process(pid, create_time, folder.name)


def _is_same_process(pid: int, create_time: float, run_id: str) -> bool:
    """A pid alone is not enough: it may be a zombie, or belong to another program by now."""
    try:
        process = psutil.Process(pid)
        return (
            abs(process.create_time() - create_time) < 1.0
            and process.status() != psutil.STATUS_ZOMBIE
            and (pid == os.getpid() or any(run_id in part for part in process.cmdline()))
        )
    except psutil.Error:
        return False


def _is_elsewhere(stored: dict[str, Any], folder: Path) -> bool:
    is_foreign = stored.get("host") not in (None, socket.gethostname())
    return is_foreign or read_job(folder) is not None


def _is_alive_elsewhere(stored: dict[str, Any], folder: Path) -> bool:
    job = read_job(folder)
    if ending_in(stored, folder) is not None:
        return False
    if job and job.state in ("failed", "stopped", "lost"):
        return False
    if job and stored.get("pid") is None:
        return True  # it waits for its place
    return silence_s(folder, heartbeat=stored.get("heartbeat", 0.0)) < SILENCE_S


def silence_s(folder: Path, *, heartbeat: float = 0.0) -> float:
    """Return how long ago the trainer, or who waits for it, last gave a sign of life."""
    try:
        stamped = float((folder / ALIVE_FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        stamped = 0.0
    return time.time() - max(stamped, heartbeat)


def ending_in(stored: dict[str, Any], folder: Path) -> Ending | None:
    """Return the ending of the process in ``run.json``; that of an earlier one does not count."""
    ending = read_ending(str(folder))
    if ending is None or stored.get("pid") not in (None, ending.pid):
        return None
    return ending if ending.ended_at >= (stored.get("create_time") or 0.0) else None


def crash_reason(stored: dict[str, Any], folder: Path) -> str:
    """Return why a run that says it is live is not, with what can be done."""
    ending = ending_in(stored, folder)
    reason = ending.in_words if ending else _guessed(stored, folder)
    heartbeat = stored.get("heartbeat")
    ended_at = ending.ended_at if ending else heartbeat
    when = "" if ended_at is None else f" on {datetime.fromtimestamp(ended_at):%-d %b at %H:%M:%S}"
    epoch = stored.get("epoch", 0)
    return f"{reason}{when}, after epoch {epoch}. Resume continues from the last checkpoint."


def _guessed(stored: dict[str, Any], folder: Path) -> str:
    """Say what can be known of a process that nobody waited for."""
    job = read_job(folder)
    if job and job.message and job.state != "running":
        return f"Ray says of its job, {job.state}: {job.message.splitlines()[0]} It was last seen"
    if _is_elsewhere(stored, folder):
        return f"No sign of life from {stored.get('host') or 'its host'}; it was last seen"
    if psutil.boot_time() > stored.get("heartbeat", time.time()):
        return "The machine was restarted; the run was last seen"
    if oom_has_grown(stored.get("oom_kills", {})):
        return (
            "The process ended without a word. The kernel has killed a process for memory since "
            "the run began, so probably out of memory: it was last seen"
        )
    return (
        "The process ended without a word: killed from outside (kill -9, a closed terminal), or "
        "crashed in a library; it was last seen"
    )
