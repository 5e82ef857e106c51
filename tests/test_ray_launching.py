"""Runs as jobs of a real Ray cluster with room for one at a time."""

from __future__ import annotations

import os
import signal
from dataclasses import replace

import pytest

from moola import launching
from moola.exceptions import RunError
from moola.launching import RayJobs
from moola.liveness import read_job
from moola.runs import RunFolder
from moola.workspace import Workspace
from tests.processes import long_run, wait_for, wait_for_state, wait_until_training, workspace
from tests.ray_cluster import ray_address

__all__ = ["ray_address", "workspace"]  # fixtures

pytestmark = pytest.mark.slow


def test_runs_train_queue_stop_and_crash_on_ray_as_they_do_at_home(
    workspace: Workspace, ray_address: str
) -> None:
    cluster = replace(workspace, ray_address=ray_address)
    first, second = long_run(workspace, epochs=60), long_run(workspace)

    launching.launch(first, cluster)
    launching.launch(second, cluster)
    wait_until_training(first)
    assert second.status().state == "queued"  # Ray has one CPU, and no turn is waited for here
    assert read_job(second.path) is not None
    launching.stop_run(second)
    wait_for_state(second, "stopped")
    assert second.history() == []

    launching.resume_run(second, cluster)
    wait_for_state(first, "finished")
    assert first.predictions() is not None
    wait_until_training(second)
    pid = second.status().pid
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    wait_for_state(second, "crashed")
    assert "killed by SIGKILL" in second.status().message

    n_logged = len(second.history())
    launching.resume_run(second, cluster)
    wait_until_training(second, epoch=n_logged + 1)
    launching.stop_run(second)
    wait_for_state(second, "stopped")
    assert (second.path / "last.pt").exists()


def test_a_job_that_cannot_start_is_a_crash_in_the_words_of_ray(
    workspace: Workspace, ray_address: str
) -> None:
    run = long_run(workspace)
    launching.RayLauncher(ray_address).launch(run, ["/no/such/python"], workspace)

    def has_crashed() -> bool:
        launching.look_after(run)
        return run.status().state == "crashed"

    wait_for(has_crashed, "the job that cannot start")
    assert "Ray says of its job, failed" in run.status().message


def test_a_job_that_the_cluster_does_not_know_is_lost(ray_address: str) -> None:
    assert RayJobs(ray_address).look("moola-none").state == "lost"


def test_a_cluster_that_does_not_answer_fails_the_run_with_its_address(
    workspace: Workspace,
) -> None:
    run: RunFolder = long_run(workspace)
    with pytest.raises(RunError, match=r"should answer at http://127\.0\.0\.1:9"):
        launching.launch(run, replace(workspace, ray_address="http://127.0.0.1:9"))
    assert run.status().state == "failed"


@pytest.mark.parametrize("address", ["ray://head:10001", "head:8265", "auto"])
def test_an_address_that_is_no_job_server_is_refused(address: str) -> None:
    with pytest.raises(RunError, match="should be the address of a Ray job server"):
        RayJobs(address)
