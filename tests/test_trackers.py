"""Epochs in TensorBoard and MLflow: read back by their own readers."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from moola import extras, trackers
from moola.config import FinetuneConfig
from moola.exceptions import ConfigError
from moola.finetuning import carry_out, prepare
from moola.runs import RunFolder
from moola.trackers import MLflow, Row, TensorBoard, Trackers, scalars
from moola.workspace import Workspace
from tests.epoch_rows import epochs
from tests.toy import toy_run


def rows(first: int, last: int) -> list[dict[str, Any]]:
    made = epochs(last - first + 1, first=first)
    return [{**row, "wall": 2.0 * row["epoch"], "lr": 0.1 * row["epoch"]} for row in made]


def logged_run(folder: Path, *names: str) -> RunFolder:
    """Return a run whose history holds three epochs."""
    run = toy_run(folder, log=list(names))
    run.write_history(rows(1, 3))
    return run


def events(run: RunFolder) -> dict[str, list[tuple[int, float]]]:
    """Return the steps and values of every tag, as TensorBoard reads them."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    found = EventAccumulator(str(run.path / trackers.EVENTS_DIR), purge_orphaned_data=False)
    found.Reload()
    return {
        tag: [(event.step, event.value) for event in found.Scalars(tag)]
        for tag in found.Tags()["scalars"]
    }


def as_logged(run: RunFolder) -> dict[str, list[tuple[int, float]]]:
    """Return what `events` should find: every number of the run's history."""
    found: dict[str, list[tuple[int, float]]] = {}
    for row in run.history():
        for tag, value in scalars(row).items():
            found.setdefault(tag, []).append((row["epoch"], pytest.approx(value, rel=1e-6)))
    return found


def test_every_number_of_a_trained_run_is_an_event_and_so_after_stop_resume_and_restart(
    tmp_path: Path,
) -> None:
    workspace = Workspace(tmp_path)
    run = toy_run(workspace.runs_dir, epochs=2, log=["tensorboard"])
    carry_out(run, workspace)
    found = events(run)
    assert found == as_logged(run)
    groups = {tag.split("/")[0] for tag in found}
    assert groups >= {"loss", "val_loss", "loss_share", "grad_share", "weight", "skill", "val"}
    assert {"train/lr", "loss/ptr", "grad_cosine/ptr-binary", "val/hit_at_3"} <= set(found)

    longer = FinetuneConfig.from_dict({**run.config().to_dict(), "epochs": 3})
    run.save_config(longer, run.resolved())
    carry_out(run, workspace)
    assert [step for step, _ in events(run)["train/lr"]] == [1, 2, 3]
    assert events(run) == as_logged(run)

    again = FinetuneConfig.from_dict(
        {**longer.to_dict(), "balance": "ema", "restart_from": f"{run.id}@2"}
    )
    other = prepare(again, workspace, runs_dir=workspace.runs_dir, name="again")
    carry_out(other, workspace)
    assert [step for step, _ in events(other)["train/lr"]] == [1, 2, 3]
    assert events(other) == as_logged(other)


def test_an_epoch_is_on_disk_before_the_next_one_begins(tmp_path: Path) -> None:
    run = logged_run(tmp_path, "tensorboard")
    open_trackers = Trackers(run, tmp_path)
    open_trackers.log(run.history()[-1])
    assert [step for step, _ in events(run)["loss/ptr"]] == [1, 2, 3]


def test_tags_are_numbers_only_and_intervals_have_two_bounds() -> None:
    row = {
        "schema": 1,
        "epoch": 4,
        "strategy": "epoch",
        "alarms": ["SQUEEZED/binary"],
        "boost": None,
        "clip_rate": 0.5,
        "skill": {"ptr": 0.25},
        "metrics_95": {"hit_at_3": [0.25, 0.75]},
    }
    assert scalars(row) == {
        "train/clip_rate": 0.5,
        "skill/ptr": 0.25,
        "metrics_95/hit_at_3/low": 0.25,
        "metrics_95/hit_at_3/high": 0.75,
    }


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A store of plain files, which opens at once; a database takes seconds to be set up."""
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", (tmp_path / "mlruns").as_uri())
    return tmp_path / "mlruns"


def mlflow_client(uri: str) -> Any:
    from mlflow import MlflowClient

    return MlflowClient(tracking_uri=uri)


def mlflow_runs(uri: str) -> list[Any]:
    client = mlflow_client(uri)
    experiment = client.get_experiment_by_name(trackers.EXPERIMENT)
    return client.search_runs([experiment.experiment_id])


def steps(uri: str, run_id: str, metric: str) -> list[tuple[int, float]]:
    found = mlflow_client(uri).get_metric_history(run_id, metric)
    return [(point.step, point.value) for point in found]


def test_mlflow_holds_options_run_id_and_every_epoch_once(tmp_path: Path, store: Path) -> None:
    run = logged_run(tmp_path, "mlflow")
    first = Trackers(run, tmp_path)
    first.log(run.history()[-1])
    first.close("stopped")
    (kept,) = mlflow_runs(store.as_uri())
    assert kept.info.status == "KILLED"

    run.append_history(rows(4, 4)[0])
    resumed = Trackers(run, tmp_path)
    resumed.log(run.history()[-1])
    resumed.close("finished")
    (kept,) = mlflow_runs(store.as_uri())
    assert kept.info.status == "FINISHED"
    assert kept.data.tags["moola.run"] == run.id
    assert kept.data.params["balance"] == "epoch"
    assert set(kept.data.params) == set(run.config().to_dict())
    numbers = scalars(run.history()[-1])
    assert {name: kept.data.metrics[name] for name in numbers} == pytest.approx(numbers)
    expected = [(epoch, pytest.approx(0.1 * epoch)) for epoch in (1, 2, 3, 4)]
    assert steps(store.as_uri(), kept.info.run_id, "train/lr") == expected


def test_mlflow_goes_to_a_database_in_the_workspace_if_no_address_is_given(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    run = logged_run(tmp_path / "runs", "mlflow")
    tracker = MLflow(run, tmp_path)
    tracker.log(run.history())
    (kept,) = mlflow_runs(f"sqlite:///{tmp_path / trackers.MLFLOW_STORE}")
    assert kept.data.metrics["epoch"] == 3


class Broken:
    """A tracker whose disk is full from its second call on, or whose server is back at its end."""

    def __init__(self, told: list[Sequence[int]], *, until: Callable[[], bool]) -> None:
        self.told, self.until = told, until

    def log(self, rows: Sequence[Row]) -> None:
        if self.told and not self.until():
            raise OSError(28, "No space left on device")
        self.told.append([row["epoch"] for row in rows])

    def close(self, state: str) -> None:
        self.told.append([])


@pytest.mark.parametrize("is_back", [False, True])
def test_a_tracker_that_fails_is_told_of_once_and_costs_the_run_nothing(
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
    is_back: bool,
) -> None:
    told: list[Sequence[int]] = []
    closing: list[bool] = []
    monkeypatch.setattr(
        trackers,
        "TensorBoard",
        lambda _run: Broken(told, until=lambda: is_back and bool(closing)),
    )
    run = toy_run(tmp_path, log=["tensorboard"])
    some = Trackers(run, tmp_path)
    with caplog.at_level(logging.WARNING, "moola"):
        for row in rows(1, 4):
            run.append_history(row)
            some.log(row)
        closing.append(True)
        some.close("finished")
    assert [record.message.split(" failed")[0] for record in caplog.records] == ["tensorboard"]
    assert "No space left on device" in caplog.text
    assert told == [[1], *([[1, 2, 3, 4], []] if is_back else [])]


def test_a_run_whose_event_folder_cannot_be_written_trains_to_its_end(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    workspace = Workspace(tmp_path)
    run = toy_run(workspace.runs_dir, epochs=1, log=["tensorboard"])
    (run.path / trackers.EVENTS_DIR).write_text("a file in the folder's place", encoding="utf-8")
    with caplog.at_level(logging.WARNING, "moola"):
        assert carry_out(run, workspace) == "finished"
    assert len(run.history()) == 1
    assert [r.message[:18] for r in caplog.records] == ["tensorboard failed"]


def test_a_disk_that_fills_up_keeps_the_events_before(tmp_path: Path) -> None:
    """The new file takes the old one's place only once it holds all that the old one did."""
    run = logged_run(tmp_path, "tensorboard")
    first = TensorBoard(run)
    first.log(run.history())
    first.close("stopped")
    second = TensorBoard(run)  # and killed here
    assert [step for step, _ in events(run)["loss/ptr"]] == [1, 2, 3]
    second.log(run.history())
    assert len(list((run.path / trackers.EVENTS_DIR).iterdir())) == 1


@pytest.mark.parametrize("name", ["tensorboard", "mlflow"])
def test_without_its_package_one_sentence_says_what_to_install_before_there_is_a_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    real = extras.find_spec
    monkeypatch.setattr(extras, "find_spec", lambda found: None if found == name else real(found))
    config = FinetuneConfig.from_dict({"log": [name]})
    with pytest.raises(ConfigError, match=rf"^log {name} needs \w+, .* pip install .*{name}"):
        prepare(config, Workspace(tmp_path), runs_dir=tmp_path / "runs", name=None)
    assert not (tmp_path / "runs").exists()


def test_a_tracker_is_named_once_and_is_one_of_those_there_are() -> None:
    for names in (["wandb"], ["mlflow", "mlflow"]):
        with pytest.raises(ConfigError, match="log should name each of tensorboard, mlflow once"):
            FinetuneConfig.from_dict({"log": names})
