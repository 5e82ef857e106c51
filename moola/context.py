"""Cut the bars around windows out of their series, so that training can shift the windows."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from moola.examples import CONTEXT_BARS, CONTEXT_LENGTH, Context
from moola.features import FEATURE_NAMES, compute_features
from moola.schema import WINDOW_LENGTH


def cut_context(
    series_id: NDArray[np.str_],
    bar_start: NDArray[np.int64],
    ohlc_of: Callable[[str], NDArray[np.float64]],
) -> Context:
    """Return the context of N windows; features are those of the whole series, as in a window.

    Parameters
    ----------
    series_id, bar_start
        (N,) series of each window and the sequence number of its bar 0.
    ohlc_of
        Returns the (n, 4) prices of a series.
    """
    n = len(bar_start)
    ohlc = np.zeros((n, CONTEXT_LENGTH, 4))
    features = np.zeros((n, CONTEXT_LENGTH, len(FEATURE_NAMES)), np.float32)
    n_after = np.zeros(n, np.int64)
    for name in np.unique(series_id):
        series = ohlc_of(str(name))
        whole = compute_features(series)
        for row in np.flatnonzero(series_id == name):
            first = bar_start[row] - CONTEXT_BARS
            bars = np.arange(max(first, 0), min(first + CONTEXT_LENGTH, len(series)))
            ohlc[row, bars - first] = series[bars]
            features[row, bars - first] = whole[bars]
            n_after[row] = min(len(series) - bar_start[row] - WINDOW_LENGTH, CONTEXT_BARS)
    return Context(
        ohlc=ohlc, features=features, n_before=np.minimum(bar_start, CONTEXT_BARS), n_after=n_after
    )
