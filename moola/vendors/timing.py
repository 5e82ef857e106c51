"""What the first stamps of a file tell: its order, the length of its bars."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from moola.exceptions import ImportRefused
from moola.vendors.answers import COMMON_BARS, Answers, bar_name, bar_seconds
from moola.vendors.draft import Draft
from moola.vendors.stamps import Stamps, find_stamps

SURE_STEPS = 20


def head_seconds(draft: Draft, stamps: Stamps) -> NDArray[np.int64]:
    """Return the first times of one instrument in seconds, in whatever zone."""
    head = draft.head
    if "symbol" in head:
        names = pd.Series(head["symbol"]).astype("str")
        head = pd.DataFrame(head[names == names.mode().iloc[0]]).reset_index(drop=True)
    guess = Answers(tz="UTC", date_order=draft.known.date_order or stamps.day_orders[0])
    times = stamps.read(pd.Series(head["time"]), guess, where="its head", first_row=1).dropna()
    return pd.DatetimeIndex(times).as_unit("ns").asi8 // 1_000_000_000


def is_newest_first(seconds: NDArray[np.int64]) -> bool:
    """Return whether times fall, and never rise."""
    steps = np.diff(seconds)
    return len(steps) > 0 and bool((steps <= 0).all() and (steps < 0).any())


def refuse_days_without_clock(steps: NDArray[np.int64], stamps: Stamps, where: str) -> None:
    """Raise `ImportRefused` if stamps are dates but several bars share one."""
    if not stamps.has_clock and len(steps) and np.mean(steps == 0) > 0.5:
        raise ImportRefused(
            "Several bars of one day should have a time of day. Found only dates, and several "
            f"bars to a date ({where})."
        )


def usual_bar_of(draft: Draft) -> str | None:
    """Return the length of a file's bars where its first stamps leave no doubt."""
    stamps = find_stamps(pd.Series(draft.head["time"]), draft.title)
    return usual_bar(np.abs(np.diff(head_seconds(draft, stamps))))


def usual_bar(steps: NDArray[np.int64]) -> str | None:
    """Return the length of a bar where the distances between stamps leave no doubt.

    Either most bars follow the one before at the same distance, or, in a thin market, many stamps
    are multiples of the shortest distance: shorter bars would have fallen between.

    >>> usual_bar(np.array([60, 60, 120, 60]))
    '1min'
    """
    steps = steps[steps > 0]
    if not len(steps):
        return None
    distances, counts = np.unique(steps, return_counts=True)
    if len(steps) >= 3 and counts.max() * 2 > len(steps):
        return bar_name(int(distances[counts.argmax()]))
    if len(steps) >= SURE_STEPS and np.gcd.reduce(distances) == distances[0]:
        return bar_name(int(distances[0]))
    return None


def likely_bars(steps: NDArray[np.int64]) -> tuple[str, ...]:
    """Return the common lengths that all distances are multiples of, the longest first."""
    steps = steps[steps > 0]
    common = int(np.gcd.reduce(steps)) if len(steps) else 0
    fitting = [bar for bar in COMMON_BARS if common % bar_seconds(bar) == 0]
    return tuple(reversed(fitting)) or COMMON_BARS
