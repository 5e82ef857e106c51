"""Runs in real processes, and patience with them."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from moola.runs import RunFolder, list_runs
from moola.workspace import Workspace
from tests.toy import toy_examples, toy_run

PATIENCE_S = 90.0


@pytest.fixture
def workspace(tmp_path: Path) -> Iterator[Workspace]:
    workspace = Workspace(tmp_path / "work")
    yield workspace
    for run in list_runs(workspace.runs_dir):
        status = run.status()
        if status.is_live and status.pid:
            psutil.Process(status.pid).kill()


def long_run(workspace: Workspace, *, epochs: int = 400, seed: int = 0) -> RunFolder:
    return toy_run(workspace.runs_dir, toy_examples(60), epochs=epochs, seed=seed)


def wait_for(happened: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not happened():
        assert time.monotonic() < deadline, f"waited in vain for: {what}"
        time.sleep(0.05)


def wait_until_training(run: RunFolder, *, epoch: int = 2) -> None:
    wait_for(
        lambda: run.status().state == "running" and run.status().epoch >= epoch,
        f"{run.id} in epoch {epoch}; its log says: {run.log_tail()}",
    )


def wait_for_state(run: RunFolder, state: str) -> None:
    wait_for(lambda: run.status().state == state, f"{run.id} {state}, not {run.status()}")
