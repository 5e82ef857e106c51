"""Ids of windows, and where the bars of a window are found again in a series."""

from __future__ import annotations

import hashlib
import re

import numpy as np
from numpy.typing import NDArray

from moola.schema import WINDOW_LENGTH

ALONE = re.compile(r"W-[0-9a-f]{12}")
SIGNIFICANT_DIGITS = 9


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


def locate(window_ohlc: NDArray[np.float64], series_ohlc: NDArray[np.float64]) -> int | None:
    """Return at which bar of a series the bars of a window begin, by content alone.

    Parameters
    ----------
    window_ohlc, series_ohlc
        (T, 4) and (N, 4) open, high, low, close.

    Returns
    -------
    int or None
        The sequence number of the window's first bar. None if the bars are not there, and also if
        they are there more than once: the first of two places would be a guess.
    """
    n_bars = len(window_ohlc)
    last_start = len(series_ohlc) - n_bars
    if last_start < 0:
        return None
    starts = np.flatnonzero((series_ohlc[: last_start + 1] == window_ohlc[0]).all(axis=1))
    for bar in range(1, n_bars):
        if not len(starts):
            return None
        starts = starts[(series_ohlc[starts + bar] == window_ohlc[bar]).all(axis=1)]
    return int(starts[0]) if len(starts) == 1 else None
