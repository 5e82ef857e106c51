"""Import bars and label files: checked as a whole, then written as a whole or not at all."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from moola.bars import BAR_COLUMNS, BarStore, bar_size, content_hash, read_bars, tick_size
from moola.exceptions import ImportRefused, StoreError
from moola.label_file import LABEL_COLUMNS, LabelRow, read_label_file
from moola.schema import PRICE_COLUMNS, WINDOW_LENGTH
from moola.store import ImportedSpan, ImportedWindow, LabelStore, Series
from moola.tables import column_names, listed
from moola.windows import alone_series_id, locate, stands_alone

WriteBars = Callable[[pd.DataFrame], str]
"""Writes bars and returns their content hash."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportReport:
    """What an import found and wrote."""

    kind: Literal["bars", "labels"]
    n_rows: int
    n_windows: int = 0
    n_spans: int = 0
    n_matched: int = 0
    """Windows whose bars lie in an imported feed."""
    n_cold: int = 0
    """Windows that stand alone: their features start without the bars before."""
    series_ids: tuple[str, ...]
    repaired: tuple[str, ...] = ()
    """Sentences about what needed care but was not refused."""
    already_there: bool = False

    def __str__(self) -> str:
        if self.kind == "bars":
            text = f"{self.n_rows:,} bars as series {self.series_ids[0]}"
        else:
            text = (
                f"{self.n_rows:,} rows: {self.n_spans:,} spans in {self.n_windows:,} windows, "
                f"{self.n_matched:,} in imported bars and {self.n_cold:,} alone"
            )
        known = "; all of it was there already" if self.already_there else ""
        notes = "".join(f"\n{note}" for note in self.repaired)
        return f"{text}{known}{notes}"


class Place(NamedTuple):
    """Where a window's bars are."""

    series_id: str
    bar_start: int

    @property
    def is_alone(self) -> bool:
        """Whether the series holds nothing but this window."""
        return stands_alone(self.series_id)


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
    with _nothing_left_behind(store, bar_store) as write:
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


def import_labels(path: Path, store: LabelStore, bar_store: BarStore) -> ImportReport:
    """Import a label file; its windows are found in the feeds by their bars, else stand alone."""
    rows = read_label_file(path)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    known = {item.series_id: item for item in store.series()}
    places = _place(rows, known, bar_store)
    with _nothing_left_behind(store, bar_store) as write:
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


def place_rows(rows: Sequence[LabelRow], store: LabelStore, bar_store: BarStore) -> list[Place]:
    """Return where the bars of each row are: in a feed of the store, or alone."""
    return _place(rows, {item.series_id: item for item in store.series()}, bar_store)


def _place(
    rows: Sequence[LabelRow], known: Mapping[str, Series], bar_store: BarStore
) -> list[Place]:
    feeds = [item for item in known.values() if item.kind == "feed"]
    places: dict[str, Place] = {}
    names = [alone_series_id(row.ohlc) for row in rows]
    for row, name in zip(rows, names, strict=True):
        if name not in places:
            # a window that came before its feed did keeps its place, and so its decisions
            found = None if name in known else _find(row.ohlc, feeds, bar_store)
            places[name] = found or Place(name, 0)
    return [places[name] for name in names]


def _find(ohlc: NDArray[np.float64], feeds: Sequence[Series], bar_store: BarStore) -> Place | None:
    for feed in feeds:
        bar_start = locate(ohlc, bar_store.ohlc(feed.content_hash))
        if bar_start is not None:
            return Place(feed.series_id, bar_start)
    return None


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


@contextmanager
def _nothing_left_behind(store: LabelStore, bar_store: BarStore) -> Iterator[WriteBars]:
    """Give a way to write bars, and remove what it wrote if the import fails after all."""
    created: list[str] = []

    def write(frame: pd.DataFrame) -> str:
        key = content_hash(frame)
        if not bar_store.path(key).exists():
            created.append(key)
        return bar_store.write(frame)

    try:
        yield write
    except BaseException:
        used = _used_bars(store)
        for key in created:
            if key not in used and bar_store.path(key).exists():
                bar_store.path(key).unlink()
        raise


def _used_bars(store: LabelStore) -> set[str]:
    try:
        return {item.content_hash for item in store.series()}
    except StoreError:
        return set()  # a store that cannot be read has taken in nothing either
