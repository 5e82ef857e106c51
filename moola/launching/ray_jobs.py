"""Ray's job server over its HTTP interface: submit a command, ask after it, stop it.

The interface is Ray's REST API (``/api/jobs/``, the port of the dashboard, 8265). Spoken plainly it
needs no ray here, and client and cluster need not have the same version.
"""

from __future__ import annotations

import contextlib
import json
import os
import shlex
import sys
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlsplit

from moola.exceptions import RunError
from moola.launching._base import PACKAGE_PARENT

TIMEOUT_S = 10.0


def python_job(words: Sequence[str]) -> tuple[list[str], dict[str, str]]:
    """Return the command and environment in which a node runs ``moola`` with these words."""
    command = [sys.executable, "-m", "moola", *words]
    return command, {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(PACKAGE_PARENT)}


@dataclass(frozen=True, slots=True)
class Job:
    """What the cluster says of a job: ``pending, running, succeeded, failed, stopped, lost``."""

    state: str
    message: str = ""

    @property
    def has_ended(self) -> bool:
        """Whether the cluster does no more for it."""
        return self.state not in ("pending", "running")


class RayJobs:
    """The jobs of one cluster, at an address such as ``http://head:8265``."""

    def __init__(self, address: str) -> None:
        parts = urlsplit(address)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise RunError(
                "MOOLA_RAY_ADDRESS should be the address of a Ray job server, such as "
                f"http://127.0.0.1:8265. Found {address!r}."
            )
        self.address = address.rstrip("/")

    def submit(
        self,
        command: Sequence[str],
        *,
        job_id: str,
        env: Mapping[str, str],
        n_cpus: float = 1,
        n_gpus: float = 0,
    ) -> str:
        """Hand in a command; Ray starts it where and when these resources are free."""
        wanted = {
            "entrypoint": shlex.join(command),
            "submission_id": job_id,
            "runtime_env": {"env_vars": dict(env)},
            "entrypoint_num_cpus": n_cpus,
        }
        if n_gpus:
            wanted["entrypoint_num_gpus"] = n_gpus
        return self._ask("POST", "/api/jobs/", wanted)["submission_id"]

    def look(self, job_id: str) -> Job:
        """Return how a job stands; one that the cluster does not know (any more) is ``lost``."""
        try:
            found = self._ask("GET", f"/api/jobs/{quote(job_id)}")
        except _NotFound:
            return Job("lost", f"{self.address} knows no job {job_id}.")
        return Job(str(found["status"]).lower(), found.get("message") or "")

    def stop(self, job_id: str) -> None:
        """End a job, also one that still waits."""
        with contextlib.suppress(_NotFound):
            self._ask("POST", f"/api/jobs/{quote(job_id)}/stop")

    def log(self, job_id: str) -> str:
        """Return what a job has printed so far."""
        return self._ask("GET", f"/api/jobs/{quote(job_id)}/logs").get("logs", "")

    def _ask(self, method: str, path: str, body: Any = None) -> dict[str, Any]:
        data = None if body is None else json.dumps(body).encode()
        headers = {"Content-Type": "application/json"}
        if token := os.environ.get("RAY_AUTH_TOKEN"):  # Ray's own name for it
            headers["Authorization"] = f"Bearer {token}"
        request = urllib.request.Request(
            self.address + path, data=data, headers=headers, method=method
        )
        try:
            with urllib.request.urlopen(request, timeout=TIMEOUT_S) as answer:
                return json.loads(answer.read() or b"{}")
        except urllib.error.HTTPError as error:
            said = error.read().decode(errors="replace").strip().splitlines()
            text = f"The Ray job server {self.address} refused: {(said or [error.reason])[-1]}"
            raise (_NotFound if error.code == 404 else RunError)(text) from error
        except (OSError, ValueError) as error:
            raise RunError(
                f"A Ray job server should answer at {self.address}. Found: {error}."
            ) from error


class _NotFound(RunError):
    """The job server knows no such job."""
