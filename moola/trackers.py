"""Send the epochs of a run to TensorBoard and MLflow while it trains.

``history.jsonl`` stays the truth. A tracker is given all of it when it opens and every later row as
it is written, so that a resumed run continues its stream without a step missing or doubled, and a
restarted one begins with the epochs it took over. A tracker that fails costs the run nothing: it is
let go of with one warning, and given what it missed when the run ends.

Loads TensorBoard and MLflow inside its classes only: both are optional.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from moola.atomic import write_json
from moola.config import Tracker as Name
from moola.runs import RunFolder

log = logging.getLogger("moola")

Row = Mapping[str, Any]
EVENTS_DIR = "tensorboard"
MLFLOW_FILE = "mlflow.json"
MLFLOW_STORE = "mlflow.db"
EXPERIMENT = "moola"
GROUPS = {
    "raw": "loss",
    "val_raw": "val_loss",
    "metrics": "val",
    "grad_raw": "grad_norm",
    "cos_pairs": "grad_cosine",
}
"""Columns of an epoch row whose tags begin with another word."""
NOT_TRACKED = ("schema", "epoch", "wall")
BOUNDS = ("low", "high")
STATUSES = {"finished": "FINISHED", "stopped": "KILLED"}
"""MLflow's words for how a run ended; any other end is ``FAILED``."""


class Tracker(Protocol):
    """Somewhere that epoch rows go beside the run's own history."""

    def log(self, rows: Sequence[Row]) -> None:
        """Add epochs, oldest first; they are kept when this returns."""
        ...

    def close(self, state: str) -> None:
        """Add nothing more: the run is now ``finished``, ``stopped`` or ``failed``."""
        ...


def scalars(row: Row) -> dict[str, float]:
    """Return every number of an epoch row by its tag; an interval becomes its two bounds.

    >>> scalars({"epoch": 3, "lr": 0.001, "raw": {"ptr": 0.25}, "metrics_95": {"iou": [0, 1]}})
    {'train/lr': 0.001, 'loss/ptr': 0.25, 'metrics_95/iou/low': 0.0, 'metrics_95/iou/high': 1.0}
    """
    found: dict[str, float] = {}
    for name, value in row.items():
        if name in NOT_TRACKED:
            continue
        group = GROUPS.get(name, name)
        found |= _numbers(group if isinstance(value, Mapping) else f"train/{group}", value)
    return found


def _numbers(tag: str, value: Any) -> dict[str, float]:
    if isinstance(value, bool):
        return {}
    if isinstance(value, int | float):
        return {tag: float(value)}
    if isinstance(value, list) and len(value) == len(BOUNDS):
        value = dict(zip(BOUNDS, value, strict=True))
    if isinstance(value, Mapping):
        parts = (_numbers(f"{tag}/{name}", part) for name, part in value.items())
        return {name: number for part in parts for name, number in part.items()}
    return {}


class TensorBoard:
    """Event files in the run's folder; a writer opens with a file that takes the old one's place.

    An epoch is one event, so that a reader sees all of it or nothing.
    """

    def __init__(self, run: RunFolder) -> None:
        from tensorboard.summary.writer.event_file_writer import EventFileWriter

        folder = run.path / EVENTS_DIR
        self._old = list(folder.glob("events.out.tfevents.*"))
        self._writer = EventFileWriter(str(folder))
        self._clock = _Clock()

    def log(self, rows: Sequence[Row]) -> None:
        """Write epochs and wait until they are in the file."""
        # protobuf makes these classes while it is imported, where no type checker sees them
        from tensorboard.compat.proto.event_pb2 import Event  # pyright: ignore
        from tensorboard.compat.proto.summary_pb2 import Summary  # pyright: ignore

        for row in rows:
            values = [Summary.Value(tag=t, simple_value=v) for t, v in scalars(row).items()]
            summary = Summary(value=values)
            at = self._clock.time_of(row, rows)
            self._writer.add_event(Event(step=row["epoch"], wall_time=at, summary=summary))
        self._writer.flush()
        while self._old:  # what they held has been written anew
            self._old.pop().unlink(missing_ok=True)

    def close(self, state: str) -> None:
        """Close the file."""
        self._writer.close()


class MLflow:
    """A run of MLflow with the options as parameters, found again by ``mlflow.json``.

    The store is ``MLFLOW_TRACKING_URI``, a server or a database, or ``mlflow.db`` in `workspace`.
    """

    def __init__(self, run: RunFolder, workspace: Path) -> None:
        # Nothing about a run leaves the machine unasked, and a server that is away holds up an
        # epoch for seconds, not for the quarter of an hour that MLflow would wait.
        os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
        os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1")
        os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "10")
        from mlflow import MlflowClient
        from mlflow.tracking import get_tracking_uri, is_tracking_uri_set

        own = f"sqlite:///{workspace.resolve() / MLFLOW_STORE}"
        uri = get_tracking_uri() if is_tracking_uri_set() else own
        self._client = MlflowClient(tracking_uri=uri)
        self._clock = _Clock()
        self._id = self._known(run, uri) or self._new(run, uri)
        metrics = self._client.get_run(self._id).data.metrics
        self._last_epoch = int(metrics.get("epoch", 0))

    def _known(self, run: RunFolder, uri: str) -> str | None:
        path = run.path / MLFLOW_FILE
        kept = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
        if kept.get("tracking_uri") != _without_password(uri):
            return None
        self._client.update_run(kept["run_id"], status="RUNNING")
        return kept["run_id"]

    def _new(self, run: RunFolder, uri: str) -> str:
        from mlflow.entities import Param

        found = self._client.get_experiment_by_name(EXPERIMENT)
        experiment = found.experiment_id if found else self._client.create_experiment(EXPERIMENT)
        tags = {"moola.run": run.id, "moola.data_hash": str(run.resolved().get("data_hash", ""))}
        made = self._client.create_run(experiment, run_name=run.id, tags=tags).info.run_id
        options = [Param(name, str(value)) for name, value in run.config().to_dict().items()]
        self._client.log_batch(made, params=options)
        write_json(run.path / MLFLOW_FILE, {"tracking_uri": _without_password(uri), "run_id": made})
        return made

    def log(self, rows: Sequence[Row]) -> None:
        """Send the epochs that the store does not hold yet, each in one request."""
        from mlflow.entities import Metric

        for row in rows:
            epoch = row["epoch"]
            if epoch <= self._last_epoch:
                continue
            at_ms = int(1000 * self._clock.time_of(row, rows))
            numbers = {"epoch": epoch, **scalars(row)}
            metrics = [Metric(name, value, at_ms, epoch) for name, value in numbers.items()]
            self._client.log_batch(self._id, metrics=metrics)
            self._last_epoch = epoch

    def close(self, state: str) -> None:
        """Say how the run ended."""
        self._client.set_terminated(self._id, STATUSES.get(state, "FAILED"))


def _without_password(uri: str) -> str:
    """Return an address that may be written down.

    >>> _without_password("https://me:secret@server/mlflow")
    'https://server/mlflow'
    """
    return re.sub(r"//[^/@]*@", "//", uri)


class _Clock:
    """Puts epochs where they were in training time: the last row that it is given first is now."""

    def __init__(self) -> None:
        self._start: float | None = None

    def time_of(self, row: Row, rows: Sequence[Row]) -> float:
        if self._start is None:
            self._start = time.time() - rows[-1]["wall"]
        return self._start + row["wall"]


class Trackers:
    """The trackers that a run asked for; none of them can stop it.

    Parameters
    ----------
    workspace
        Root of the workspace, where MLflow's own store goes.
    """

    def __init__(self, run: RunFolder, workspace: Path) -> None:
        makers: dict[Name, Callable[[], Tracker]] = {
            "tensorboard": lambda: TensorBoard(run),
            "mlflow": lambda: MLflow(run, workspace),
        }
        self._run = run
        self._makers: dict[Name, Callable[[], Tracker]] = {
            name: makers[name] for name in run.config().log
        }
        self._open: dict[Name, Tracker] = {}
        self._failed: set[Name] = set()

    def log(self, row: Row) -> None:
        """Hand on an epoch that the run's history holds already."""
        for name in self._makers:
            if name in self._failed:
                continue
            with self._forgiving(name):
                if name in self._open:
                    self._open[name].log([row])
                else:
                    self._follow(name)

    def close(self, state: str) -> None:
        """Close all; one that failed is given once more what it missed."""
        for name in self._makers if self._run.history() else ():
            with self._forgiving(name):
                if name not in self._open:
                    self._follow(name)
                self._open.pop(name).close(state)

    def _follow(self, name: Name) -> None:
        tracker = self._makers[name]()
        tracker.log(self._run.history())
        self._open[name] = tracker

    @contextlib.contextmanager
    def _forgiving(self, name: Name) -> Iterator[None]:
        try:
            yield
        except Exception as error:  # whatever a library, a disk or a server comes up with
            self._open.pop(name, None)
            if name not in self._failed:
                log.warning(
                    "%s failed and gets no more epochs until the run ends; the run goes on: %s",
                    name, error,
                )  # fmt: skip
            self._failed.add(name)
