"""A run is a folder of plain files, readable without torch.

::

    <runs_dir>/20261122-214500-epoch/
        config.json          FinetuneConfig, and what was resolved when the run started
        run.json             state, process, heartbeat
        exit.json            how a launched process ended (moola.supervisor)
        dataset.npz          the examples trained on (moola.examples)
        history.jsonl        one row per epoch
        last.pt, best.pt     checkpoints
        predictions.parquet  per window and bar
        success.json         metrics against their targets
        log.txt              what the process printed
        about.json           title, note and star that a person gave it
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import time
from collections.abc import Collection
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal, Protocol, get_args

import pandas as pd

from moola.about import ABOUT_FILE, About, read_about
from moola.atomic import write_json, write_text
from moola.config import FinetuneConfig
from moola.examples import Examples
from moola.exceptions import RunError
from moola.history import HistoryCursor
from moola.liveness import crash_reason, is_alive, own_marks
from moola.window_losses import WINDOW_LOSSES_FILE, WindowLosses

StoredState = Literal["queued", "running", "stopped", "finished", "failed"]
RunState = Literal["queued", "running", "stopped", "finished", "failed", "crashed", "damaged"]
LIVE_STATES: tuple[RunState, ...] = ("queued", "running")
HISTORY_SCHEMA = 1
EXAMPLES_FILE = "dataset.npz"


class RunConfig(Protocol):
    """Options of a run of any kind."""

    @property
    def epochs(self) -> int:
        """Units of work that the run is planned for."""
        ...

    def to_dict(self) -> dict[str, Any]:
        """Return the options as a JSON object."""
        ...


@dataclass(frozen=True, slots=True)
class RunStatus:
    """State of a run as of now: computed on read, so that a dead process is never "running"."""

    state: RunState
    message: str = ""
    epoch: int = 0
    epochs: int = 0
    pid: int | None = None
    heartbeat_age_s: float | None = None
    started_at: str | None = None
    ended_at: str | None = None

    @property
    def is_live(self) -> bool:
        """Whether a process is training or waiting for its turn."""
        return self.state in LIVE_STATES


def now_iso() -> str:
    """Return the current time as ISO 8601 in UTC."""
    return datetime.now(UTC).isoformat(timespec="seconds")


class RunFolder:
    """One run on disk; reading never changes it."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __repr__(self) -> str:
        return f"RunFolder({self.id})"

    @property
    def id(self) -> str:
        """Name of the folder."""
        return self.path.name

    @property
    def created_at(self) -> datetime | None:
        """Local time in the folder's name."""
        stamp = self.id[:15]
        try:
            return datetime.strptime(stamp, "%Y%m%d-%H%M%S")
        except ValueError:
            return None

    @property
    def kind(self) -> str:
        """What the run does, which is the verb that carries it; old runs fine-tune."""
        return self._json("config.json").get("kind", "finetune")

    def about(self) -> About:
        """Return the title, note and star that a person gave the run."""
        return read_about(self.path)

    def set_about(self, **changes: Any) -> About:
        """Change some of them: ``run.set_about(title="with guard", starred=True)``."""
        about = replace(self.about(), **changes)
        write_json(self.path / ABOUT_FILE, asdict(about))
        return self.about()

    def config(self) -> FinetuneConfig:
        """Return the options the run was started with."""
        return FinetuneConfig.from_stored(self._json("config.json").get("config", {}))

    def resolved(self) -> dict[str, Any]:
        """Return what was found out at the start: device, data hash, counts, versions."""
        return self._json("config.json").get("resolved", {})

    def save_config(
        self, config: RunConfig, resolved: dict[str, Any], *, kind: str = "finetune"
    ) -> None:
        """Write ``config.json``."""
        value = {"kind": kind, "config": config.to_dict(), "resolved": resolved}
        write_json(self.path / "config.json", value)

    def examples(self) -> Examples:
        """Return the examples the run trains on."""
        return Examples.load(self._existing(EXAMPLES_FILE))

    def predictions(self) -> pd.DataFrame | None:
        """Return the per-window, per-bar predictions, or None before they are written."""
        path = self.path / "predictions.parquet"
        if not path.exists():
            return None
        try:
            return pd.read_parquet(path)
        except (OSError, ValueError) as error:
            raise RunError(f"{self.id}: predictions.parquet cannot be read: {error}.") from error

    def window_losses(self) -> WindowLosses | None:
        """Return what every window lost in each kept epoch, or None before the first."""
        path = self.path / WINDOW_LOSSES_FILE
        return WindowLosses.load(path) if path.exists() else None

    def history(self) -> list[dict[str, Any]]:
        """Return the epoch rows; a line cut short by a crash is left out."""
        return HistoryCursor(self.path / "history.jsonl").read_new()

    def append_history(self, row: dict[str, Any]) -> None:
        """Append one epoch row and wait until it is on disk."""
        with (self.path / "history.jsonl").open("a", encoding="utf-8") as file:
            file.write(json.dumps({"schema": HISTORY_SCHEMA, **row}) + "\n")
            file.flush()
            os.fsync(file.fileno())

    def truncate_history(self, last_epoch: int) -> None:
        """Drop the rows after `last_epoch`, and a half-written line: resume computes them anew."""
        self.write_history([row for row in self.history() if row["epoch"] <= last_epoch])

    def write_history(self, rows: list[dict[str, Any]]) -> None:
        """Put `rows` in place of the history."""
        text = "".join(json.dumps(row) + "\n" for row in rows)
        write_text(self.path / "history.jsonl", text)

    def log_tail(self, n_lines: int = 20) -> str:
        """Return the last lines of what the process printed."""
        path = self.path / "log.txt"
        if not path.exists():
            return ""
        with path.open("rb") as file:
            file.seek(max(0, path.stat().st_size - 200 * n_lines))
            text = file.read().decode("utf-8", errors="replace")
        # A progress bar redraws its line with \r; only the last drawing is worth showing.
        lines = [line.rsplit("\r", 1)[-1] for line in text.splitlines(keepends=False)]
        return "\n".join(lines[-n_lines:])

    def status(self) -> RunStatus:
        """Return the state as of now; a run that says it is live without a process has crashed."""
        try:
            stored = self._json("run.json")
            state = stored["state"]
            if state not in get_args(StoredState):
                raise RunError(f"{self.id}: run.json names no known state. Found {state!r}.")
        except (RunError, KeyError) as error:
            return RunStatus("damaged", message=_damage(self.id, error))
        heartbeat = stored.get("heartbeat")
        age_s = None if heartbeat is None else max(0.0, time.time() - heartbeat)
        message = stored.get("message", "")
        if state in LIVE_STATES and not is_alive(stored, self.path):
            state, message = "crashed", crash_reason(stored, self.path)
        return RunStatus(
            state=state,
            message=message,
            epoch=stored.get("epoch", 0),
            epochs=stored.get("epochs", 0),
            pid=stored.get("pid"),
            heartbeat_age_s=age_s,
            started_at=stored.get("started_at"),
            ended_at=stored.get("ended_at"),
        )

    def write_status(self, **changes: Any) -> None:
        """Merge `changes` into ``run.json`` and stamp the heartbeat."""
        try:
            stored = self._json("run.json")
        except RunError:
            stored = {}
        write_json(self.path / "run.json", stored | changes | {"heartbeat": time.time()})

    def claim(self, state: StoredState, **changes: Any) -> None:
        """Write `state` with this process as the one that carries the run."""
        self.write_status(state=state, **own_marks(), **changes)

    def _existing(self, name: str) -> Path:
        path = self.path / name
        if not path.exists():
            raise RunError(f"Run {self.id} should hold {name}. Found none in {self.path}.")
        return path

    def _json(self, name: str) -> dict[str, Any]:
        path = self._existing(name)
        try:
            value = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise RunError(f"Run {self.id}: {name} should be JSON. Found: {error}.") from error
        if not isinstance(value, dict):
            raise RunError(f"Run {self.id}: {name} should be a JSON object. Found {value!r:.40}.")
        return value


def _damage(run_id: str, error: Exception) -> str:
    reason = f"run.json lacks {error}" if isinstance(error, KeyError) else str(error)
    return f"{reason} The folder {run_id} can be deleted by hand."


def create_run(
    runs_dir: Path, config: RunConfig, *, name: str | None = None, kind: str = "finetune"
) -> RunFolder:
    """Make the folder of a new, queued run; its name starts with the local time."""
    name = name or (config.balance if isinstance(config, FinetuneConfig) else kind)
    label = re.sub(r"[^A-Za-z0-9._-]+", "-", name).strip("-") or "run"
    stamp = datetime.now().strftime("%Y%m%d-%H%M%S")
    try:
        runs_dir.mkdir(parents=True, exist_ok=True)
        run = RunFolder(_free_folder(runs_dir, f"{stamp}-{label}"))
        run.save_config(config, {}, kind=kind)
        run.write_status(state="queued", epoch=0, epochs=config.epochs)
    except OSError as error:
        message = f"Run folders should be writable below {runs_dir}. Found: {error}."
        raise RunError(message) from error
    return run


def _free_folder(runs_dir: Path, name: str) -> Path:
    for suffix in ["", *(f"-{number}" for number in range(2, 1000))]:
        with contextlib.suppress(FileExistsError):
            path = runs_dir / f"{name}{suffix}"
            path.mkdir()
            return path
    raise RunError(f"{runs_dir} already holds 999 runs of this second.")


def open_run(name: str | Path, runs_dir: Path) -> RunFolder:
    """Return the run of that id, or of that path; `RunError` lists what there is."""
    for path in (Path(name), runs_dir / name):
        if (path / "config.json").exists():
            return RunFolder(path.resolve())
    known = [run.id for run in list_runs(runs_dir)[:5]]
    found = f"Newest runs: {', '.join(known)}" if known else "There are no runs yet"
    raise RunError(f"{name} should be a run folder with a config.json. {found} in {runs_dir}.")


def list_runs(runs_dir: Path, kinds: Collection[str] | None = ("finetune",)) -> list[RunFolder]:
    """Return the runs of some kinds (None: of any) below `runs_dir`, newest first."""
    if not runs_dir.is_dir():
        return []
    # A name with a leading dot is no run: the trash.
    folders = [path for path in runs_dir.iterdir() if path.is_dir() and path.name[0] != "."]
    runs = [RunFolder(path) for path in sorted(folders, key=lambda p: p.name, reverse=True)]
    return [run for run in runs if kinds is None or _kind_of(run) in kinds]


def _kind_of(run: RunFolder) -> str:
    try:
        return run.kind
    except RunError:  # a damaged folder should be seen
        return "finetune"
