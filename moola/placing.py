"""Find the bars of labelled windows again: in a feed of the store by content, or alone.

Names and positions that a file claims come second: where the bars are known they decide, and the
difference is told as a shift, since two tools have cut the same window 7 or 52 bars apart.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from moola.bars import BarStore, content_hash, tick_size
from moola.exceptions import SchemaError, UnknownWindow
from moola.label_file import LabelRow
from moola.label_formats import Clock, WindowRecord, split_offset
from moola.schema import PRICE_COLUMNS, WINDOW_LENGTH
from moola.store import LabelStore, Series
from moola.windows import BarIndex, alone_series_id, price_hash, stands_alone


class Place(NamedTuple):
    """Where a window's bars are."""

    series_id: str
    bar_start: int

    @property
    def is_alone(self) -> bool:
        """Whether the series holds nothing but this window."""
        return stands_alone(self.series_id)


@dataclass(frozen=True, slots=True, kw_only=True)
class Shift:
    """How far a window lies from where something else says it is, in bars (later is positive)."""

    bars: int
    of: str
    """What says so: the file's position, the name's suffix, a window of the store."""

    def __str__(self) -> str:
        return f"{self.bars:+d} bars from {self.of}"


class Placer:
    """Finds windows in the series of one store; every feed is indexed once."""

    def __init__(
        self, store: LabelStore, bar_store: BarStore, *, series: str | None = None
    ) -> None:
        """Without a series of their own, positions of a file count in `series`."""
        self._store, self._bar_store = store, bar_store
        self.known = {item.series_id: item for item in store.series()}
        self._default = store.find_series(series).series_id if series else None
        self._indexes: dict[str, BarIndex] = {}
        self._times: dict[str, pd.DatetimeIndex] = {}

    def by_bars(self, ohlc: NDArray[np.float64], claimed: Place | None = None) -> Place:
        """Return the place of 105 bars: where it is claimed if they are there, else by content."""
        alone = Place(alone_series_id(ohlc), 0)
        if claimed is not None and self.has_bars(claimed, ohlc):
            return claimed
        if alone.series_id in self.known:
            return alone  # a window that came before its feed keeps its place, and its decisions
        return self.in_feed(ohlc) or alone

    def in_feed(self, ohlc: NDArray[np.float64]) -> Place | None:
        """Return the only place of 105 bars in the first feed that holds them."""
        for feed in self._feeds():
            bar_start = self._index(feed).locate(ohlc)
            if bar_start is not None:
                return Place(feed.series_id, bar_start)
        return None

    def n_places(self, ohlc: NDArray[np.float64]) -> int:
        """Return how often the bars stand in the feed that holds them most often."""
        return max((len(self._index(feed).places(ohlc)) for feed in self._feeds()), default=0)

    def has_bars(self, place: Place, ohlc: NDArray[np.float64]) -> bool:
        """Return whether a window's bars stand at a place."""
        if not self.fits(place):
            return False
        return price_hash(self.bars_at(place)) == price_hash(ohlc)

    def fits(self, place: Place) -> bool:
        """Return whether a window at a place lies in its series."""
        series = self.known.get(place.series_id)
        return series is not None and 0 <= place.bar_start <= series.n_bars - WINDOW_LENGTH

    def bars_at(self, place: Place) -> NDArray[np.float64]:
        """Return (105, 4) prices of a window of the store."""
        ohlc = self._bar_store.ohlc(self.known[place.series_id].content_hash)
        return ohlc[place.bar_start : place.bar_start + WINDOW_LENGTH]

    def by_clock(self, clock: Clock, name: str) -> Place:
        """Return the place of 105 times: exactly these, and with these closes.

        Raises
        ------
        SchemaError
            If no feed has all the bars; the nearest bar is none.
        """
        times = pd.DatetimeIndex(clock.times).tz_convert("UTC")
        wanted = [feed for feed in self._feeds() if name in (feed.series_id, feed.symbol)]
        for feed in wanted or self._feeds():
            index = self._clock(feed)
            start = index.searchsorted(times[0])
            here = index[start : start + WINDOW_LENGTH]
            place = Place(feed.series_id, int(start))
            if len(here) == WINDOW_LENGTH and (here == times).all():
                closes = self.bars_at(place)[:, 3]
                if np.allclose(closes, clock.closes, rtol=1e-9, atol=0):
                    return place
        raise SchemaError(
            "its bars should stand in a feed of the store, time and close. Found none"
        )

    def by_name(self, name: str) -> Place:
        """Return the place of the window of the store that has this name, or its re-cut."""
        base, offset = split_offset(name)
        for known, bars in ((name, 0), (base, offset)):
            try:
                view = self._store.window(self._store.resolve(known))
            except UnknownWindow:
                continue
            place = Place(view.series_id, view.bar_start + bars)
            if not self.fits(place):
                raise SchemaError(
                    f"{name} should lie in the bars of {view.series_id}. Found bar "
                    f"{place.bar_start}"
                )
            return place
        raise SchemaError(
            f"the file has no bars, so {name or 'its name'} should name a window of the store. "
            "Found none"
        )

    def claimed(self, record: WindowRecord) -> Place | None:
        """Return where the file says that a window is, if it says so of a known series."""
        if record.position is None:
            return None
        name = record.position.series or self._default
        for item in self.known.values():
            if name == item.series_id or (item.kind == "feed" and name == item.symbol):
                last = item.n_bars - WINDOW_LENGTH
                bar_start = record.position.bar_start
                return Place(item.series_id, min(bar_start, last) if not record.name else bar_start)
        return None

    def _feeds(self) -> list[Series]:
        return [item for item in self.known.values() if item.kind == "feed"]

    def _index(self, feed: Series) -> BarIndex:
        if feed.series_id not in self._indexes:
            self._indexes[feed.series_id] = BarIndex(self._bar_store.ohlc(feed.content_hash))
        return self._indexes[feed.series_id]

    def _clock(self, feed: Series) -> pd.DatetimeIndex:
        if feed.series_id not in self._times:
            frame = self._bar_store.read(feed.content_hash)
            self._times[feed.series_id] = pd.DatetimeIndex(frame["timestamp"])
        return self._times[feed.series_id]


def place_rows(rows: Sequence[LabelRow], store: LabelStore, bar_store: BarStore) -> list[Place]:
    """Return where the bars of each row are: in a feed of the store, or alone."""
    placer = Placer(store, bar_store)
    places: dict[str, Place] = {}
    for row in rows:
        name = alone_series_id(row.ohlc)
        if name not in places:
            places[name] = placer.by_bars(row.ohlc)
    return [places[alone_series_id(row.ohlc)] for row in rows]


def alone_series(place: Place, ohlc: NDArray[np.float64], source: str) -> Series:
    """Return the series of a window that is in no feed; its bars are not written yet."""
    return Series(
        series_id=place.series_id,
        kind="window",
        symbol=Path(source).stem,
        bar=None,
        tick_size=tick_size(ohlc),
        content_hash=content_hash(alone_bars(ohlc)),
        n_bars=len(ohlc),
        start_ts=None,
        end_ts=None,
        source=source,
    )


def alone_bars(ohlc: NDArray[np.float64]) -> pd.DataFrame:
    """Return the bars of a window that came alone: prices, no time, no volume."""
    frame = pd.DataFrame(ohlc, columns=list(PRICE_COLUMNS))
    frame.insert(0, "timestamp", pd.Series(pd.NaT, index=frame.index, dtype="datetime64[ns, UTC]"))
    return frame.assign(volume=np.nan)
