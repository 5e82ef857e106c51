"""Throw a run away, and take it back: ``runs/.trash`` holds what was deleted until you empty it."""

from __future__ import annotations

import os
import shutil

from moola.exceptions import RunError
from moola.runs import RunFolder

TRASH_DIR = ".trash"


def discard(run: RunFolder) -> RunFolder:
    """Move a run that no process carries to the trash; return it as it lies there."""
    status = run.status()
    if status.is_live:
        raise RunError(f"Run {run.id} should be stopped to be deleted. It is {status.state}.")
    trash = run.path.parent / TRASH_DIR
    target = trash / run.id
    try:
        trash.mkdir(exist_ok=True)
        if target.exists():  # thrown away, taken back by hand as a copy, and thrown away again
            shutil.rmtree(target)
        os.replace(run.path, target)
    except OSError as error:
        raise RunError(f"Run {run.id} should be movable to {trash}. Found: {error}.") from error
    return RunFolder(target)


def take_back(run: RunFolder) -> RunFolder:
    """Move a run out of the trash again."""
    target = run.path.parent.parent / run.id
    if target.exists():
        raise RunError(f"{target} should be free to take {run.id} back. Found another run.")
    try:
        os.replace(run.path, target)
    except OSError as error:
        raise RunError(f"Run {run.id} should still be in the trash. Found: {error}.") from error
    return RunFolder(target)
