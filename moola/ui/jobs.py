"""Work that takes longer than a page: in a thread of its own, which a reload does not end."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

import streamlit as st

from moola.exceptions import StoreError

POLL_S = 0.1
MAX_KEPT = 16
Work = Callable[[Callable[[float], None]], Any]
"""Does something and tells how far it is, 0 to 1."""
_changing = threading.Lock()
"""Two tabs that ask for the same work at once must not both begin it."""


class Job(threading.Thread):
    """Runs `work` and keeps its result or error for whichever tab asks. Never touches streamlit."""

    def __init__(self, work: Work) -> None:
        super().__init__(daemon=False)
        self._work = work
        self.fraction = 0.0
        self.result: Any = None
        self.error: Exception | None = None

    def run(self) -> None:
        """Do the work; what goes wrong is raised where it can be shown."""
        try:
            self.result = self._work(self._note)
        except OSError as error:
            self.error = StoreError(f"A file could not be read or written. Found: {error}.")
        except Exception as error:
            self.error = error

    def _note(self, fraction: float) -> None:
        self.fraction = min(max(float(fraction), 0.0), 1.0)


@st.cache_resource(show_spinner=False)
def _jobs() -> dict[str, Job]:
    return {}


def start(key: str, work: Work) -> Job:
    """Begin the work, unless it has begun already."""
    jobs = _jobs()
    with _changing:
        if key not in jobs:
            for old in [name for name, job in jobs.items() if not job.is_alive()][:-MAX_KEPT]:
                del jobs[old]
            jobs[key] = Job(work)
            jobs[key].start()
        return jobs[key]


def begun(prefix: str) -> dict[str, Job]:
    """Return the jobs whose key begins so, started by this tab, another one or before a reload."""
    with _changing:
        return {key: job for key, job in _jobs().items() if key.startswith(prefix)}


def forget(key: str) -> None:
    """Drop a finished job, so that the same work can be done again."""
    jobs = _jobs()
    with _changing:
        if key in jobs and not jobs[key].is_alive():
            del jobs[key]


def finish(job: Job, text: str) -> Any:
    """Draw the progress until the job is done; return its result or raise its error."""
    if job.is_alive():
        bar = st.progress(job.fraction, text=text)
        while job.is_alive():
            bar.progress(job.fraction, text=f"{text} · {job.fraction:.0%}")
            time.sleep(POLL_S)
        bar.empty()
    if job.error is not None:
        raise job.error
    return job.result
