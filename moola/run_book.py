"""What the pages know of all runs: read once, kept for all tabs, brought up to date by what is new.

A page that follows a run asks several times a second. Here a folder is listed again only when
it has changed, a state is read again only when its file has, a history grows by its new bytes, and
a judgement is made once per epoch.
"""

from __future__ import annotations

import os
import threading
import time
from collections import OrderedDict
from collections.abc import Collection
from dataclasses import dataclass, replace
from pathlib import Path

from moola.advice import Advice, Badge, advise, badges, blind_spot
from moola.config import FinetuneConfig
from moola.density import data_alert
from moola.exceptions import MoolaError
from moola.history import HistoryDigest
from moola.judging import facts_of
from moola.runs import LIVE_STATES, RunFolder, RunStatus, list_runs
from moola.schema import TASKS, Task

N_DIGESTS = 12
"""Histories kept open: at most 800 rows each."""
SETTLED_S = 2.0
"""A folder changed more recently than this is listed anew: its time stamp is not that fine."""
Stamp = tuple[int, int, int]


@dataclass(frozen=True, slots=True)
class Judgement:
    """A badge for every task, the alerts with their advice, and what cannot be judged."""

    badges: dict[Task, Badge]
    advice: list[Advice]
    blind_spot: str | None
    data_alert: str | None = None
    """What is wrong with the features themselves."""


@dataclass(slots=True)
class _Known:
    """What is kept of one run, with the stamps of the files it was read from."""

    status: tuple[Stamp, RunStatus, float] | None = None  # and when it was read
    config: tuple[Stamp, FinetuneConfig, str | None] | None = None  # and the hash of its data
    skills: tuple[Stamp, dict[int, dict[Task, float]]] | None = None
    judgement: tuple[tuple[object, ...], Judgement] | None = None


class RunBook:
    """The runs of one folder; every method may be called from any thread."""

    def __init__(self, runs_dir: Path) -> None:
        self.runs_dir = runs_dir
        self._lock = threading.RLock()
        self._listed: tuple[int, list[RunFolder]] | None = None
        self._kinds: dict[str, str] = {}
        self._known: dict[str, _Known] = {}
        self._digests: OrderedDict[str, HistoryDigest] = OrderedDict()

    def runs(self, kinds: Collection[str] | None = ("finetune",)) -> list[RunFolder]:
        """Return the runs of some kinds (None: of any), newest first."""
        with self._lock:
            found = self._all()
            return [run for run in found if kinds is None or self.kind(run) in kinds]

    def _all(self) -> list[RunFolder]:
        try:
            stamp = self.runs_dir.stat().st_mtime_ns
        except OSError:
            return []
        if self._listed and self._listed[0] == stamp:
            return self._listed[1]
        found = list_runs(self.runs_dir, None)
        gone = set(self._known) - {run.id for run in found}
        for run_id in gone:
            self._known.pop(run_id)
            self._kinds.pop(run_id, None)
            self._digests.pop(run_id, None)
        settled = time.time() - stamp / 1e9 > SETTLED_S
        self._listed = (stamp, found) if settled else None
        return found

    def kind(self, run: RunFolder) -> str:
        """Return what the run does; one that cannot tell counts as a fine-tuning."""
        if run.id not in self._kinds:
            try:
                self._kinds[run.id] = run.kind
            except MoolaError:  # not written yet, or damaged: it should be seen
                return "finetune"
        return self._kinds[run.id]

    def status(self, run: RunFolder) -> RunStatus:
        """Return the state as of now; only that of a live run needs more than a look at a file."""
        with self._lock:
            known, stamp = self._of(run), stamp_of(run.path / "run.json")
            if known.status and stamp and known.status[0] == stamp:
                _, status, read_at = known.status
                if status.heartbeat_age_s is None:
                    return status
                return replace(status, heartbeat_age_s=status.heartbeat_age_s + _age(read_at))
            status = run.status()
            # What is live or has crashed may be another thing the next moment.
            is_final = status.state not in (*LIVE_STATES, "crashed", "damaged")
            known.status = (stamp, status, time.time()) if stamp and is_final else None
            return status

    def history(self, run: RunFolder) -> HistoryDigest:
        """Return the run's history as it is now."""
        with self._lock:
            if run.id not in self._digests:
                self._digests[run.id] = HistoryDigest(run.path / "history.jsonl")
                while len(self._digests) > N_DIGESTS:
                    self._digests.popitem(last=False)
            self._digests.move_to_end(run.id)
            digest = self._digests[run.id]
            digest.refresh()
            return digest

    def config(self, run: RunFolder) -> FinetuneConfig:
        """Return the run's options."""
        return self._config(run)[0]

    def _config(self, run: RunFolder) -> tuple[FinetuneConfig, str | None]:
        with self._lock:
            known, stamp = self._of(run), stamp_of(run.path / "config.json")
            if not known.config or not stamp or known.config[0] != stamp:
                config, data_hash = run.config(), run.resolved().get("data_hash")
                if not stamp:
                    return config, data_hash
                known.config = (stamp, config, data_hash)
            return known.config[1], known.config[2]

    def judge(self, run: RunFolder) -> Judgement:
        """Return how every task fares as of the newest row."""
        with self._lock:
            known, digest = self._of(run), self.history(run)
            config, _ = self._config(run)
            last = digest.last
            key = (digest.n_rows, last and last.get("wall"), config)
            if not known.judgement or known.judgement[0] != key:
                facts = facts_of(config, self.reference_skill(run))
                rows = digest.rows
                judged = Judgement(
                    badges(rows, facts), advise(rows, facts), blind_spot(facts), data_alert(rows)
                )
                known.judgement = (key, judged)
            return known.judgement[1]

    def reference_skill(self, run: RunFolder) -> dict[Task, float]:
        """Return each task's best skill at this run's last epoch in other runs on the same data."""
        last, (_, data_hash) = self.history(run).last, self._config(run)
        if last is None or data_hash is None:
            return {}
        best: dict[Task, float] = {}
        for other in self.runs():
            if other.id == run.id or not self._is_on(other, data_hash):
                continue
            for task, skill in self._skills(other).get(last["epoch"], {}).items():
                best[task] = max(skill, best.get(task, skill))
        return best

    def _is_on(self, run: RunFolder, data_hash: str) -> bool:
        try:
            return self._config(run)[1] == data_hash
        except MoolaError:
            return False

    def _skills(self, run: RunFolder) -> dict[int, dict[Task, float]]:
        """Return the skills by epoch, without keeping the rows they come from."""
        known, stamp = self._of(run), stamp_of(run.path / "history.jsonl")
        if stamp is None:
            return {}
        if not known.skills or known.skills[0] != stamp:
            digest = self._digests.get(run.id) or HistoryDigest(run.path / "history.jsonl")
            digest.refresh()
            by_epoch: dict[int, dict[Task, float]] = {}
            for row in digest.rows:
                stored = row.get("skill") or {}
                by_epoch[row["epoch"]] = {
                    task: stored[task] for task in TASKS if stored.get(task) is not None
                }
            known.skills = (stamp, by_epoch)
        return known.skills[1]

    def _of(self, run: RunFolder) -> _Known:
        return self._known.setdefault(run.id, _Known())


def stamp_of(path: Path) -> Stamp | None:
    """Return what changes whenever a file is replaced or grows."""
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found.st_ino, found.st_size, found.st_mtime_ns


def _age(since: float) -> float:
    return max(0.0, time.time() - since)
