"""What tests of a training ask for again and again."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from moola.runs import RunFolder

TIMES = ("wall", "probe_s", "epoch_s")


def without_time(run: RunFolder) -> list[dict[str, Any]]:
    """Return the rows without the columns that a clock filled in."""
    return [{k: v for k, v in row.items() if k not in TIMES} for row in run.history()]


def after_steps(n: int) -> Callable[[], bool]:
    """Return a stop signal that arrives after `n` steps."""
    asked = iter(range(1_000_000))
    return lambda: next(asked) >= n
