"""Ids of windows, and where the bars of a window are found again in a series."""

from __future__ import annotations

import hashlib
import re

import numpy as np
from numpy.typing import NDArray

from moola.schema import WINDOW_LENGTH

ALONE = re.compile(r"W-[0-9a-f]{12}")
SIGNIFICANT_DIGITS = 9
SLACK = 0.5 * 10.0 ** (1 - SIGNIFICANT_DIGITS)
"""Half a unit of the ninth digit, relative to the price."""


def window_uid(series_id: str, bar_start: int, n_bars: int = WINDOW_LENGTH) -> str:
    """Return the id of the view of `n_bars` bars that begins at bar `bar_start` of a series."""
    return hashlib.sha1(f"{series_id}|{bar_start}|{n_bars}".encode()).hexdigest()[:16]


def price_hash(ohlc: NDArray[np.float64]) -> str:
    """Return a SHA-256 of prices to 9 significant digits, so that rounding noise does not count.

    >>> price_hash(np.array([[0.1 + 0.2]])) == price_hash(np.array([[0.3]]))
    True
    """
    rounded = np.char.mod(f"%.{SIGNIFICANT_DIGITS - 1}e", np.asarray(ohlc, np.float64))
    return hashlib.sha256("\n".join(rounded.ravel().tolist()).encode()).hexdigest()


def alone_series_id(ohlc: NDArray[np.float64]) -> str:
    """Return the id of the one-window series that holds just these 105 bars."""
    return f"W-{price_hash(ohlc)[:12]}"


def stands_alone(series_id: str) -> bool:
    """Return whether an id is that of a one-window series; a feed's id ends in 8 digits."""
    return ALONE.fullmatch(series_id) is not None


class BarIndex:
    """The bars of a series in an order that finds a window's bars at once, by content alone.

    Prices count as equal to 9 significant digits, so that rounding noise does not matter.
    """

    def __init__(self, series_ohlc: NDArray[np.float64]) -> None:
        self._ohlc = series_ohlc
        keys = self._keys(series_ohlc)
        self._order = np.argsort(keys, kind="stable")
        self._sorted = keys[self._order]

    def places(self, window_ohlc: NDArray[np.float64]) -> list[int]:
        """Return every bar of the series at which the window's bars begin, in order.

        Parameters
        ----------
        window_ohlc
            (T, 4) open, high, low, close.
        """
        n_bars = len(window_ohlc)
        key = self._keys(window_ohlc[:1])[0]
        first, last = np.searchsorted(self._sorted, [key * (1 - SLACK), key * (1 + SLACK)])
        starts = np.sort(self._order[first:last])
        starts = starts[starts <= len(self._ohlc) - n_bars]
        for bar in range(n_bars):
            if not len(starts):
                break
            starts = starts[_same(self._ohlc[starts + bar], window_ohlc[bar])]
        return starts.tolist()

    def locate(self, window_ohlc: NDArray[np.float64]) -> int | None:
        """Return at which bar a window begins; None if nowhere, or if the place is not certain.

        The first of two places would be a guess.
        """
        found = self.places(window_ohlc)
        return found[0] if len(found) == 1 else None

    @staticmethod
    def _keys(ohlc: NDArray[np.float64]) -> NDArray[np.float64]:
        return ohlc @ np.array([1.0, 1.37, 1.83, 2.41])  # bars of one close are many, of four few


def _same(bars: NDArray[np.float64], bar: NDArray[np.float64]) -> NDArray[np.bool_]:
    return np.all(np.abs(bars - bar) <= SLACK * np.abs(bar), axis=1)
