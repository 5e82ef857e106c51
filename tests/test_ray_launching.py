"""Runs as jobs of a real Ray cluster with room for one at a time."""

from __future__ import annotations

import json
import os
import signal
import urllib.request
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from moola import launching, sweeping
from moola.cli import main
from moola.exceptions import RunError
from moola.launching import RayJobs
from moola.liveness import read_job
from moola.runs import RunFolder
from moola.train import finetune
from moola.workspace import Workspace
from tests.processes import long_run, wait_for, wait_for_state, wait_until_training, workspace
from tests.ray_cluster import ray_address
from tests.toy import TOY_BASE, toy_run, toy_sweep, walk_file

__all__ = ["ray_address", "workspace"]  # fixtures

ENDED = {"SUCCEEDED", "STOPPED"}
pytestmark = pytest.mark.slow


def test_runs_train_queue_stop_and_crash_on_ray_as_they_do_at_home(
    workspace: Workspace, ray_address: str
) -> None:
    cluster = replace(workspace, ray_address=ray_address)
    first, second = long_run(workspace, epochs=20), long_run(workspace)

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


def states_of_jobs(address: str, run: RunFolder) -> list[str]:
    """What Ray says of the jobs that carry the run's id."""
    with urllib.request.urlopen(f"{address}/api/jobs/") as answer:
        jobs = json.load(answer)
    return [job["status"] for job in jobs if run.id in (job["submission_id"] or "")]


def test_a_sweep_makes_its_trials_on_the_cluster(workspace: Workspace, ray_address: str) -> None:
    run = toy_sweep(workspace.runs_dir, search=("lr",), base={**TOY_BASE, "epochs": 1})
    assert sweeping.carry_out(run, replace(workspace, ray_address=ray_address)) == "finished"
    table = sweeping.trials_table(run)
    assert (table["state"] == "complete").sum() == 2
    assert table["value"].notna().all()
    wait_for(lambda: set(states_of_jobs(ray_address, run)) <= ENDED, "the end of the workers")


def test_many_series_are_scanned_on_the_cluster_and_only_what_is_missing_is_scanned_again(
    workspace: Workspace,
    ray_address: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    place = ["--workspace", str(workspace.root)]
    workspace.root.mkdir(exist_ok=True)
    for seed, name in enumerate(("WALK", "HIKE")):
        file = walk_file(workspace.root / f"{name}.parquet", 400, seed=seed)
        assert main(["import", str(file), "--name", name, *place]) == 0
    run = toy_run(workspace.runs_dir, epochs=1)
    finetune(run)
    monkeypatch.setenv("MOOLA_RAY_ADDRESS", ray_address)
    capsys.readouterr()

    def scanned() -> list[dict]:
        words = ["scan", "WALK", "HIKE", "--run", run.id, "--device", "cpu", "--json", *place]
        assert main(words) == 0
        return json.loads(capsys.readouterr().out)["scans"]

    files = [Path(answer["file"]) for answer in scanned()]
    whole = [pd.read_parquet(file) for file in files]
    first, second = ([*file.with_suffix("").glob("part-*.npz")] for file in files)
    kept = first[0].stat().st_mtime_ns
    second[0].unlink()
    for file in files:
        file.unlink()
    assert [
        pd.read_parquet(answer["file"]).equals(table)
        for answer, table in zip(scanned(), whole, strict=True)
    ] == [True, True]
    assert first[0].stat().st_mtime_ns == kept
    assert second[0].exists()


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
