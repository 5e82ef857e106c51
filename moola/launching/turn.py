"""Wait for the one training place of a runs folder."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from filelock import FileLock, Timeout

from moola.exceptions import RunError
from moola.launching._base import JOB_MARK
from moola.liveness import read_job
from moola.runs import RunFolder, list_runs
from moola.supervisor import JOB_FILE

POLL_S = 0.25


@contextmanager
def training_turn(run: RunFolder, *, stopped: Callable[[], bool]) -> Iterator[bool]:
    """Queue `run`, then hold the one training place of its folder; yield False if stopped first.

    The locks are released by the kernel when the process dies, however it dies. Waiting runs take
    their turn in the order of their folder names, which begin with the time they were made. A run
    that a cluster has started has had its turn: the cluster knows its own places.
    """
    own = FileLock(run.path / ".run.lock")
    try:
        own.acquire(timeout=0)
    except Timeout as error:
        raise RunError(f"Run {run.id} is already carried by another process.") from error
    place = FileLock(run.path.parent / ".training.lock")
    try:
        is_job = _is_job(run)
        run.claim("queued", message="")
        if is_job:
            yield not stopped()
            return
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


def _is_job(run: RunFolder) -> bool:
    """Tell whether this process is the run's job; a job's run that is resumed by hand is none."""
    job = read_job(run.path)
    if job is not None and job.id == os.environ.get(JOB_MARK):
        return True
    (run.path / JOB_FILE).unlink(missing_ok=True)
    return False


def _is_first(run: RunFolder) -> bool:
    """Tell whether no older run of this machine waits."""
    waiting = [
        other.id
        for other in list_runs(run.path.parent, None)
        if other.status().state == "queued" and read_job(other.path) is None
    ]
    return run.id <= min(waiting, default=run.id)
