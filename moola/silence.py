"""Which tasks have gone silent: too small a part of the loss, or of the encoder's gradient.

A task is silent at an epoch when its share is below a quarter of its target share. It counts from
epoch 4 on (the first three are warm-up) and is reported once it has lasted three epochs: the
earliest report comes at epoch 6 and says "since epoch 4". The gradient rule needs gradient shares,
so it is off for a frozen encoder, which has none. Not every epoch is probed: a streak counts the
probed ones, and the last of them says what holds now. A restart begins all streaks anew.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from moola.schema import TARGET_SHARES, TASK_NAMES, TASKS, Task

SilenceKind = Literal["loss", "gradient"]
EpochRow = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class SilenceRules:
    """Thresholds of every judgement; a run can be judged anew with others."""

    warm_up_epochs: int = 3
    streak_epochs: int = 3
    """Epochs in a row that a share must be too low, or a loss too high, to be reported."""
    silent_part: float = 0.25
    """Part of its target share below which a task is silent."""
    pointer_slack: float = 0.10
    """Distance from their target that the pointers' loss share may have: 60-80 % of four tasks."""
    type_factor: float = 2.0
    """Multiple of its target that type's loss share stays below: 20 % of four tasks."""
    least_skill: float = 0.05
    judged_part: float = 0.25
    """Part of the planned epochs after which a task should have learned something."""
    judged_epoch: int = 5
    regression: float = 1.2
    """Multiple of its best that a validation loss may have."""
    starved_part: float = 0.8
    """Part of a reference run's skill below which a silent task counts as starved."""
    overruled_part: float = 0.8
    overruled_epochs: int = 6
    """Epochs with a probe, and the part of them in which the others must pull against a task."""

    @property
    def first_report_epoch(self) -> int:
        """The earliest epoch at which a streak can be reported."""
        return self.warm_up_epochs + self.streak_epochs


RULES = SilenceRules()
FIRST_REPORT_EPOCH = RULES.first_report_epoch
_SHARE_COLUMNS: dict[SilenceKind, str] = {"loss": "loss_share", "gradient": "grad_share"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Silence:
    """A task that is silent as of the last epoch, and who drowns it."""

    task: Task
    kind: SilenceKind
    since_epoch: int
    share: float
    target: float
    dominant_task: Task
    dominant_share: float

    @property
    def key(self) -> str:
        """What names this silence while it lasts: ``type-gradient-4``."""
        return f"{self.task}-{self.kind}-{self.since_epoch}"

    def __str__(self) -> str:
        return (
            f"{TASK_NAMES[self.task]} silent since epoch {self.since_epoch}: {self.kind} share "
            f"{self.share:.1%} (target {self.target:.0%}); largest: "
            f"{TASK_NAMES[self.dominant_task]} {self.dominant_share:.0%}."
        )


def silenced_tasks(history: Sequence[EpochRow], rules: SilenceRules = RULES) -> list[Silence]:
    """Return the tasks that are silent as of the last row, by loss share, then by gradient share.

    Parameters
    ----------
    history
        Epoch rows of a run, oldest first, as in ``history.jsonl``.
    """
    kinds: tuple[SilenceKind, ...] = ("loss", "gradient")
    found = (_silence(history, task, kind, rules) for kind in kinds for task in TASKS)
    return [silence for silence in found if silence is not None]


def ever_silenced(history: Sequence[EpochRow]) -> list[Silence]:
    """Return the first report of every task and kind that was silent at any time of the run."""
    first: dict[tuple[Task, SilenceKind], Silence] = {}
    for n_rows in range(1, len(history) + 1):
        for silence in silenced_tasks(history[:n_rows]):
            first.setdefault((silence.task, silence.kind), silence)
    return list(first.values())


def since_restart(history: Sequence[EpochRow]) -> Sequence[EpochRow]:
    """Return the rows of the present strategy: the one before a restart is not on trial."""
    first = max((i for i, row in enumerate(history) if row.get("restart")), default=0)
    return history[first:]


def target_shares(tasks: Sequence[str]) -> dict[Task, float]:
    """Return the target shares of the tasks a run trains, scaled to sum to 1.

    >>> target_shares(["ptr", "type"])["ptr"]
    0.875
    """
    trained: dict[Task, float] = {task: TARGET_SHARES[task] for task in TASKS if task in tasks}
    total = math.fsum(trained.values())
    return {task: trained[task] / total for task in trained}


def _silence(
    history: Sequence[EpochRow], task: Task, kind: SilenceKind, rules: SilenceRules
) -> Silence | None:
    measured = [row for row in since_restart(history) if stored_shares(row, kind)]
    since_epoch, n_silent = 0, 0
    for row in reversed(measured):
        if row["epoch"] <= rules.warm_up_epochs or not _is_silent(row, task, kind, rules):
            break
        since_epoch, n_silent = row["epoch"], n_silent + 1
    if n_silent < rules.streak_epochs:
        return None
    shares = stored_shares(measured[-1], kind)
    dominant = max(shares, key=lambda other: shares[other])
    return Silence(
        task=task,
        kind=kind,
        since_epoch=since_epoch,
        share=shares[task],
        target=target_shares(list(shares))[task],
        dominant_task=dominant,
        dominant_share=shares[dominant],
    )


def _is_silent(row: EpochRow, task: Task, kind: SilenceKind, rules: SilenceRules) -> bool:
    shares = stored_shares(row, kind)
    limit = rules.silent_part * target_shares(list(shares)).get(task, 0.0)
    return task in shares and shares[task] < limit


def stored_shares(row: EpochRow, kind: SilenceKind) -> dict[Task, float]:
    """Return the shares of one epoch; empty when none were measured."""
    stored = row.get(_SHARE_COLUMNS[kind]) or {}
    return {task: stored[task] for task in TASKS if stored.get(task) is not None}
