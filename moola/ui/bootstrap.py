"""Fill an empty workspace with the generated sample when the app is opened for the first time."""

from __future__ import annotations

import threading
import time
from contextlib import closing
from pathlib import Path

import streamlit as st

from moola import sample
from moola.bars import BarStore
from moola.exceptions import StoreError
from moola.store import LabelStore
from moola.store.place import newest_sound
from moola.ui import components
from moola.workspace import Workspace

POLL_S = 0.1
_starting = threading.Lock()
"""Two tabs that open at once must not both begin to write."""


class SampleJob(threading.Thread):
    """Writes the sample in a thread of its own.

    A reload of the page ends the script that runs at that moment; it must not end the writing
    halfway. The thread never touches streamlit.
    """

    def __init__(self, workspace: Workspace) -> None:
        super().__init__(daemon=False)
        self.workspace = workspace
        self.message = "starting"
        self.error: Exception | None = None

    def run(self) -> None:
        """Write the sample; keep what went wrong for the page to raise."""
        unfinished = _unfinished(self.workspace)
        try:
            self.workspace.root.mkdir(parents=True, exist_ok=True)
            unfinished.touch()
            bars = BarStore(self.workspace.bars_dir)
            with closing(LabelStore.open(self.workspace.store_url)) as store:
                sample.write_sample(self.workspace, store, bars, progress=self._note)
            unfinished.unlink()
        except OSError as error:
            root = self.workspace.root
            self.error = StoreError(f"{root} should be a folder one can write to. Found: {error}.")
        except Exception as error:  # raised again where it can be shown
            self.error = error

    def _note(self, message: str) -> None:
        self.message = message


def _unfinished(workspace: Workspace) -> Path:
    """Return the marker of a sample whose writing began: a killed app leaves it behind."""
    return workspace.root / ".sample-unfinished"


def is_empty(workspace: Workspace) -> bool:
    """Return whether nobody has used this workspace; a database of one's own is never filled.

    A store that is gone but has backups was lost: it is to be restored, not replaced by a sample.
    """
    file = workspace.root / "moola.db"
    is_new = not file.exists() and newest_sound(file) is None
    return workspace.database_url is None and (is_new or _unfinished(workspace).exists())


@st.cache_resource(max_entries=4, show_spinner=False)
def _jobs() -> dict[Workspace, SampleJob]:
    return {}


def fill_empty_workspace(workspace: Workspace) -> None:
    """Write the sample if the workspace is empty, with a note of the progress meanwhile."""
    jobs = _jobs()
    with _starting:
        job = jobs.get(workspace)
        if job is None and not is_empty(workspace):
            return
        if job is None:
            job = jobs[workspace] = SampleJob(workspace)
            job.start()
    note = st.empty()
    while job.is_alive():
        note.info(
            "This workspace is empty, so a generated sample is written. It takes a few seconds: "
            f"{job.message}…",
            icon=":material/hourglass_top:",
        )
        time.sleep(POLL_S)
    note.empty()
    jobs.pop(workspace, None)  # another tab may have waited for the same job
    if job.error:
        with components.problems():
            raise job.error
        st.stop()
