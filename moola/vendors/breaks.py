"""Find the pauses that come back at the same clock time on most days."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

MIN_BREAK_SECONDS = 15 * 60
MIN_DAY_SHARE = 0.4
"""A CME market pauses after four of the six dates that a week touches."""
DAY_MINUTES = 1_440


@dataclass(frozen=True, slots=True)
class Break:
    """A regular pause in local time, such as 16:00 to 17:00."""

    start: str
    end: str
    zone: str
    n_days: int

    def __str__(self) -> str:
        return f"{self.start}-{self.end} {self.zone} ({self.n_days:,} times)"


class BreakCounter:
    """Counts pauses by the clock times at which they begin and end."""

    def __init__(self, zone: str, bar_seconds: int | None) -> None:
        self._zone, self._bar = zone, bar_seconds
        self._n_days, self._last_day = 0, -1
        self._counts = np.zeros((DAY_MINUTES, DAY_MINUTES), np.int32)

    def add(self, seconds: NDArray[np.int64], steps: NDArray[np.int64]) -> None:
        """Count the pauses between some bars; `steps` are the distances of `seconds`."""
        if self._bar is None or self._bar >= DAY_MINUTES * 60:
            return
        local = self._local_minutes(seconds)
        days = local // DAY_MINUTES
        self._n_days += int((np.diff(np.r_[self._last_day, days]) > 0).sum())
        self._last_day = int(days[-1])
        at = np.flatnonzero(steps >= MIN_BREAK_SECONDS + self._bar)
        begin = (local[at] + self._bar // 60) % DAY_MINUTES
        np.add.at(self._counts, (begin, local[at + 1] % DAY_MINUTES), 1)

    def regular(self) -> tuple[Break, ...]:
        """Return the pauses of most days, the most frequent first."""
        least = max(2, MIN_DAY_SHARE * self._n_days)
        places = np.argwhere(self._counts >= least).tolist()
        found = [
            Break(_clock(begin), _clock(end), self._zone, int(self._counts[begin, end]))
            for begin, end in places
        ]
        return tuple(sorted(found, key=lambda item: -item.n_days))

    def _local_minutes(self, seconds: NDArray[np.int64]) -> NDArray[np.int64]:
        times = pd.to_datetime(seconds, unit="s", utc=True).tz_convert(self._zone)
        return times.tz_localize(None).as_unit("s").asi8 // 60


def _clock(minute: int) -> str:
    return f"{minute // 60:02d}:{minute % 60:02d}"
