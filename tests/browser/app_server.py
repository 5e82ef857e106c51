"""Run the app as a user does: a Streamlit server of its own on a free port."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

from moola.runs import list_runs
from moola.workspace import Workspace

ROOT = Path(__file__).parents[2]
START_TIMEOUT_S = 60


@dataclass(frozen=True)
class App:
    """A running server: its address and the workspace it works on."""

    url: str
    workspace: Workspace
    server: subprocess.Popen[bytes]

    @property
    def port(self) -> int:
        """Port that the server listens on."""
        return int(self.url.rsplit(":", 1)[1])

    def kill(self) -> None:
        """End the server as a power cut would."""
        self.server.kill()
        self.server.wait(timeout=20)


@contextmanager
def running_app(workspace: Workspace, log: Path, *, port: int | None = None) -> Iterator[App]:
    """Serve the app on `workspace` until the block ends; trainings it started end with it."""
    port = port or _free_port()
    with log.open("wb") as output:
        server = subprocess.Popen(
            [sys.executable, "-m", "streamlit", "run", "app.py", "--server.port", str(port)],
            cwd=ROOT,
            env=os.environ | {"MOOLA_WORKSPACE": str(workspace.root)},
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    try:
        _wait_until_up(server, f"http://127.0.0.1:{port}/_stcore/health", log)
        yield App(f"http://127.0.0.1:{port}", workspace, server)
    finally:
        server.send_signal(signal.SIGTERM)
        server.wait(timeout=20)
        _end_trainings(workspace)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def _wait_until_up(server: subprocess.Popen, url: str, log: Path) -> None:
    deadline = time.monotonic() + START_TIMEOUT_S
    while time.monotonic() < deadline:
        if server.poll() is not None:
            break
        try:
            with urllib.request.urlopen(url, timeout=2):
                return
        except OSError:
            time.sleep(0.2)
    raise RuntimeError(f"the app did not come up:\n{log.read_text(errors='replace')[-2000:]}")


def _end_trainings(workspace: Workspace) -> None:
    """Trainings outlive the server by design; a test must not leave one behind."""
    for run in list_runs(workspace.runs_dir):
        status = run.status()
        if status.is_live and status.pid:
            with suppress(psutil.NoSuchProcess):  # it may end by itself meanwhile
                psutil.Process(status.pid).kill()
