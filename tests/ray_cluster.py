"""A Ray cluster of one CPU on this machine, started and ended by the tests that need one."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

PATIENCE_S = 120.0


def _free_ports(n: int) -> list[int]:
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(n)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]


@pytest.fixture(scope="session")
def ray_address() -> Iterator[str]:
    """The address of its job server. The folder's name is short: Ray puts sockets there."""
    gcs, dashboard, client, agent = _free_ports(4)
    address = f"http://127.0.0.1:{dashboard}"
    with tempfile.TemporaryDirectory(
        prefix="ray", dir="/tmp", ignore_cleanup_errors=True
    ) as folder:
        command = [Path(sys.executable).with_name("ray"), "start", "--head", "--block"]
        command += ["--num-cpus=1", "--disable-usage-stats", "--object-store-memory=80000000"]
        command += [f"--temp-dir={folder}", "--node-ip-address=127.0.0.1", f"--port={gcs}"]
        command += [f"--dashboard-port={dashboard}", f"--ray-client-server-port={client}"]
        command += [f"--dashboard-agent-listen-port={agent}", "--min-worker-port=0"]
        with (Path(folder) / "start.log").open("wb") as log:
            process = subprocess.Popen(
                [*command, "--max-worker-port=0"], stdout=log, stderr=log, env=_environment()
            )
        try:
            _wait_until_up(address, process, Path(folder) / "start.log")
            yield address
        finally:
            _end(process)


def _environment() -> dict[str, str]:
    # pytest-xdist and coverage leave variables that Ray's own workers should not inherit
    return {k: v for k, v in os.environ.items() if not k.startswith(("PYTEST_", "COV_", "MOOLA_"))}


def _wait_until_up(address: str, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while True:
        with contextlib.suppress(OSError):
            urllib.request.urlopen(f"{address}/api/version", timeout=5).close()
            return
        assert process.poll() is None, log.read_text()
        assert time.monotonic() < deadline, log.read_text()
        time.sleep(0.2)


def _end(process: subprocess.Popen[bytes]) -> None:
    """End the cluster and whatever of it is left: ``ray stop`` would end other people's too."""
    own = [psutil.Process(process.pid)]
    own += own[0].children(recursive=True)
    process.terminate()
    psutil.wait_procs(own, timeout=5)
    for one in own:
        with contextlib.suppress(psutil.NoSuchProcess):
            one.kill()
    process.wait()
