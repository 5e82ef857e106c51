"""Inspect bars chunk by chunk: refused rows, gaps, ticks, session breaks, signs of made-up data."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from moola.bar_rules import BAR_COLUMNS, NEVER, RULES_OF_RANGE, find_faults
from moola.exceptions import ImportRefused, RefusedRow
from moola.schema import PRICE_COLUMNS
from moola.vendors.answers import bar_name, bar_seconds
from moola.vendors.breaks import Break, BreakCounter
from moola.vendors.reading import Chunk
from moola.vendors.sample import ChartSample
from moola.vendors.ticks import TickCounter

SHOWN_ROWS = 20
KEPT_ROWS = 1_000
MIN_SYNTHETIC_ROWS, MIN_SYNTHETIC_SHARE = 20, 0.01
DAY = 86_400
RUN_BARS = 30
"""So many equal steps of another length are no chance gaps but bars of that length."""
RUN_DAYS = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Preview:
    """What a file holds, as understood; counts are of rows or bars of the chosen instrument."""

    head: pd.DataFrame
    """The first rows as understood, in `BAR_COLUMNS`."""
    sample: pd.DataFrame
    """At most 600 candles over the whole file, in `BAR_COLUMNS`."""
    n_rows: int
    n_ok: int
    refused: tuple[RefusedRow, ...]
    """The first rows at fault."""
    refused_by_reason: dict[str, int]
    n_gaps: int
    """Steps from a bar to the next that are longer than a bar."""
    longest_gap: timedelta | None
    n_duplicates: int
    n_out_of_order: int
    n_flat: int
    n_off_tick: int
    """Bars with a price that is no multiple of the tick."""
    tick_size: float | None
    bar: str | None
    breaks: tuple[Break, ...]
    """Pauses that come back on most days."""
    first_ts: datetime | None
    last_ts: datetime | None
    looks_synthetic: bool
    """Whether so many highs are below an open or close that no exchange can have printed them."""

    @property
    def n_refused(self) -> int:
        """Number of rows at fault."""
        return self.n_rows - self.n_ok

    def __str__(self) -> str:
        return "\n".join(_lines(self))


@dataclass(slots=True)
class Inspection:
    """Counts what a `Preview` tells; memory does not grow with the number of bars."""

    bar: str | None
    zone: str
    where: str
    n_rows: int = 0
    n_ok: int = 0
    refused: list[RefusedRow] = field(default_factory=list)
    by_reason: Counter[str] = field(default_factory=Counter)
    n_gaps: int = 0
    longest_gap: int = 0
    n_flat: int = 0
    n_out_of_range: int = 0
    first: pd.Timestamp | None = None
    last: pd.Timestamp | None = None
    _head: list[pd.DataFrame] = field(default_factory=list)
    _run: tuple[int, int] = (0, 0)
    _latest: int = NEVER
    _timed_last: int = 0
    _ticks: TickCounter = field(default_factory=TickCounter)
    _sample: ChartSample = field(default_factory=ChartSample)
    _breaks: BreakCounter = field(init=False)

    def __post_init__(self) -> None:
        self._breaks = BreakCounter(self.zone, bar_seconds(self.bar) if self.bar else None)

    def add(self, chunk: Chunk) -> pd.DataFrame:
        """Inspect some rows and return the good ones among them."""
        if sum(map(len, self._head)) < SHOWN_ROWS:
            self._head.append(chunk.bars.head(SHOWN_ROWS))
        self.n_rows += len(chunk.bars)
        refused = self._refuse(chunk)
        good = pd.DataFrame(chunk.bars[~refused])
        self.n_ok += len(good)
        if len(good):
            self._count_steps(good)
            self._count_prices(good)
            times = pd.Series(good["timestamp"])
            self.first = times.iloc[0] if self.first is None else self.first
            self.last = times.iloc[-1]
        return good

    def preview(self) -> Preview:
        """Return the counts so far."""
        tick, n_off_tick = self._ticks.result()
        head = pd.concat(self._head).head(SHOWN_ROWS) if self._head else _no_bars()
        return Preview(
            head=head.reset_index(drop=True),
            sample=self._sample.frame(),
            n_rows=self.n_rows,
            n_ok=self.n_ok,
            refused=tuple(self.refused[:SHOWN_ROWS]),
            refused_by_reason=dict(self.by_reason.most_common()),
            n_gaps=self.n_gaps,
            longest_gap=timedelta(seconds=self.longest_gap) if self.n_gaps else None,
            n_duplicates=self.by_reason["timestamp repeats"],
            n_out_of_order=self.by_reason["timestamp is out of order"],
            n_flat=self.n_flat,
            n_off_tick=n_off_tick,
            tick_size=tick,
            bar=self.bar,
            breaks=self._breaks.regular(),
            first_ts=None if self.first is None else self.first.to_pydatetime(),
            last_ts=None if self.last is None else self.last.to_pydatetime(),
            looks_synthetic=self.n_out_of_range
            >= max(MIN_SYNTHETIC_ROWS, MIN_SYNTHETIC_SHARE * self.n_rows),
        )

    def _refuse(self, chunk: Chunk) -> NDArray[np.bool_]:
        """Return which rows are at fault, and note the first reason of each."""
        taken = np.zeros(len(chunk.bars), bool)
        described: list[RefusedRow] = []
        for fault in (*chunk.unread, *find_faults(chunk.bars, after=self._latest)):
            new = fault.at_fault & ~taken
            n_new = int(new.sum())
            if not n_new:
                continue
            taken |= new
            self.by_reason[fault.rule] += n_new
            if fault.rule in RULES_OF_RANGE:
                self.n_out_of_range += n_new
            places = np.flatnonzero(new)[:KEPT_ROWS].tolist()
            described += [RefusedRow(int(chunk.rows[i]), fault.describe(i)) for i in places]
        room = KEPT_ROWS - len(self.refused)
        self.refused += sorted(described, key=lambda row: row.row)[:room]
        nanos = pd.DatetimeIndex(chunk.bars["timestamp"]).asi8
        self._check_one_length(nanos, chunk.rows)
        self._latest = max(self._latest, int(nanos.max(initial=NEVER)))
        return taken

    def _count_steps(self, good: pd.DataFrame) -> None:
        seconds = pd.DatetimeIndex(good["timestamp"]).asi8 // 1_000_000_000
        if self.last is not None:
            seconds = np.r_[int(self.last.timestamp()), seconds]
        steps = np.diff(seconds)
        if not len(steps):
            return
        self._breaks.add(seconds, steps)
        if self.bar:
            is_gap = steps > bar_seconds(self.bar)
            self.n_gaps += int(is_gap.sum())
            self.longest_gap = max(self.longest_gap, int(steps.max()) if is_gap.any() else 0)

    def _check_one_length(self, nanos: NDArray[np.int64], rows: NDArray[np.int64]) -> None:
        """Refuse a long run of bars of another length, which is a second table in the file.

        Bars with a price at fault count too: what was left out between bars makes them no longer.
        """
        timed = nanos > NEVER
        if not self.bar or not timed.any():
            return
        bar, rows = bar_seconds(self.bar), rows[timed]
        seconds = np.r_[self._timed_last or nanos[timed][:1], nanos[timed]] // 1_000_000_000
        self._timed_last = int(nanos[timed][-1])
        steps = np.diff(seconds)
        # days follow each other after 23 to 25 hours, and longer over a weekend
        kinds = np.where(steps >= 20 * 3_600, DAY, steps)
        changes = np.flatnonzero(np.diff(kinds)) + 1
        starts, ends = np.r_[0, changes], np.r_[changes, len(kinds)]
        lengths = ends - starts
        kind, carried = self._run
        lengths[0] += carried if kinds[0] == kind else 0
        self._run = (int(kinds[-1]), int(lengths[-1]))
        values = kinds[starts]
        is_other = (values > 0) & (values != bar) & ~((values == DAY) & (bar >= DAY))
        too_long = is_other & (lengths >= np.where(values == DAY, RUN_DAYS, RUN_BARS))
        if too_long.any():
            at = int(np.argmax(too_long))
            raise ImportRefused(
                f"A bar file should hold bars of one length. Found {bar_name(float(values[at]))} "
                f"beside {bar_name(bar)} ({self.where}, near row "
                f"{int(rows[min(int(starts[at]), len(rows) - 1)])})."
            )

    def _count_prices(self, good: pd.DataFrame) -> None:
        ohlc = good[list(PRICE_COLUMNS)].to_numpy(np.float64)
        self.n_flat += int((ohlc[:, 1] == ohlc[:, 2]).sum())
        self._ticks.add(ohlc)
        self._sample.add(good)


def _no_bars() -> pd.DataFrame:
    return pd.DataFrame({name: [] for name in BAR_COLUMNS})


def _lines(preview: Preview) -> list[str]:
    span = ""
    if preview.first_ts and preview.last_ts:
        span = f", {preview.first_ts:%Y-%m-%d %H:%M} to {preview.last_ts:%Y-%m-%d %H:%M} UTC"
    lines = [
        f"{preview.n_rows:,} rows: {preview.n_ok:,} ok, {preview.n_refused:,} refused",
        f"bar {preview.bar or 'unknown'}{span}",
    ]
    if preview.longest_gap is not None:
        lines.append(f"{preview.n_gaps:,} gaps, the longest {preview.longest_gap}")
    lines.append(
        f"{preview.n_duplicates:,} duplicates, {preview.n_out_of_order:,} out of order, "
        f"{preview.n_flat:,} flat"
    )
    tick = "none found" if preview.tick_size is None else f"{preview.tick_size:.10g}"
    lines.append(f"tick {tick}, {preview.n_off_tick:,} bars off it")
    lines += [f"regular break {item}" for item in preview.breaks]
    if preview.looks_synthetic:
        lines.append("looks made up: highs below open or close on an exchange's tape are rare")
    lines += [f"refused: {n:,} x {reason}" for reason, n in preview.refused_by_reason.items()]
    lines += [f"  {row}" for row in preview.refused]
    return lines
