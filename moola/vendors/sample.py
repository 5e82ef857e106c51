"""Keep a few hundred candles that show a whole file, however long it is."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from moola.bar_rules import BAR_COLUMNS

MAX_CANDLES = 600


class ChartSample:
    """Candles of so many bars each that at most 600 cover the file."""

    def __init__(self) -> None:
        self._per_candle = 1
        self._candles = np.empty((0, len(BAR_COLUMNS)))
        self._rest = np.empty((0, len(BAR_COLUMNS)))

    def add(self, bars: pd.DataFrame) -> None:
        """Draw some more bars in."""
        seconds = pd.DatetimeIndex(bars["timestamp"]).asi8 / 1e9
        rows = np.column_stack([seconds, bars[list(BAR_COLUMNS[1:])].to_numpy(np.float64)])
        rows = np.concatenate([self._rest, rows])
        whole = len(rows) - len(rows) % self._per_candle
        self._candles = np.concatenate([self._candles, _merged(rows[:whole], self._per_candle)])
        self._rest = rows[whole:]
        if len(self._candles) > MAX_CANDLES:
            # the next power of two, so that bars of half-filled candles stay together
            times = 1 << (-(-len(self._candles) // MAX_CANDLES) - 1).bit_length()
            kept = len(self._candles) - len(self._candles) % times
            tail = self._candles[kept:]
            self._candles = _merged(self._candles[:kept], times)
            self._per_candle *= times
            self._rest = np.concatenate([tail, self._rest])

    def frame(self) -> pd.DataFrame:
        """Return the candles in `BAR_COLUMNS`."""
        candles = self._candles
        if len(self._rest):
            candles = np.concatenate([candles, _merged(self._rest, len(self._rest))])
        candles = candles[-MAX_CANDLES:]
        frame = pd.DataFrame(candles, columns=list(BAR_COLUMNS))
        frame["timestamp"] = pd.to_datetime(frame["timestamp"], unit="s", utc=True)
        return frame


def _merged(rows: NDArray[np.float64], per_candle: int) -> NDArray[np.float64]:
    """Return each `per_candle` rows as one: first open, highest, lowest, last close, sum."""
    groups = rows.reshape(-1, per_candle, rows.shape[1])
    return np.column_stack(
        [
            groups[:, 0, 0],
            groups[:, 0, 1],
            groups[:, :, 2].max(axis=1),
            groups[:, :, 3].min(axis=1),
            groups[:, -1, 4],
            groups[:, :, 5].sum(axis=1),
        ]
    )
