"""The sample workspace for tests that work in it: written once a test run, then copied."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path

import pytest
from filelock import FileLock

from moola.cli import main
from moola.workspace import Workspace


def made_once(factory: pytest.TempPathFactory, name: str, make: Callable[[Path], object]) -> Path:
    """Return a folder that only the first of all pytest-xdist workers fills; to be read, only."""
    own = factory.getbasetemp()
    shared = own.parent if "PYTEST_XDIST_WORKER" in os.environ else own
    folder, done = shared / name, shared / f"{name}.made"
    with FileLock(shared / f"{name}.lock"):
        if not done.exists():
            shutil.rmtree(folder, ignore_errors=True)  # of a worker that failed half-way
            make(folder)
            done.touch()
    return folder


def sample_copy(factory: pytest.TempPathFactory, target: Path) -> Workspace:
    """Return a workspace of one's own, `target`, that holds the sample."""
    shutil.copytree(made_once(factory, "sample-workspace", _write), target, dirs_exist_ok=True)
    return Workspace(target)


def _write(root: Path) -> None:
    with redirect_stdout(StringIO()):
        assert main(["sample", "--workspace", str(root)]) == 0
