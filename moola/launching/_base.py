"""What every way to start a training can do."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from moola.runs import RunFolder
from moola.workspace import Workspace

PACKAGE_PARENT = Path(__file__).resolve().parents[2]
KILL_AFTER_S = 10.0
JOB_MARK = "MOOLA_RAY_JOB"
"""Environment variable in which a job finds its own id."""
KILLED = "Killed before it could save; Resume continues from the last checkpoint."


class TrainingLauncher(Protocol):
    """Starts and ends the process that carries a run; its state is read from the run's folder."""

    def launch(self, run: RunFolder, command: Sequence[str], workspace: Workspace) -> None:
        """Start `command` so that it outlives this process; `run` is queued already."""
        ...

    def stop(self, run: RunFolder) -> None:
        """Ask the run to save and end, and see to it that it does."""
        ...

    def kill(self, run: RunFolder) -> None:
        """End the run at once."""
        ...

    def look_after(self, run: RunFolder) -> None:
        """Write down what only the launcher can know of a live run."""
        ...
