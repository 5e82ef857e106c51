"""Find the bars of labelled windows again: in a feed of the store, or alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from moola.bars import BarStore
from moola.label_file import LabelRow
from moola.store import LabelStore, Series
from moola.windows import alone_series_id, locate, stands_alone


class Place(NamedTuple):
    """Where a window's bars are."""

    series_id: str
    bar_start: int

    @property
    def is_alone(self) -> bool:
        """Whether the series holds nothing but this window."""
        return stands_alone(self.series_id)


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
