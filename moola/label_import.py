"""Import label files: checked as a whole, then written as a whole or not at all."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from moola.bars import BarStore, tick_size
from moola.imported import ImportReport, WriteBars, nothing_left_behind
from moola.label_file import LabelRow, read_label_file
from moola.placing import Place, place_rows
from moola.schema import PRICE_COLUMNS
from moola.store import ImportedSpan, ImportedWindow, LabelStore, Series


def import_labels(path: Path, store: LabelStore, bar_store: BarStore) -> ImportReport:
    """Import a label file; its windows are found in the feeds by their bars, else stand alone."""
    rows = read_label_file(path)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    known = {item.series_id: item for item in store.series()}
    places = place_rows(rows, store, bar_store)
    with nothing_left_behind(store, bar_store) as write:
        owners = {
            place.series_id: known.get(place.series_id) or _alone(place, row, write, path.name)
            for row, place in zip(rows, places, strict=True)
        }
        summary = store.import_labels(
            _as_windows(rows, places, owners, times=_start_times(owners, bar_store)),
            op_id=f"import-labels:{digest}",
            # a later file of this name may give the same ids to other windows
            source=f"{path.name}#{digest[:8]}",
        )
    n_cold = sum(place.is_alone for place in set(places))
    return ImportReport(
        kind="labels",
        n_rows=len(rows),
        n_windows=summary.n_windows,
        n_spans=summary.n_spans,
        n_matched=summary.n_windows - n_cold,
        n_cold=n_cold,
        series_ids=tuple(sorted(owners)),
        repaired=summary.repaired,
        already_there=summary.already_there,
    )


def _as_windows(
    rows: Sequence[LabelRow],
    places: Sequence[Place],
    owners: Mapping[str, Series],
    *,
    times: Mapping[str, pd.Series],
) -> list[ImportedWindow]:
    rows_of: dict[Place, list[LabelRow]] = {}
    for row, place in zip(rows, places, strict=True):
        rows_of.setdefault(place, []).append(row)
    return [
        ImportedWindow(
            series=owners[place.series_id],
            bar_start=place.bar_start,
            start_ts=_time(times[place.series_id], place.bar_start)
            if place.series_id in times
            else None,
            aliases=tuple(dict.fromkeys(row.window_id for row in own)),
            spans=tuple(
                ImportedSpan(start=row.start, end=row.end, type=row.type, row=row.row)
                for row in own
            ),
        )
        for place, own in rows_of.items()
    ]


def _start_times(owners: Mapping[str, Series], bar_store: BarStore) -> dict[str, pd.Series]:
    return {
        name: pd.Series(bar_store.read(owner.content_hash)["timestamp"])
        for name, owner in owners.items()
        if owner.kind == "feed"
    }


def _alone(place: Place, row: LabelRow, write: WriteBars, source: str) -> Series:
    """Return the series of a window that is in no feed, with its bars written."""
    return Series(
        series_id=place.series_id,
        kind="window",
        symbol=Path(source).stem,
        bar=None,
        tick_size=tick_size(row.ohlc),
        content_hash=write(_bars_of(row.ohlc)),
        n_bars=len(row.ohlc),
        start_ts=None,
        end_ts=None,
        source=source,
    )


def _bars_of(ohlc: NDArray[np.float64]) -> pd.DataFrame:
    """Return the bars of a window that came alone: prices, no time, no volume."""
    frame = pd.DataFrame(ohlc, columns=list(PRICE_COLUMNS))
    frame.insert(0, "timestamp", pd.Series(pd.NaT, index=frame.index, dtype="datetime64[ns, UTC]"))
    return frame.assign(volume=np.nan)


def _time(times: pd.Series, bar: int) -> datetime:
    return times.iloc[bar].to_pydatetime()
