"""What a run would hold out and what that shares with training, measured before it starts.

The features are left out, which take the longest and decide nothing here.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from moola import collect, gathering
from moola.bars import BarStore
from moola.clock import clock_of, window_times
from moola.config import FinetuneConfig, LabelChoice
from moola.purging import Places, sharing_rows
from moola.store import LabelStore


@dataclass(frozen=True, kw_only=True, eq=False)
class PlannedRows:
    """The rows of a source as a run would collect them, one for each span, and where they lie."""

    window_uid: NDArray[np.str_]  # (N,)
    group: NDArray[np.int64]  # (N,) windows that share bars have one group
    places: Places


@dataclass(frozen=True, kw_only=True, eq=False)
class PlannedSplit:
    """Windows on both sides of a split that is not made yet."""

    held_out: NDArray[np.int64]  # (V,) the first row of each held-out window
    n_train: int
    n_sharing: int
    """Held-out windows with a bar that a training window shows too."""


def planned_rows(
    data: Path | None, labels: LabelChoice, *, store: LabelStore, bar_store: BarStore
) -> PlannedRows:
    """Return the rows of a source, in the order in which `moola.collect` makes examples of them."""
    gathered = gathering.gather(data, labels, store=store, bar_store=bar_store)
    windows = gathered.windows
    row = np.repeat(np.arange(len(windows)), [max(len(window.spans), 1) for window in windows])
    series_id = np.array([window.series_id for window in windows])[row]
    bar_start = np.array([window.bar_start for window in windows], np.int64)[row]
    return PlannedRows(
        window_uid=np.array([window.window_uid for window in windows])[row],
        group=gathering.groups_of(gathered)[row],
        places=Places(
            series_id=series_id,
            bar_start=bar_start,
            ohlc=gathering.window_ohlc(gathered)[row],
            times=window_times(series_id, bar_start, clock_of(store, bar_store)),
        ),
    )


def planned_split(rows: PlannedRows, config: FinetuneConfig) -> PlannedSplit:
    """Return the split that a run of `config` would make of its rows.

    Raises
    ------
    SchemaError
        If nothing could be held out.
    """
    split = collect.divide(rows.places, rows.group, config)
    shares = sharing_rows(rows.places, split.trains) & split.is_val
    held_out = np.flatnonzero(split.is_val)
    uid = rows.window_uid
    return PlannedSplit(
        held_out=held_out[np.sort(np.unique(uid[held_out], return_index=True)[1])],
        n_train=len(np.unique(uid[split.trains])),
        n_sharing=len(np.unique(uid[shares])),
    )
