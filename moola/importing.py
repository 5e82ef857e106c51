"""Import bars and label files: checked as a whole, then written as a whole or not at all."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import numpy as np
import pandas as pd

from moola.bars import BAR_COLUMNS, BarStore, bar_size, content_hash, read_bars, tick_size
from moola.exceptions import ImportRefused
from moola.imported import ImportReport, nothing_left_behind
from moola.label_file import LABEL_COLUMNS
from moola.label_import import import_labels
from moola.schema import PRICE_COLUMNS, WINDOW_LENGTH
from moola.store import LabelStore, Series
from moola.tables import column_names, listed


def import_file(
    path: Path,
    store: LabelStore,
    bar_store: BarStore,
    *,
    symbol: str | None = None,
    tz: str | None = None,
) -> ImportReport:
    """Import a file of bars or of labels, told apart by its columns."""
    names = set(column_names(path))
    n_label, n_bar = len(names & set(LABEL_COLUMNS)), len(names & set(BAR_COLUMNS))
    if n_label == n_bar == 0:
        raise ImportRefused(
            f"A file to import should have the columns of bars ({', '.join(BAR_COLUMNS[:-1])}) or "
            f"of labels ({', '.join(LABEL_COLUMNS)}). Found {listed(sorted(names))} in {path.name}."
        )
    if n_label > n_bar:
        return import_labels(path, store, bar_store)
    return import_bars(path, store, bar_store, symbol=symbol, tz=tz)


def import_bars(
    path: Path,
    store: LabelStore,
    bar_store: BarStore,
    *,
    symbol: str | None = None,
    tz: str | None = None,
) -> ImportReport:
    """Import bars as a feed named after `symbol`, by default the file name."""
    frame = read_bars(path, tz=tz)
    if len(frame) < WINDOW_LENGTH:
        raise ImportRefused(
            f"A series should have at least {WINDOW_LENGTH} bars, one window. Found {len(frame)} "
            f"({path.name})."
        )
    symbol = symbol or Path(path.name.removesuffix(".gz")).stem
    key = content_hash(frame)
    known = next((item for item in store.series() if item.content_hash == key), None)
    series = known or _feed(frame, key, symbol=symbol, source=path.name)
    with nothing_left_behind(store, bar_store) as write:
        write(frame)
        if known is None:
            store.add_series(series, op_id=f"import-bars:{series.series_id}:{key}")
    renamed = known is not None and known.symbol != symbol
    return ImportReport(
        kind="bars",
        n_rows=len(frame),
        series_ids=(series.series_id,),
        repaired=(f"the same bars were imported before, as {series.symbol}",) if renamed else (),
        already_there=known is not None,
    )


def _feed(frame: pd.DataFrame, key: str, *, symbol: str, source: str) -> Series:
    times = pd.Series(frame["timestamp"])
    return Series(
        series_id=f"{symbol}-{key[:8]}",
        kind="feed",
        symbol=symbol,
        bar=bar_size(times),
        tick_size=tick_size(frame[list(PRICE_COLUMNS)].to_numpy(np.float64)),
        content_hash=key,
        n_bars=len(frame),
        start_ts=_time(times, 0),
        end_ts=_time(times, -1),
        source=source,
    )


def _time(times: pd.Series, bar: int) -> datetime:
    return times.iloc[bar].to_pydatetime()
