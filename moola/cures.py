"""What a cure of an alert starts: a run from the right checkpoint where there is one, or anew."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from moola.config import FinetuneConfig
from moola.exceptions import MoolaError
from moola.restarting import INHERITED, nearest_checkpoint, restart_config
from moola.runs import RunFolder, open_run

MAX_ANCESTORS = 20


@dataclass(frozen=True, slots=True)
class Point:
    """An epoch that can be restarted from, and the run that keeps its checkpoint."""

    run: RunFolder
    epoch: int


def restart_point(run: RunFolder, epoch: int) -> Point | None:
    """Return the last checkpoint up to `epoch`: the run's own, or of the run it was restarted from.

    A restarted run keeps no checkpoints of the epochs that it took over.
    """
    for _ in range(MAX_ANCESTORS):
        found = nearest_checkpoint(run, epoch)
        if found is not None:
            return Point(run, found)
        parent = run.config().restart_from
        if parent is None:
            return None
        name, _, taken_over = parent.rpartition("@")
        try:
            run, epoch = open_run(name, run.path.parent), min(epoch, int(taken_over))
        except MoolaError:  # the parent is gone
            return None
    return None


@dataclass(frozen=True, slots=True)
class Cure:
    """The options of the run that an action starts, and where it starts."""

    config: FinetuneConfig
    point: Point | None

    @property
    def where(self) -> str:
        """Say where it starts, as the beginning of a sentence."""
        return f"Restart from epoch {self.point.epoch}" if self.point else "New run"


def cure(run: RunFolder, options: Mapping[str, Any], *, since_epoch: int) -> Cure:
    """Return the run that takes up `run` before `since_epoch` with other `options`.

    Without a checkpoint before that, and where an option is one of data or model, it is a new run.
    """
    point = None
    if not set(INHERITED) & set(options):
        point = restart_point(run, since_epoch - 1)
    if point is None:
        return Cure(replace(run.config(), restart_from=None, **options), None)
    # Whose options count: a parent may have been trained under others.
    own = {name: value for name, value in run.config().to_dict().items() if name not in INHERITED}
    return Cure(restart_config(point.run, point.epoch, **(own | dict(options))), point)
