"""Hold the bars of a newer file against a series, and write both as one."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime

import numpy as np
import pandas as pd

from moola.bar_rules import BAR_COLUMNS
from moola.bars import BarStore, BarWriter
from moola.exceptions import ImportRefused, RefusedRow
from moola.schema import PRICE_COLUMNS
from moola.store import Series

SHOWN_CONFLICTS = 20
MAX_CONFLICT_SHARE = 0.5
MIN_SHARED_TO_JUDGE = 3
SAME_PRICE = 1e-9


@dataclass(slots=True)
class Overlap:
    """What a file and a series have in common."""

    n_shared: int = 0
    """Bars of the file that the series has too."""
    n_new: int = 0
    """Bars after the last of the series."""
    n_between: int = 0
    """Bars inside the series' time at which it has none."""
    last_differs: bool = False
    """Whether the last bar of the series is among those that differ."""
    n_conflicts: int = 0
    """Shared bars with other prices or another volume."""
    conflicts: list[RefusedRow] = field(default_factory=list)
    """The first of them, by their number among the file's good bars."""


def compare(bars: Iterator[pd.DataFrame], series: Series, bar_store: BarStore) -> Overlap:
    """Hold a file's bars against those of a series, a part at a time."""
    found, n_before = Overlap(), 0
    for part in bars:
        times = pd.DatetimeIndex(part["timestamp"])
        inside = pd.DataFrame(part[times <= series.end_ts])
        found.n_new += len(part) - len(inside)
        if len(inside):
            first, latest = _ends(inside)
            own = bar_store.between(series.content_hash, first, latest)
            _compare_part(found, inside, own, n_before, last=series.end_ts)
        n_before += len(part)
    return found


def refuse_misfit(overlap: Overlap, series: Series, source: str) -> None:
    """Raise `ImportRefused` if most shared bars differ: another instrument or adjustment."""
    too_many = overlap.n_conflicts > MAX_CONFLICT_SHARE * overlap.n_shared
    if overlap.n_shared >= MIN_SHARED_TO_JUDGE and too_many:
        raise ImportRefused(
            f"A file should agree with the series it extends where both have bars. Found "
            f"{overlap.n_conflicts:,} of {overlap.n_shared:,} that differ between {source} and "
            f"{series.series_id}, as after another adjustment: import it as a series of its own, "
            "as in --name OTHER.",
            overlap.conflicts,
        )


def write_joined(
    writer: BarWriter, series: Series, bars: Iterator[pd.DataFrame], bar_store: BarStore
) -> None:
    """Write the bars of a series and, behind them, the later ones of a file."""
    for part in bar_store.groups(series.content_hash):
        writer.add(part)
    for part in bars:
        later = pd.DataFrame(part[pd.DatetimeIndex(part["timestamp"]) > series.end_ts])
        if len(later):
            writer.add(later)


def _ends(bars: pd.DataFrame) -> tuple[pd.Timestamp, pd.Timestamp]:
    times = pd.Series(bars["timestamp"])
    return times.iloc[0], times.iloc[-1]


def _compare_part(
    found: Overlap, inside: pd.DataFrame, own: pd.DataFrame, n_before: int, *, last: datetime | None
) -> None:
    numbered = inside.assign(row=np.arange(len(inside)) + n_before + 1)
    both = numbered.merge(own, on="timestamp", suffixes=("", "_own"))
    found.n_shared += len(both)
    found.n_between += len(inside) - len(both)
    differs = np.zeros(len(both), bool)
    for name in BAR_COLUMNS[1:]:
        new, old = both[name].to_numpy(), both[f"{name}_own"].to_numpy()
        # a volume that one of the two does not know is no contradiction
        differs |= np.abs(new - old) > SAME_PRICE * np.abs(old)
    found.n_conflicts += int(differs.sum())
    found.last_differs |= bool((pd.DatetimeIndex(both["timestamp"]) == last)[differs].any())
    for i in np.flatnonzero(differs)[: SHOWN_CONFLICTS - len(found.conflicts)].tolist():
        found.conflicts.append(RefusedRow(int(both["row"].iloc[i]), _difference(both.iloc[i])))


def _difference(bar: pd.Series) -> str:
    prices = " ".join(f"{bar[name]:.10g}" for name in PRICE_COLUMNS)
    own = " ".join(f"{bar[f'{name}_own']:.10g}" for name in PRICE_COLUMNS)
    return f"{bar['timestamp']:%Y-%m-%d %H:%M} is {prices} in the file and {own} in the series"
