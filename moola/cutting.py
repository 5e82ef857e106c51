"""Cut windows out of a series on demand: every so many bars, never across a hole unless asked.

``plan_cut(timestamps, options)`` says where windows fit and what stood in the way of the others;
``cut_series`` writes them to the store, where the same cut twice adds nothing.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from moola import market_hours
from moola.bars import BarStore
from moola.exceptions import ConfigError, StoreError
from moola.pauses import JUMP_ATR, USUAL_MAX_GAP_MIN
from moola.pauses import find_gaps as find_gaps
from moola.pauses import rolls_of as rolls_of
from moola.pauses import suspected_rolls as suspected_rolls
from moola.schema import WINDOW_LENGTH
from moola.store import LabelStore, Series

LONG_WEEKEND_MIN = 4 * 24 * 60.0
SESSION = re.compile(r"([01]?\d|2[0-3]):([0-5]\d)-([01]?\d|2[0-3]|24):([0-5]\d)")


def _option(default: Any, help: str) -> Any:
    return field(default=default, metadata={"help": help})


@dataclass(frozen=True, slots=True, kw_only=True)
class CutOptions:
    """How to cut; the defaults give windows that share no bar and cross no pause."""

    stride_bars: int = _option(WINDOW_LENGTH, "bars from the start of one window to the next")
    max_gap_min: float | None = _option(
        None,
        f"longest pause inside a window in minutes: 0 for not one missing bar, inf for any pause; "
        f"without it {USUAL_MAX_GAP_MIN:g}, and of daily bars a long weekend",
    )
    session: str | None = _option(
        None, "keep windows that lie wholly in these hours of the exchange's clock: 09:30-16:00"
    )
    hours: tuple[str, ...] = _option(
        (), "keep windows whose middle bar is in one of these parts of the day, such as open"
    )
    zone: str | None = _option(
        None, "the exchange's zone for session and hours; of a series that names its own, that one"
    )
    roll_at: tuple[datetime, ...] = _option((), "times of the first bars of new contracts")
    guess_rolls: bool = _option(
        False, f"also treat a pause with a jump of {JUMP_ATR:g} true ranges as a roll"
    )

    def __post_init__(self) -> None:
        if self.stride_bars < 1:
            raise ConfigError(f"The stride should be at least 1 bar. Found {self.stride_bars}.")
        if self.max_gap_min is not None and not self.max_gap_min >= 0:
            raise ConfigError(f"The longest pause should be 0 or more. Found {self.max_gap_min}.")
        if self.session is not None:
            session_minutes(self.session)
        if naive := [moment for moment in self.roll_at if moment.tzinfo is None]:
            raise ConfigError(f"The time of a roll should carry a zone. Found {naive[0]}.")


@dataclass(frozen=True, eq=False)
class CutPlan:
    """Where windows fit, and why they do not fit elsewhere.

    Every step of the stride is counted, but those that the series' own end cuts off.
    """

    starts: NDArray[np.int64]
    max_gap_min: float
    n_gap: int
    n_roll: int
    n_session: int
    longest_run: int
    """Most bars in a row without a pause or roll."""

    @property
    def n_steps(self) -> int:
        """Windows that the stride alone would have made."""
        return len(self.starts) + self.n_gap + self.n_roll + self.n_session


@dataclass(frozen=True, slots=True, kw_only=True)
class CutReport:
    """What a cut made and what it left out."""

    series_id: str
    n_made: int
    n_there: int
    n_gap: int
    n_roll: int
    n_session: int
    notes: tuple[str, ...] = ()

    def __str__(self) -> str:
        skipped = (
            f"{self.n_gap:,} would cross a pause",
            f"{self.n_roll:,} a roll",
            f"{self.n_session:,} lie outside the hours asked for",
        )
        notes = "".join(f"\n{note}" for note in self.notes)
        return (
            f"{self.series_id}: {self.n_made:,} new windows, {self.n_there:,} were there already; "
            f"left out: {', '.join(skipped)}{notes}"
        )


def plan_cut(
    timestamps: Any,
    options: CutOptions,
    *,
    zone: str | None = None,
    rolls: Sequence[int] | NDArray[np.int64] = (),
) -> CutPlan:
    """Return where windows fit into bars with these times.

    The stride begins anew after each pause and each roll, so that a thin market, whose unbroken
    runs are short and many, gives as many windows as it can.

    Parameters
    ----------
    timestamps
        (N,) times of the bars, rising.
    zone
        Clock for the session filter; needed with ``session`` or ``hours``.
    rolls
        Bars at which another contract begins.
    """
    seconds = pd.DatetimeIndex(timestamps).as_unit("s").asi8
    n_bars = len(seconds)
    max_gap_min = allowed_gap_min(seconds, options)
    after_gap, after_roll = find_gaps(seconds, max_gap_min), np.asarray(rolls, np.int64)
    breaks = np.union1d(after_gap, after_roll)
    breaks = breaks[(breaks > 0) & (breaks < n_bars)]
    edges = np.r_[0, breaks, n_bars].astype(np.int64)
    starts, ends = _steps(edges, options.stride_bars)
    fits = starts + WINDOW_LENGTH <= ends
    # the series' own end cuts the last steps off: no pause did that
    at_end = ~fits & (ends == n_bars)
    is_roll = np.isin(ends, after_roll) & ~np.isin(ends, after_gap)
    in_session = _in_session(seconds, starts[fits], options, zone)
    return CutPlan(
        starts=starts[fits][in_session],
        max_gap_min=max_gap_min,
        n_gap=int((~fits & ~at_end & ~is_roll).sum()),
        n_roll=int((~fits & ~at_end & is_roll).sum()),
        n_session=int((~in_session).sum()),
        longest_run=int(np.diff(edges).max(initial=0)) if n_bars else 0,
    )


def allowed_gap_min(seconds: NDArray[np.int64], options: CutOptions) -> float:
    """Return the longest pause that a window of these bars may hold, in minutes."""
    if options.max_gap_min is not None:
        return options.max_gap_min
    is_daily = len(seconds) > 1 and float(np.median(np.diff(seconds))) >= 60 * market_hours.DAY_MIN
    return LONG_WEEKEND_MIN if is_daily else USUAL_MAX_GAP_MIN


def session_minutes(text: str) -> tuple[int, int]:
    """Return begin and end of a session in minutes since midnight.

    >>> session_minutes("09:30-16:00")
    (570, 960)
    """
    match = SESSION.fullmatch(text.strip())
    begin, end = (0, 0)
    if match:
        numbers = [int(part) for part in match.groups()]
        begin, end = numbers[0] * 60 + numbers[1], numbers[2] * 60 + numbers[3]
    if begin == end or end > market_hours.DAY_MIN:
        raise ConfigError(f"A session should look like 09:30-16:00. Found {text!r}.")
    return begin, end


def cut_series(
    series: Series, store: LabelStore, bar_store: BarStore, options: CutOptions, *, op_id: str
) -> CutReport:
    """Cut windows out of a series of the store; `StoreError` if not one window fits."""
    if series.start_ts is None:
        raise StoreError(
            "A series to cut should have times. Found none in "
            f"{series.series_id}: it is one window that came alone."
        )
    times = pd.DatetimeIndex(bar_store.read(series.content_hash)["timestamp"])
    rolls, notes = _known_breaks(series, times, bar_store, options)
    plan = plan_cut(times, options, zone=_zone_of(series, options), rolls=rolls)
    if not len(plan.starts):
        raise StoreError(no_window_text(series.symbol or series.series_id, plan))
    moments = [moment.to_pydatetime() for moment in times[plan.starts]]
    n_new = store.add_windows(series.series_id, plan.starts.tolist(), moments, op_id=op_id)
    return CutReport(
        series_id=series.series_id,
        n_made=n_new,
        n_there=len(plan.starts) - n_new,
        n_gap=plan.n_gap,
        n_roll=plan.n_roll,
        n_session=plan.n_session,
        notes=notes,
    )


def no_window_text(name: str, plan: CutPlan) -> str:
    """Return the sentence about a series in which not one window fits."""
    if plan.n_session:
        return (
            f"{name} should have a window in the hours asked for. Found none: all "
            f"{plan.n_session:,} that cross no pause lie outside them."
        )
    pause = f"a pause of more than {plan.max_gap_min:g} minutes" if plan.max_gap_min else "a pause"
    return (
        f"{name} should have {WINDOW_LENGTH} bars in a row without {pause}. Found at most "
        f"{plan.longest_run}: allow longer pauses, or import longer bars of this market."
    )


def _known_breaks(
    series: Series, times: pd.DatetimeIndex, bar_store: BarStore, options: CutOptions
) -> tuple[NDArray[np.int64], tuple[str, ...]]:
    """Return the bars at which contracts begin, and a sentence on how they are known."""
    listed = rolls_of(series)
    moments = [pd.Timestamp(moment) for moment in (*(listed or ()), *options.roll_at)]
    rolls = np.unique(times.searchsorted(pd.DatetimeIndex(moments, tz="UTC"))) if moments else []
    notes = [] if moments else ["no roll is known: the series lists none, and none was guessed"]
    if options.guess_rolls:
        suspects = suspected_rolls(times, bar_store.ohlc(series.content_hash))
        rolls = np.union1d(rolls, suspects)
        notes = [f"{len(suspects):,} pauses with a jump were taken for rolls, a guess from prices"]
    return np.asarray(rolls, np.int64), tuple(notes)


def _zone_of(series: Series, options: CutOptions) -> str | None:
    zone = options.zone or series.tz_exchange
    if zone is None and (options.session or options.hours):
        raise ConfigError(
            "Hours should be read from a known clock. Found none: "
            f"{series.series_id} does not say its exchange's zone, so name it, as in "
            "--zone America/New_York."
        )
    return zone


def _steps(edges: NDArray[np.int64], stride: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return each step of the stride in each run, and the end of its run (exclusive)."""
    begins, ends = edges[:-1], edges[1:]
    n_steps = -(-(ends - begins) // stride)
    run = np.repeat(np.arange(len(begins)), n_steps)
    first = np.r_[0, np.cumsum(n_steps)[:-1]].astype(np.int64)
    place = np.arange(len(run)) - first[run]
    return begins[run] + place * stride, ends[run]


def _in_session(
    seconds: NDArray[np.int64], starts: NDArray[np.int64], options: CutOptions, zone: str | None
) -> NDArray[np.bool_]:
    kept = np.ones(len(starts), bool)
    if zone is None or not len(starts):
        return kept
    if options.hours:
        names = market_hours.bucket_names(zone)
        if unknown := [name for name in options.hours if name not in names]:
            raise ConfigError(
                f"Parts of the day should be among {', '.join(names)}. Found {unknown[0]!r}."
            )
        middle = market_hours.buckets(seconds[starts + market_hours.MIDDLE_BAR], zone)
        kept &= np.isin(middle, [names.index(name) for name in options.hours])
    if options.session:
        begin, end = session_minutes(options.session)
        inside = _is_between(market_hours.local_minutes(seconds, zone), begin, end)
        outside_before = np.r_[0, np.cumsum(~inside)]
        kept &= outside_before[starts + WINDOW_LENGTH] == outside_before[starts]
    return kept


def _is_between(minutes: NDArray[np.int64], begin: int, end: int) -> NDArray[np.bool_]:
    if begin < end:
        return (minutes >= begin) & (minutes < end)
    return (minutes >= begin) | (minutes < end)  # over midnight
