"""Gradient boosting on each bar's features and those of the bars around it, by scikit-learn."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from sklearn.ensemble import HistGradientBoostingClassifier

from moola.baselines.rules import Finder, Floats, Spans
from moola.examples import Examples
from moola.metrics import TOLERANCE_BARS
from moola.schema import WINDOW_LENGTH

LAGS = (0, -8, -5, -3, -2, -1, 1, 2, 3, 5, 8)
EDGE_BARS = 5
"""Bars on each side of an edge that are compared."""
N_TREES = 100


def boosted_inside(train: Examples, *, n_trees: int = N_TREES) -> Finder:
    """Return boosting on "inside a span", decoded where that probability rises most, then falls."""
    model = _fitted(train, train.inside, n_trees)
    return lambda examples: rising_edge(_probability(model, examples))


def boosted_start(train: Examples, *, n_trees: int = N_TREES) -> Finder:
    """Return boosting on "within a bar of a start", decoded by the mass of ±3 bars.

    The end is that of the median training span.
    """
    near = np.abs(np.arange(WINDOW_LENGTH) - train.start[:, None]) <= 1
    model = _fitted(train, near & train.has_span[:, None], n_trees)
    spans = train.take(train.has_span)
    length = int(np.median(spans.end - spans.start))

    def find(examples: Examples) -> Spans:
        start = _moving_sum(_probability(model, examples), TOLERANCE_BARS).argmax(axis=1)
        return Spans(start, np.minimum(start + length, WINDOW_LENGTH - 1))

    return find


def rising_edge(p: Floats, width: int = EDGE_BARS) -> Spans:
    """Return where the next `width` bars of (N, T) most exceed those before, and the fall after.

    Beyond the window nothing is inside.
    """
    n_bars = p.shape[1]
    total = np.pad(np.cumsum(np.pad(p, ((0, 0), (width, width))), axis=1), ((0, 0), (1, 0)))
    bar = np.arange(n_bars) + width
    start = (total[:, bar + width] - 2 * total[:, bar] + total[:, bar - width]).argmax(axis=1)
    fall = 2 * total[:, bar + 1] - total[:, bar + 1 - width] - total[:, bar + 1 + width]
    fall = np.where(np.arange(n_bars) >= start[:, None], fall, -np.inf)
    return Spans(start, fall.argmax(axis=1))


def _moving_sum(p: Floats, bars: int) -> Floats:
    """Return (N, T) sum of `p` over the bars within `bars` of each."""
    total = np.pad(np.cumsum(np.pad(p, ((0, 0), (bars, bars))), axis=1), ((0, 0), (1, 0)))
    return total[:, 2 * bars + 1 :] - total[:, : p.shape[1]]


def _fitted(
    train: Examples, target: NDArray[np.bool_], n_trees: int
) -> HistGradientBoostingClassifier:
    counted = ~train.ignore.ravel()
    model = HistGradientBoostingClassifier(
        max_iter=n_trees,
        learning_rate=0.1,
        max_leaf_nodes=15,
        l2_regularization=1.0,
        early_stopping=False,  # pyright: ignore[reportArgumentType]  scikit-learn's default is a str
        random_state=0,
    )
    return model.fit(_with_lags(train)[counted], target.ravel()[counted])


def _probability(model: HistGradientBoostingClassifier, examples: Examples) -> Floats:
    known = model.predict_proba(_with_lags(examples))
    return known[:, 1].reshape(len(examples), WINDOW_LENGTH)


def _with_lags(examples: Examples) -> NDArray[np.float32]:
    """Return (N * T, F * lags): at the window's border a lag repeats its last bar."""
    bar = np.arange(WINDOW_LENGTH)
    lagged = [examples.features[:, np.clip(bar + lag, 0, WINDOW_LENGTH - 1)] for lag in LAGS]
    return np.concatenate(lagged, axis=2).reshape(len(examples) * WINDOW_LENGTH, -1)
