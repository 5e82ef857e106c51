"""How far one person's decisions can be trusted: trials whose answer is known, and time taken."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple, Protocol

import numpy as np

from moola.rates import Rate, rate
from moola.second_look import decision_of

FAST_S = 0.6
"""Seconds under which nobody has looked at a chart."""


class Timed(Protocol):
    """A decision with how it was made."""

    @property
    def state(self) -> str:
        """The stored decision."""
        ...

    @property
    def mode(self) -> str:
        """``normal, blind, catch`` or ``repeat``."""
        ...

    @property
    def seconds(self) -> float | None:
        """Time from seeing the window to deciding it."""
        ...


class Times(NamedTuple):
    """Seconds per decision of one person; NaN where none was timed."""

    n: int
    median_s: float
    p90_s: float
    fast: Rate
    """Decisions faster than `FAST_S`."""


def catch_share(decisions: Iterable[Timed]) -> Rate:
    """Return how many catch trials were accepted: each showed a span that had been shifted.

    A careful person moves or rejects it, so the share should be near 0.
    """
    trials = [
        item for item in decisions if item.mode == "catch" and decision_of(item.state) is not None
    ]
    return rate(sum(item.state == "verified" for item in trials), len(trials))


def times_of(decisions: Iterable[Timed]) -> Times:
    """Return the time per decision, of those that were timed."""
    seconds = np.array([item.seconds for item in decisions if item.seconds is not None], float)
    if not len(seconds):
        return Times(0, float("nan"), float("nan"), rate(0, 0))
    median, p90 = np.percentile(seconds, [50, 90]).tolist()
    return Times(len(seconds), median, p90, rate(int((seconds < FAST_S).sum()), len(seconds)))
