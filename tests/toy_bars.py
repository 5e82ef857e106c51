"""A few hundred plausible bars and the label rows that tests cut out of them."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from moola.label_file import LabelRow
from moola.schema import PRICE_COLUMNS, WINDOW_LENGTH, SpanType


def toy_bars(n_bars: int = 300, *, seed: int = 1) -> pd.DataFrame:
    """Return bars of one minute with ticks of 0.25, in the columns of `moola.bars`."""
    rng = np.random.default_rng(seed)
    close = 15_000 + 0.25 * rng.integers(-8, 9, n_bars).cumsum()
    open_ = np.r_[15_000, close[:-1]]
    high = np.maximum(open_, close) + 0.25 * rng.integers(0, 5, n_bars)
    low = np.minimum(open_, close) - 0.25 * rng.integers(0, 5, n_bars)
    times = pd.date_range("2024-03-04 14:30", periods=n_bars, freq="1min", tz="UTC", unit="ns")
    volume = rng.integers(1, 500, n_bars).astype(float)
    return pd.DataFrame(
        {"timestamp": times, "open": open_, "high": high, "low": low, "close": close,
         "volume": volume}
    )  # fmt: skip


def ohlc_of(frame: pd.DataFrame) -> NDArray[np.float64]:
    """Return (N, 4) prices."""
    return frame[list(PRICE_COLUMNS)].to_numpy(float)


def label_row(
    row: int,
    ohlc: NDArray[np.float64],
    *,
    first: int = 0,
    name: str | None = None,
    start: int = 50,
    end: int = 65,
    type: SpanType = "consolidation",
) -> LabelRow:
    """Return a row that labels the 105 bars of `ohlc` from bar `first` on."""
    bars = ohlc[first : first + WINDOW_LENGTH]
    return LabelRow(row, name or f"window_{row}", type, start, end, bars)
