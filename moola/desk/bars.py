"""Bars of a whole series in memory, as the desk draws and judges them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from moola.bars import BarStore
from moola.schema import WINDOW_LENGTH


@dataclass(frozen=True, eq=False)
class SeriesBars:
    """Bars of one series; `times` and `volume` are None when the bars carry none."""

    ohlc: NDArray[np.float64]  # (N, 4)
    times: NDArray[np.int64] | None  # (N,) seconds since 1970, UTC
    volume: NDArray[np.float64] | None  # (N,)

    def window(self, bar_start: int) -> SeriesBars:
        """Return the 105 bars from `bar_start` on."""
        return self.cut(bar_start, bar_start + WINDOW_LENGTH)

    def cut(self, first: int, stop: int) -> SeriesBars:
        """Return the bars from `first` up to and without `stop`."""
        view = slice(first, stop)
        return SeriesBars(
            self.ohlc[view],
            None if self.times is None else self.times[view],
            None if self.volume is None else self.volume[view],
        )


@lru_cache(maxsize=256)
def series_bars(folder: Path, content_hash: str) -> SeriesBars:
    """Return the bars with this content; they never change, so the cache is never stale.

    256 series are a few feeds of some MB beside a file of windows that came alone, 3 kB each.
    """
    store = BarStore(folder)
    frame = store.read(content_hash)
    stamps = pd.DatetimeIndex(frame["timestamp"])
    volume = frame["volume"].to_numpy(np.float64)
    return SeriesBars(
        store.ohlc(content_hash),
        None if stamps.hasnans else stamps.as_unit("s").asi8,
        None if np.isnan(volume).all() else volume,
    )
