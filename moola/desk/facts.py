"""What the bars say about a window before anybody looks at it: hours, volatility, pauses, rolls."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from moola import coverage, cutting, market_hours
from moola.desk.bars import SeriesBars, series_bars
from moola.schema import WINDOW_LENGTH
from moola.store import Series

NO_TIME = market_hours.UNKNOWN


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known of one window; `hours` and `month` are `NO_TIME` where bars carry none."""

    month: str
    hours: str
    volatility: str
    gap: bool
    roll: bool
    cold: bool
    text: str


@dataclass(frozen=True, eq=False)
class SeriesFacts:
    """The facts of every window that a series could hold, by the window's first bar."""

    series: Series
    bars: SeriesBars
    survey: coverage.Survey | None  # None without times
    volatility: NDArray[np.int8]  # (N - 104,), used without times
    gaps: NDArray[np.int64]  # bars that come after a pause
    rolls: NDArray[np.int64]  # bars at which another contract begins, known or suspected

    def of(self, bar_start: int) -> Facts:
        """Return the facts of the window that begins at `bar_start`."""
        month, hours, volatility = self.cell(bar_start)
        gap, roll = _inside(self.gaps, bar_start), _inside(self.rolls, bar_start)
        return Facts(
            month=month,
            hours=hours,
            volatility=volatility,
            gap=gap,
            roll=roll,
            cold=self.series.kind == "window",
            text=self._text(bar_start),
        )

    def cell(self, bar_start: int) -> coverage.Cell:
        """Return the window's cell of the coverage map."""
        if self.survey is not None:
            return self.survey.cell(bar_start)
        return coverage.Cell(NO_TIME, NO_TIME, coverage.VOLATILITIES[self.volatility[bar_start]])

    def _text(self, bar_start: int) -> str:
        last = bar_start + WINDOW_LENGTH - 1
        said = [self.series.symbol] if self.series.symbol else []
        if self.bars.times is None:
            said.append("no time stamps")
        else:
            first, end = (
                datetime.fromtimestamp(int(self.bars.times[at]), UTC) for at in (bar_start, last)
            )
            said.append(f"{first:%a %-d %b %Y, %H:%M} – {end:%H:%M} UTC")
        if self.series.kind == "feed":
            said.append(f"bars {bar_start:,} – {last:,}")
        return " · ".join(said)


def facts_of(folder: Path, series: Series) -> SeriesFacts:
    """Return the facts of a series by the clock of its exchange, or of New York if it names none.

    The bars are read once for each content and clock.
    """
    return _facts(folder, series, series.tz_exchange or market_hours.EXCHANGES[0].zone)


@lru_cache(maxsize=256)
def _facts(folder: Path, series: Series, zone: str) -> SeriesFacts:
    bars = series_bars(folder, series.content_hash)
    _, high, low, close = bars.ohlc.T
    if bars.times is None:
        spread = coverage.relative_range(np.stack([high, low, close], axis=1))
        nowhere = np.zeros(0, np.int64)
        volatility = coverage.terciles(spread)
        return SeriesFacts(series, bars, None, volatility, nowhere, nowhere)
    times = pd.to_datetime(bars.times, unit="s", utc=True)
    frame = pd.DataFrame({"timestamp": times, "high": high, "low": low, "close": close})
    survey = coverage.survey(series.series_id, frame, zone)
    longest = cutting.allowed_gap_min(bars.times, cutting.CutOptions())
    return SeriesFacts(
        series=series,
        bars=bars,
        survey=survey,
        volatility=np.zeros(0, np.int8),
        gaps=cutting.find_gaps(bars.times, longest),
        rolls=_rolls(series, times, bars.ohlc),
    )


def _rolls(series: Series, times: pd.DatetimeIndex, ohlc: NDArray[np.float64]) -> NDArray[np.int64]:
    """Return the rolls that the series lists; where it lists none, pauses with a jump."""
    listed = cutting.rolls_of(series)
    if listed is None:
        return cutting.suspected_rolls(times, ohlc)
    return np.asarray(times.searchsorted(pd.DatetimeIndex(listed).tz_convert("UTC")), np.int64)


def _inside(bars: NDArray[np.int64], bar_start: int) -> bool:
    """Return whether one of some sorted bars lies in the window, after its first bar."""
    first, stop = np.searchsorted(bars, [bar_start + 1, bar_start + WINDOW_LENGTH])
    return bool(stop > first)
