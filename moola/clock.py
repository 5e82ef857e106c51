"""When windows lie: the times of their bars, as far as the series they are cut from carry any."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from moola.bars import BarStore
from moola.examples import CONTEXT_BARS, Times
from moola.features import LOOKBACK_BARS
from moola.schema import WINDOW_LENGTH
from moola.store import LabelStore

Clock = Callable[[str], "NDArray[np.float64] | None"]
"""Returns when each bar of a series opens, in seconds since 1970; None where bars carry no time."""


def clock_of(store: LabelStore, bar_store: BarStore) -> Clock:
    """Return the clock of the store's series."""
    known = {series.series_id: series for series in store.series()}

    def times(series_id: str) -> NDArray[np.float64] | None:
        series = known.get(series_id)
        if series is None or series.start_ts is None:
            return None
        stamps = bar_store.read(series.content_hash)["timestamp"]
        return pd.DatetimeIndex(stamps).as_unit("ns").asi8 / 1e9

    return times


def window_times(series_id: NDArray[np.str_], bar_start: NDArray[np.int64], clock: Clock) -> Times:
    """Return when N windows lie.

    Parameters
    ----------
    series_id, bar_start
        (N,) series of each window and the sequence number of its bar 0.
    """
    found = Times.unknown(len(series_id))
    for name in np.unique(series_id):
        opens_s = clock(str(name))
        if opens_s is None:
            continue
        rows = np.flatnonzero(series_id == name)
        first = bar_start[rows] - LOOKBACK_BARS - CONTEXT_BARS
        last = bar_start[rows] + WINDOW_LENGTH - 1 + CONTEXT_BARS
        found.start_s[rows] = opens_s[bar_start[rows]]
        found.first_s[rows] = opens_s[np.maximum(first, 0)]
        found.last_s[rows] = opens_s[np.minimum(last, len(opens_s) - 1)] + _bar_s(opens_s)
    return found


def _bar_s(opens_s: NDArray[np.float64]) -> float:
    """Return how long a bar lasts: the usual time from one to the next."""
    return float(np.median(np.diff(opens_s))) if len(opens_s) > 1 else 0.0
