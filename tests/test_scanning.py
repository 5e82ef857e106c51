"""A scan of a real series by a trained run: whole, interrupted, repeated, proposed."""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from moola import scanning, scans
from moola.bars import BarStore
from moola.cli import main
from moola.cli import scanning as verb
from moola.exceptions import SchemaError
from moola.launching.ray_jobs import Job
from moola.predict import fit_stage
from moola.runs import RunFolder
from moola.scans import ScanFolder, ScanPlan
from moola.schema import SPAN_TYPES
from moola.store import LabelStore, Series
from moola.train import finetune
from moola.type_stage import STAGE_COLUMNS
from moola.workspace import Workspace
from tests.processes import wait_for
from tests.toy import toy_run, walk_file

N_BARS = 1500


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """A workspace with one series of a random walk with surges, and one trained run."""
    workspace = Workspace(tmp_path_factory.mktemp("scan"))
    file = str(walk_file(workspace.root / "walk.parquet", N_BARS))
    assert main(["import", file, "--name", "WALK", "--workspace", str(workspace.root)]) == 0
    run = toy_run(workspace.runs_dir, epochs=2)
    finetune(run)
    fit_stage(run)
    return workspace


@pytest.fixture
def run(workspace: Workspace) -> RunFolder:
    return RunFolder(next(workspace.runs_dir.glob("2*")))


@pytest.fixture
def series(workspace: Workspace) -> Series:
    with contextlib.closing(LabelStore.open(workspace.store_url)) as store:
        return store.find_series("WALK")


@pytest.fixture
def folder(workspace: Workspace, run: RunFolder, series: Series) -> Iterator[ScanFolder]:
    plan = replace(scanning.plan_scan(run, series, precision="fp32"), part_windows=400)
    folder = ScanFolder.prepare(workspace, plan)
    yield folder
    for path in folder.path.glob("*"):
        path.unlink()


def files(folder: ScanFolder) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.path.glob("part-*")}


def test_a_scan_says_of_every_window_what_predict_says(
    workspace: Workspace, folder: ScanFolder, run: RunFolder
) -> None:
    bar_store = BarStore(workspace.bars_dir)
    assert scanning.scan(folder, bar_store, device="cpu") == "finished"
    plan = folder.plan()
    assert plan is not None
    votes = folder.votes(plan)
    assert votes.bar_start.tolist() == list(range(N_BARS - 104))

    scorer = scanning.WindowScorer(run.path / "last.pt", "fp32", "cpu", 64)
    features = scanning.compute_features(bar_store.ohlc(plan.bars))
    some = range(390, 420)  # around the border of two parts
    outputs = scorer.outputs(features, some)
    plain = outputs.decode(scorer.prior, scorer.calibration)
    expected = np.where(plain.start < 0, -1, plain.start + np.arange(390, 420))
    assert votes.start[390:420].tolist() == expected.tolist()

    means = folder.bar_means(plan)
    inside = 1 / (1 + np.exp(-scorer.outputs(features, range(N_BARS - 104)).binary_logits))
    holding = [inside[w, 700 - w] for w in range(596, 701)]
    assert means[700] == pytest.approx(np.mean(holding), abs=1e-4)
    assert means[0] == pytest.approx(inside[0, 0], abs=1e-4)


def test_a_stopped_scan_goes_on_and_ends_with_the_same_parts(
    workspace: Workspace, folder: ScanFolder
) -> None:
    bar_store = BarStore(workspace.bars_dir)
    scanning.scan(folder, bar_store, device="cpu")
    whole = files(folder)
    for name in list(whole)[1:]:
        (folder.path / name).unlink()

    state = scanning.scan(folder, bar_store, device="cpu", stopped=lambda: True)
    assert state == "stopped"
    assert len(files(folder)) == 1
    counted: list[int] = []
    assert scanning.scan(folder, bar_store, device="cpu", on_windows=counted.append) == "finished"
    assert files(folder) == whole
    assert sum(counted) == N_BARS - 104


def test_parts_of_another_checkpoint_do_not_count(workspace: Workspace, folder: ScanFolder) -> None:
    scanning.scan(folder, BarStore(workspace.bars_dir), device="cpu")
    plan = folder.plan()
    assert plan is not None
    again = ScanFolder.prepare(workspace, replace(plan, checkpoint_id="another"))
    assert again.n_done() == 0


def test_a_series_shorter_than_a_window_is_refused(workspace: Workspace) -> None:
    plan = ScanPlan(
        run_id="r",
        run_folder="r",
        checkpoint_id="c",
        series_id="s",
        symbol="S",
        bars="b",
        n_bars=99,
    )
    with pytest.raises(SchemaError, match="at least 105 bars to scan"):
        ScanFolder.prepare(workspace, plan)


def test_the_verb_writes_spans_means_and_proposals_once(
    workspace: Workspace, run: RunFolder, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["scan", "WALK", "--run", run.id, "--device", "cpu", "--workspace", str(workspace.root)]
    words += ["--per-bar", "--propose", "--threshold", "0.0", "--top", "3", "--min-support", "0.0"]
    assert main([*words, "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)["scans"][0]
    spans = pd.read_parquet(answer["file"])
    assert len(spans) == answer["n_spans"] > 0
    assert (spans["start"].to_numpy()[1:] > spans["end"].to_numpy()[:-1]).all()
    assert (spans["start_ts"] <= spans["end_ts"]).all()
    assert len(pd.read_parquet(answer["bars_file"])) == N_BARS
    probabilities = spans[STAGE_COLUMNS].to_numpy()
    assert probabilities.sum(axis=1) == pytest.approx(np.ones(len(spans)))
    assert spans["type"].tolist() == [SPAN_TYPES[i] for i in probabilities.argmax(axis=1)]
    assert answer["n_proposed"] == min(3, len(spans))
    assert main([*words, "--json"]) == 0
    with contextlib.closing(LabelStore.open(workspace.store_url)) as store:
        proposed = [p for view in store.views() for p in view.proposals]
    assert {p.source for p in proposed} == {scans.SOURCE}


@pytest.mark.slow
def test_ctrl_c_stops_a_scan_and_the_same_command_ends_it(
    workspace: Workspace, folder: ScanFolder, run: RunFolder
) -> None:
    command = [sys.executable, "-m", "moola", "scan", "--plan", str(folder.path)]
    command += ["--workspace", str(workspace.root), "--batch-size", "1", "--device", "cpu"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    wait_for(lambda: folder.n_done() >= 1, "the first part")
    os.kill(process.pid, signal.SIGINT)
    said, _ = process.communicate(timeout=60)
    assert said.strip() == "stopped"
    assert 1 <= folder.n_done() < 4
    assert subprocess.run(command, stdout=subprocess.DEVNULL, check=True).returncode == 0
    assert folder.n_done() == 4


def test_a_stop_takes_back_the_jobs_of_a_cluster_and_done_series_ask_for_none(
    workspace: Workspace, folder: ScanFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    handed_in: list[str] = []
    taken_back: list[str] = []

    class Cluster:
        def __init__(self, _address: str) -> None: ...

        def submit(self, command: list[str], *, job_id: str, env: dict[str, str]) -> None:
            assert str(folder.path) in command
            handed_in.append(job_id)

        def look(self, _job_id: str) -> Job:
            os.kill(os.getpid(), signal.SIGINT)
            return Job("running")

        def stop(self, job_id: str) -> None:
            taken_back.append(job_id)

    monkeypatch.setattr(verb, "RayJobs", Cluster)
    args = argparse.Namespace(device="cpu", batch_size=64)
    assert verb._carry_on_ray([folder], args, workspace) == "stopped"
    assert len(handed_in) == 1
    assert taken_back == handed_in

    scanning.scan(folder, BarStore(workspace.bars_dir), device="cpu")
    assert verb._carry_on_ray([folder], args, workspace) == "finished"
    assert len(handed_in) == 1
