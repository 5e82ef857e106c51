"""What a page that follows runs must know to tell whether anything is new.

A page is drawn for `News`; as long as the news is equal, nothing on it would change.
"""

from __future__ import annotations

import hashlib
import time
import zlib
from dataclasses import asdict, dataclass
from typing import Any

from moola import diagnostics
from moola.exceptions import MoolaError
from moola.history import N_TAIL, HistoryDigest
from moola.run_book import RunBook, Stamp, stamp_of
from moola.runs import RunFolder, RunStatus

N_WATCHED = 20
SETTLE_S = 20.0
LOOK_S = 1.0


@dataclass(frozen=True, slots=True)
class Pulse:
    """How far a run is, in words and as a part of its plan, and when it last gave a sign."""

    text: str
    fraction: float
    is_live: bool = False
    age_s: float | None = None


@dataclass(frozen=True, slots=True)
class News:
    """States of the newest runs, and the rows of the run that is looked at."""

    states: str
    rows: str
    judged: str
    """What of the judgement a page draws otherwise than as figures: badges, alerts and cures."""
    is_live: bool
    """Whether any of them may change by itself."""
    pulse: Pulse | None

    def to_dict(self) -> dict[str, Any]:
        """Return a JSON object."""
        return asdict(self)


def news_of(book: RunBook, run_id: str | None = None) -> News:
    """Return what is new of the runs, and of one of them."""
    found = book.runs(None)[:N_WATCHED]
    statuses = [(run, book.status(run)) for run in found]
    chosen = next((run for run in book.runs(None) if run.id == run_id), None)
    if chosen and chosen.id not in {run.id for run in found}:
        statuses.append((chosen, book.status(chosen)))
    states = " ".join(f"{run.id}={_state(status)}" for run, status in statuses)
    rows, judged, pulse = "", "", None
    if chosen:
        rows, judged = rows_of(book.history(chosen)), _judged(book, chosen)
        pulse = pulse_of(book, chosen, book.status(chosen))
    else:  # a list of runs shows how far each of them is
        rows = " ".join(str(status.epoch) for _, status in statuses if status.is_live)
    may = any(may_change(status) for _, status in statuses)
    return News(states, rows, judged, may, pulse)


def rows_of(history: HistoryDigest) -> str:
    """Return what changes with every row."""
    last = history.last
    return f"{history.n_rows}@{last.get('wall') if last else ''}"


def _judged(book: RunBook, run: RunFolder) -> str:
    """Return badges and alerts without their evidence, which reads otherwise every epoch."""
    try:
        judged = book.judge(run)
    except MoolaError:
        return ""
    alerts = [
        (item.alert.task, item.alert.code, item.alert.level, item.alert.since_epoch,
         [action.text for action in item.actions])
        for item in judged.advice
    ]  # fmt: skip
    is_long = book.history(run).n_rows > N_TAIL  # the choice of epochs to show appears then
    told = repr((judged.badges, alerts, judged.blind_spot, judged.data_alert, is_long))
    return hashlib.sha1(told.encode()).hexdigest()[:12]


class Glance:
    """The news of a run for the price of a look at three files, as long as none was written.

    What shows without a file being written, such as the end of a process, is looked for once a
    second.
    """

    def __init__(self, book: RunBook, run_id: str | None = None) -> None:
        self.book, self.run_id = book, run_id
        self._seen: tuple[tuple[Stamp | None, ...], float, News] | None = None

    def news(self) -> News:
        """Return the news as of now; the same object as before if nothing was written."""
        stamps, now = self._stamps(), time.monotonic()
        if self._seen and self._seen[0] == stamps and now < self._seen[1] + LOOK_S:
            return self._seen[2]
        news = news_of(self.book, self.run_id)
        self._seen = stamps, now, news
        return news

    def _stamps(self) -> tuple[Stamp | None, ...]:
        paths = [self.book.runs_dir]
        if self.run_id:
            folder = self.book.runs_dir / self.run_id
            paths += [folder / "run.json", folder / "history.jsonl"]
        return tuple(stamp_of(path) for path in paths)


def _state(status: RunStatus) -> str:
    """Return the state; of a crash also which reason is shown, which is learned a moment later."""
    if status.state != "crashed":
        return status.state
    return f"crashed:{zlib.crc32(status.message.encode()):08x}"


def may_change(status: RunStatus) -> bool:
    """Return whether a run is live, or just ended without a word: a stop may yet be noted down."""
    age_s = status.heartbeat_age_s
    silent = status.state == "crashed" and age_s is not None and age_s < SETTLE_S
    return status.is_live or silent


def pulse_of(book: RunBook, run: RunFolder, status: RunStatus) -> Pulse:
    """Return the epochs done, with the time left while the run trains."""
    history = book.history(run)
    done = history.last["epoch"] if history.last else 0
    epochs = status.epochs or 1
    text = f"Epoch {done} of {status.epochs}"
    if status.state == "queued":
        text = "Waiting for its turn"
    elif status.state == "running":
        left = diagnostics.time_left_s(history.newest(50), epochs=epochs)
        known = left is not None
        text += f", about {diagnostics.duration_text(left)} left" if known else ", first epoch"
    age_s = status.heartbeat_age_s if status.is_live else None
    return Pulse(text, min(1.0, done / epochs), status.is_live, age_s)


def statuses(book: RunBook) -> list[tuple[RunFolder, RunStatus]]:
    """Return the newest runs of any kind with their states."""
    return [(run, book.status(run)) for run in book.runs(None)[:N_WATCHED]]


def epochs_of(book: RunBook, run: RunFolder, status: RunStatus) -> int:
    """Return the planned epochs, as far as anything says."""
    if status.epochs:
        return status.epochs
    try:
        return book.config(run).epochs
    except MoolaError:
        last = book.history(run).last
        return last["epoch"] if last else 1
