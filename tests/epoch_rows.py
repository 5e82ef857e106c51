"""Epoch rows as a run's history holds them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from moola.schema import TASKS

ON_TARGET = (0.7, 0.1, 0.1, 0.1)
POINTERS_STARVED = (0.036, 0.291, 0.25, 0.423)
TYPE_WITHOUT_GRADIENT = (0.85, 0.08, 0.06, 0.01)


def epochs(
    n: int,
    *,
    loss: Sequence[float] = ON_TARGET,
    gradient: Sequence[float] | None = ON_TARGET,
    skill: Mapping[str, float | Sequence[float]] | None = None,
    first: int = 1,
) -> list[dict[str, Any]]:
    """Return `n` epochs of a healthy run, but for what is named."""

    def by_task(values: Sequence[float] | None) -> dict[str, float] | None:
        return None if values is None else dict(zip(TASKS, values, strict=True))

    def skills(i: int) -> dict[str, float]:
        named = {
            task: value if isinstance(value, float | int) else value[i]
            for task, value in (skill or {}).items()
        }
        return dict.fromkeys(TASKS, 0.5) | named

    return [
        {
            "epoch": first + i,
            "raw": dict.fromkeys(TASKS, 0.5),
            "val_raw": dict.fromkeys(TASKS, 0.5),
            "loss_share": by_task(loss),
            "grad_share": by_task(gradient),
            "grad_raw": None if gradient is None else dict.fromkeys(TASKS, 1.0),
            "aligned_share": None if gradient is None else by_task(ON_TARGET),
            "skill": skills(i),
        }
        for i in range(n)
    ]
