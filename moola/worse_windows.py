"""Which windows got worse between two epochs, and at which task."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from moola.schema import TASK_NAMES, TASKS, Task
from moola.window_losses import WindowLosses


@dataclass(frozen=True, slots=True)
class Step:
    """Two recorded epochs to compare."""

    before: int
    after: int


def tasks_of(losses: WindowLosses) -> list[Task]:
    """Return the tasks that the run trains, in their fixed order."""
    return [task for task in TASKS if task in losses.task]


def step_to(losses: WindowLosses, epoch: int) -> Step | None:
    """Return the recorded epoch nearest to `epoch` and the one recorded before it.

    The first recorded epoch has none before it; None of fewer than two.
    """
    recorded = losses.epoch
    if len(recorded) < 2:
        return None
    at = max(1, int(np.abs(recorded - epoch).argmin()))
    return Step(int(recorded[at - 1]), int(recorded[at]))


def worse_windows(
    losses: WindowLosses, step: Step, *, task: str | None = None, held_out_only: bool = False
) -> pd.DataFrame:
    """Return a row a window with its losses before and after, and how much worse it got.

    Columns are ``window_uid``, ``split``, ``change``, and per task ``<task>`` and
    ``<task>_before``. The change of a window is that of its tasks, each as a multiple of the mean
    loss of that task over all windows before: a loss of 0.01 beside others of 1 counts as much. A
    window with two spans counts by the worse. The worst stand first, by `task` or by all of them.
    """
    place = {int(epoch): at for at, epoch in enumerate(losses.epoch)}
    before = losses.loss[place[step.before]].astype(np.float64)
    after = losses.loss[place[step.after]].astype(np.float64)
    scale = np.nanmean(np.where(np.isnan(before).all(axis=0), 1.0, before), axis=0)
    change = (after - before) / np.maximum(scale, 1e-12)
    table: dict[str, Any] = {
        "window_uid": losses.window_uid,
        "split": np.where(losses.is_val, "held out", "training"),
        "change": np.nanmean(np.where(np.isnan(change).all(axis=1)[:, None], 0.0, change), axis=1),
    }
    for k, name in enumerate(losses.task.tolist()):
        table |= {name: after[:, k], f"{name}_before": before[:, k], f"{name}_change": change[:, k]}
    found = pd.DataFrame(table)
    if held_out_only:
        found = found.loc[losses.is_val]
    by = f"{task}_change" if task else "change"
    ordered = found.sort_values(by=[by], ascending=False, kind="stable")
    return ordered.drop_duplicates(subset="window_uid").reset_index(drop=True)


def sentence(losses: WindowLosses, step: Step) -> str:
    """Return per task how many held-out windows got worse, and by how much the mean moved."""
    held_out = worse_windows(losses, step, held_out_only=True)
    parts = []
    for task in tasks_of(losses):
        change = np.asarray(held_out[f"{task}_change"], float)
        known = change[~np.isnan(change)]
        if len(known):
            n_worse = np.count_nonzero(known > 0)
            parts.append(f"{TASK_NAMES[task]} {n_worse} of {len(known)} ({known.mean():+.0%})")
    return "Held-out windows that got worse: " + ", ".join(parts) if parts else ""
