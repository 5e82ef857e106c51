"""Whether a learned log-sigma (`moola.balancing.kendall`) can still reach its optimum.

At the optimum ``sigma^2`` is the task's loss in units of the constant predictor's, so that
``log sigma = ln(L / L_const) / 2``. A run that ends before a log-sigma is there, or whose bounds
shut it out, has not weighed the task as its loss would have it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from moola.schema import Task
from moola.silence import EpochRow, since_restart

LOW, HIGH = 0.1, 2.0
"""Bounds of ``sigma^2`` in units of the constant predictor's loss, at whose optimum it stands."""
N_EPOCHS = 3
"""Epochs that the pace of a log-sigma is averaged over."""
CLOSE = 0.01
"""How near to its bound or its optimum a log-sigma counts as there: 1 % of sigma."""


def inertia(history: Sequence[EpochRow], task: Task, epochs: int) -> str | None:
    """Return why the log-sigma of `task` will not arrive, with its numbers; None if it may.

    Parameters
    ----------
    epochs
        Planned epochs of the run.
    """
    path = [_log_sigma(row, task) for row in since_restart(history)][-N_EPOCHS - 1 :]
    steps = [value for value in path if value is not None]
    optimum = _optimum(history[-1], task) if history else None
    if not steps or optimum is None:
        return None
    now, away = steps[-1], optimum - steps[-1]
    low, high = math.log(LOW) / 2, math.log(HIGH) / 2
    if (now <= low + CLOSE and away < -CLOSE) or (now >= high - CLOSE and away > CLOSE):
        return f"its log-sigma stands at a bound, {now:.2f}, and its loss asks for {optimum:.2f}"
    if len(steps) < 2:
        return None
    n_left = epochs - history[-1]["epoch"]
    pace = abs(steps[-1] - steps[0]) / (len(steps) - 1)
    distance = abs(min(max(optimum, low), high) - now)
    if distance <= CLOSE or pace * n_left >= distance:
        return None
    return (
        f"its log-sigma is {now:.2f}, should be {optimum:.2f}, and moves {pace:.3f} an epoch with "
        f"{n_left} left"
    )


def _log_sigma(row: EpochRow, task: Task) -> float | None:
    return (row.get("log_sigma") or {}).get(task)


def _optimum(row: EpochRow, task: Task) -> float | None:
    """Return half the logarithm of the training loss over the constant's, which skill implies."""
    loss = (row.get("raw") or {}).get(task)
    held_out, skill = ((row.get(key) or {}).get(task) for key in ("val_raw", "skill"))
    if not loss or not held_out or skill is None or skill >= 1:
        return None
    constant = held_out / (1 - skill)
    return math.log(loss / constant) / 2
