"""Pauses between bars, and rolls from one contract to the next: known, or merely suspected."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from moola.store import Series

USUAL_MAX_GAP_MIN = 5.0
JUMP_ATR = 6.0
"""A gap whose first bar opens this many true ranges away may be a roll: only ever a suspicion."""
RANGE_BARS = 20
ISO_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d(?::\d\d(?:\.\d+)?)?(?:Z|[+-]\d\d:\d\d)")


def find_gaps(seconds: NDArray[np.int64], max_gap_min: float) -> NDArray[np.int64]:
    """Return the bars that come after a pause longer than `max_gap_min` minutes.

    The pause is the time without a bar: minute bars that follow one another have none.
    """
    if len(seconds) < 2:
        return np.zeros(0, np.int64)
    steps = np.diff(seconds)
    return np.flatnonzero(steps - np.median(steps) > 60 * max_gap_min) + 1


def rolls_of(series: Series) -> tuple[datetime, ...] | None:
    """Return when another contract begins, as the series' roll rule lists it; None if it does not.

    A rule in words ("back-adjusted by volume") names no times and gives None: that there were
    rolls is then known, but not when.
    """
    found = ISO_TIME.findall(series.roll_rule or "")
    return tuple(datetime.fromisoformat(text) for text in found) or None


def suspected_rolls(timestamps: Any, ohlc: NDArray[np.float64]) -> NDArray[np.int64]:
    """Return bars that open far from the close before a pause: rolls, or merely news.

    Far is `JUMP_ATR` times the mean true range of the bars before. Nothing tells a roll from a
    jump over a weekend by prices alone, so nobody is given these unless he asks.
    """
    seconds = pd.DatetimeIndex(timestamps).as_unit("s").asi8
    after = find_gaps(seconds, USUAL_MAX_GAP_MIN)
    after = after[after > RANGE_BARS]
    heights = np.r_[0.0, np.cumsum(ohlc[:, 1] - ohlc[:, 2])]
    usual = (heights[after] - heights[after - RANGE_BARS]) / RANGE_BARS
    return after[np.abs(ohlc[after, 0] - ohlc[after - 1, 3]) > JUMP_ATR * usual]
