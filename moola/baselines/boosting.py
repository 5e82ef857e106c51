"""Gradient boosting on each bar's features and those of the bars around it, by scikit-learn."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from sklearn.ensemble import HistGradientBoostingClassifier

from moola.baselines.rules import Finder, Floats, Spans
from moola.decoders import mass_near, rises, sharpest_edges
from moola.examples import Examples
from moola.schema import WINDOW_LENGTH

LAGS = (0, -8, -5, -3, -2, -1, 1, 2, 3, 5, 8)
EDGE_BARS = 5
"""Bars on each side of an edge that are compared."""
N_TREES = 100


def boosted_inside(train: Examples, *, n_trees: int = N_TREES) -> Finder:
    """Return boosting on "inside a span", decoded where that probability rises most, then falls."""
    model = _fitted(train, train.inside, n_trees)

    def find(examples: Examples) -> Spans:
        inside = _probability(model, examples)
        start, end = sharpest_edges(inside, width_bars=EDGE_BARS)
        return Spans(start, end, rises(inside, width_bars=EDGE_BARS).max(axis=1))

    return find


def boosted_start(train: Examples, *, n_trees: int = N_TREES) -> Finder:
    """Return boosting on "within a bar of a start", decoded by the mass of ±3 bars.

    The end is that of the median training span.
    """
    near = np.abs(np.arange(WINDOW_LENGTH) - train.start[:, None]) <= 1
    model = _fitted(train, near & train.has_span[:, None], n_trees)
    spans = train.take(train.has_span)
    length = int(np.median(spans.end - spans.start))

    def find(examples: Examples) -> Spans:
        p = _probability(model, examples)
        mass = mass_near(p / p.sum(axis=1, keepdims=True))
        start = mass.argmax(axis=1)
        return Spans(start, np.minimum(start + length, WINDOW_LENGTH - 1), mass.max(axis=1))

    return find


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
