"""The whole chain from the command line: bars, proposals, decisions, training, predictions."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from moola.cli import VERBS, main
from moola.runs import RunFolder
from moola.schema import TASKS, WINDOW_LENGTH
from moola.store import LabelStore
from moola.workspace import Workspace
from tests.sample_workspace import sample_copy

ROOT = Path(__file__).parents[1]
N_REAL_BARS = 5000


def arguments(workspace: Path, words: Sequence[str | Path]) -> list[str]:
    return [str(word) for word in (words[0], "--workspace", workspace, "--json", *words[1:])]


def moola(workspace: Path, *words: str | Path, code: int = 0) -> Any:
    """Run a verb in a process of its own, as a user does, and return its JSON answer."""
    done = subprocess.run(
        [sys.executable, "-m", "moola", *arguments(workspace, words)],
        cwd=ROOT,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == code, done.stderr
    return json.loads(done.stdout)


def moola_here(workspace: Path, *words: str | Path, code: int = 0) -> Any:
    """Run a verb that trains nothing in this process, which costs no start of Python."""
    with redirect_stdout(StringIO()) as printed:
        assert main(arguments(workspace, words)) == code
    return json.loads(printed.getvalue())


@pytest.mark.real_bars
@pytest.mark.slow
def test_chain_on_real_bars(tmp_path: Path, real_bars_dir: Path) -> None:
    workspace = Workspace(tmp_path / "work")

    bars = tmp_path / "nq.parquet"  # some days are enough to train on
    pd.read_parquet(real_bars_dir / "nq_1min_2022jan.parquet")[:N_REAL_BARS].to_parquet(bars)
    imported = moola_here(workspace.root, "import", bars, "--symbol", "NQ")
    assert (imported["kind"], imported["n_rows"]) == ("bars", N_REAL_BARS)

    proposed = moola_here(workspace.root, "propose", "--series", "NQ")
    assert proposed["n_new"] > 50
    store = LabelStore.open(workspace.store_url)
    open_windows = store.windows(states=["proposed"])
    for number, row in enumerate(open_windows[:20]):
        store.accept(row.window_uid, rev=0, op_id=f"accept-{number}")
    store.close()

    trained = moola(workspace.root, "finetune", "--store", "--labels", "all", "--epochs", "2",
                    "--device", "cpu")  # fmt: skip
    assert trained["state"] == "finished"

    run = RunFolder(Path(trained["folder"]))
    history = run.history()
    assert [row["epoch"] for row in history] == [1, 2]
    for row in history:
        for shares in (row["loss_share"], row["grad_share"]):
            assert tuple(shares) == TASKS
            assert sum(shares.values()) == pytest.approx(1)

    predictions = run.predictions()
    assert predictions is not None
    known = {row.window_uid for row in open_windows}
    assert set(predictions["window_uid"]) <= known
    assert run.resolved()["n_windows"] == predictions["window_uid"].nunique()
    assert run.resolved()["n_purged"] >= len(known) - run.resolved()["n_windows"] > 0
    assert set(predictions["window_uid"].value_counts()) == {WINDOW_LENGTH}
    assert bool(predictions["binary_prob"].between(0, 1).all())
    assert bool(predictions["countdown_bars"].notna().all())

    criteria = moola_here(workspace.root, "evaluate", "--run", run.id)
    verdicts = {item["key"]: item["verdict"] for item in criteria}
    assert verdicts.pop("countdown_from_start_mae_bars") == "no target"
    assert set(verdicts.values()) <= {"met", "not met", "undecided"}
    assert len(criteria) >= 8


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    return sample_copy(tmp_path_factory, tmp_path_factory.mktemp("sample") / "work")


@pytest.fixture(scope="module")
def trained_on_store(sample: Workspace) -> RunFolder:
    trained = moola(sample.root, "finetune", "--store", "--epochs", "1", "--device", "cpu")
    return RunFolder(Path(trained["folder"]))


@pytest.mark.slow
def test_the_command_of_the_source_notes_runs_as_written(sample: Workspace) -> None:
    trained = moola(
        sample.root, "finetune", "--data", sample.label_file, "--epochs", "1", "--batch-size", "8",
        "--device", "cpu", "--use-expansion-heads",
    )  # fmt: skip
    run = RunFolder(Path(trained["folder"]))
    resolved = run.resolved()
    assert resolved["n_windows"] + resolved["n_purged"] == 174
    assert 0 < resolved["n_purged"] < 174 / 5, "what lies too near to the held-out block"
    assert resolved["n_groups"] < 174, "overlapping windows share a group"
    assert resolved["n_cold"] == 0, "the sample's windows are found in its bars"
    assert run.config().batch_size == 8

    again = moola(
        sample.root, "finetune", "--data", sample.label_file, "--pretrained-encoder",
        run.path / "best.pt", "--freeze-encoder", "--epochs", "1", "--batch-size", "29",
        "--device", "cpu", "--use-expansion-heads",
    )  # fmt: skip
    frozen = RunFolder(Path(again["folder"])).history()[0]
    assert frozen["grad_share"] is None, "nothing pulls at a frozen encoder"


@pytest.mark.slow
def test_the_full_command_of_the_source_notes_finds_the_pretrained_encoder(
    sample: Workspace,
) -> None:
    pretrained = moola(
        sample.root, "pretrain", "--method", "mae", "--windows", "60", "--epochs", "1",
        "--device", "cpu",
    )  # fmt: skip
    assert pretrained["state"] == "finished"
    trained = moola(
        sample.root, "finetune", "--data", sample.label_file, "--pretrained-encoder",
        "artifacts/jade_pretrain/checkpoint_best.pt", "--freeze-encoder", "--epochs", "1",
        "--batch-size", "29", "--device", "cpu", "--use-expansion-heads",
    )  # fmt: skip
    run = RunFolder(Path(trained["folder"]))
    assert run.config().pretrained_encoder == pretrained["encoder"]
    resumed = moola_here(sample.root, "pretrain", "--resume", pretrained["run"])
    assert resumed["state"] == "finished", "a finished run has nothing left to do"


@pytest.mark.slow
def test_a_group_of_strategies_is_trained_compared_and_reported(
    sample: Workspace, tmp_path: Path
) -> None:
    names = ["raw", "epoch+guard"]
    options = ["--group", "g", "--strategies", *names, "--seeds", "0", "--epochs", "1"]
    rows = moola(sample.root, "strategies", *options, "--device", "cpu")
    assert [row["strategy"] for row in rows] == names
    for row in rows:
        assert sum(row[f"grad_{task}"] for task in TASKS) == pytest.approx(1)
        assert row["hit_at_3_low"] <= row["hit_at_3"] <= row["hit_at_3_high"]
    again = moola_here(sample.root, "strategies", "--group", "g")
    assert again == rows, "nothing was left to train"
    assert moola_here(sample.root, "strategies", "--table", "g") == rows

    plan = json.loads((sample.root / "strategies" / "g" / "plan.json").read_text("utf-8"))
    runs = [RunFolder(sample.runs_dir / made["run"]) for made in plan["runs"]]
    assert [run.config().guard for run in runs] == [False, True]
    assert len({run.resolved()["data_hash"] for run in runs}) == 1

    (page,) = moola_here(sample.root, "report", runs[0].id, "--out", tmp_path / "r.html")["files"]
    assert Path(page).stat().st_size < 6_000_000


@pytest.mark.slow
def test_store_and_label_file_of_the_sample_are_the_same_data(
    sample: Workspace, trained_on_store: RunFolder
) -> None:
    from_file = moola(sample.root, "finetune", "--data", sample.label_file, "--epochs", "1")
    runs = [trained_on_store, RunFolder(Path(from_file["folder"]))]
    hashes = [run.resolved()["data_hash"] for run in runs]
    assert hashes[0] == hashes[1]
    losses = [run.history()[0]["raw"] for run in runs]
    assert losses[0] == losses[1], "same seed, same data, same numbers"


@pytest.mark.slow
def test_predict_tells_known_windows_from_new_ones(
    sample: Workspace, trained_on_store: RunFolder, tmp_path: Path
) -> None:
    out, run = tmp_path / "predictions.parquet", trained_on_store
    answer = moola_here(sample.root, "predict", "--run", run.id, "--store", "--out", out)
    table = pd.read_parquet(out)
    assert answer["n_windows"] == table["window_uid"].nunique() == 174
    n_new = table.loc[table["split"] == "new", "window_uid"].nunique()
    n_purged = run.resolved()["n_purged"]
    assert set(table["split"]) == {"train", "val", "new"}
    assert n_new == n_purged, "too near to the held-out block to train on"


BAD_CALLS: list[tuple[list[str], str]] = [
    (["finetune", "--data", "absent.parquet"], "absent.parquet"),
    (["finetune", "--resume", "absent"], "should be a run folder"),
    (["finetune", "--store"], "Training needs labelled windows"),
    (["finetune", "--store", "--epochs", "0"], "epochs should be greater than 0"),
    (["finetune", "--store", "--freeze-encoder"], "needs a pretrained_encoder"),
    (["pretrain"], "Pretraining needs at least 270 bars in a row"),
    (["pretrain", "--resume", "absent"], "should be a run folder"),
    (["evaluate", "--run", "absent"], "should be a run folder"),
    (["predict", "--run", "absent"], "should be a run folder"),
    (["propose", "--series", "NQ"], "should have the id or symbol 'NQ'"),
    (["import", "absent.csv"], "absent.csv"),
]


@pytest.mark.parametrize(("words", "sentence"), BAD_CALLS)
def test_bad_input_is_one_sentence_and_leaves_nothing(
    words: list[str], sentence: str, tmp_path: Path
) -> None:
    answer = moola_here(tmp_path / "work", *words, code=2)
    assert sentence in answer["error"]
    assert "Traceback" not in answer["error"]
    assert not list((tmp_path / "work").glob("runs/2*"))


def test_a_wrong_checkpoint_is_one_sentence(tmp_path: Path) -> None:
    wrong = tmp_path / "encoder.pt"
    wrong.write_bytes(b"PK but no checkpoint")
    answer = moola_here(
        tmp_path / "work", "finetune", "--store", "--pretrained-encoder", wrong, code=2
    )
    assert "encoder.pt" in answer["error"]
    assert not (tmp_path / "work" / "runs").exists()


def test_a_place_that_cannot_be_written_is_one_sentence(tmp_path: Path) -> None:
    """A file in the way stands for a full disk: both are an OSError where a file is made."""
    (tmp_path / "file").write_text("in the way")
    for words in (["sample"], ["doctor"], ["finetune", "--store"]):
        answer = moola_here(tmp_path / "file" / "work", *words, code=2)
        assert "file" in answer["error"]


def test_a_device_that_is_not_there_stops_before_anything_starts(tmp_path: Path) -> None:
    answer = moola_here(tmp_path / "work", "devices")
    present = {item["key"] for item in answer["devices"]}
    absent = next(key for key in ("mps", "cuda") if key not in present)
    answer = moola_here(tmp_path / "work", "finetune", "--store", "--device", absent, code=2)
    assert f"Found no {absent}" in answer["error"]
    assert not (tmp_path / "work" / "runs").exists()


def test_every_verb_has_help() -> None:
    listed = subprocess.run(
        [sys.executable, "-m", "moola", "--help"], cwd=ROOT, capture_output=True, text=True,
        check=True,
    ).stdout  # fmt: skip
    assert all(verb in listed for verb in VERBS)
    for verb in VERBS:
        with redirect_stdout(StringIO()) as text, pytest.raises(SystemExit, match="0"):
            main([verb, "--help"])
        assert "--workspace" in text.getvalue()
        assert "--json" in text.getvalue()


def test_doctor_says_what_it_found(tmp_path: Path) -> None:
    answer = moola_here(tmp_path / "work", "doctor")
    assert {item["name"] for item in answer["checks"]} >= {"python", "label store", "devices"}
    assert all(item["ok"] for item in answer["checks"])
