"""Do the bars of a labelled span look like those of the other labels? A second opinion, not a net.

A logistic regression on eight numbers about a span's bars tells labelled spans from other stretches
of the same windows; each window is judged by a fit that has not seen its group. It knows nothing of
the model, so the two can be wrong in different windows.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from moola.examples import Examples
from moola.schema import WINDOW_LENGTH

Floats = NDArray[np.float64]
N_FOLDS = 5
N_OTHERS = 15
"""Stretches drawn from each window beside its label, of the label's length."""
BEFORE_BARS, AFTER_BARS, TREND_BARS = 12, 6, 6
PENALTY = 1.0
MAX_STEPS = 30
LEAST_SPANS = 20
"""With fewer labels there is nothing that a span could be unlike."""


def shape_log_odds(examples: Examples, *, seed: int = 0) -> Floats:
    """Return (N,) the log-odds that a row's span is an expansion, by its bars alone.

    Zero for rows without a span, and for all where there are too few to compare with.
    """
    found = np.zeros(len(examples))
    rows = np.flatnonzero(examples.has_span)
    if len(rows) < LEAST_SPANS:
        return found
    labelled = np.stack(
        [_shape(examples.ohlc[row], *_span(examples, row)) for row in rows.tolist()]
    )
    others, of_row = _other_stretches(examples, rows, np.random.default_rng(seed))
    fold = examples.group % N_FOLDS
    for number in range(N_FOLDS):
        test = fold[rows] == number
        if not test.any() or test.all():
            continue
        train_others = fold[of_row] != number
        x = np.concatenate([labelled[~test], others[train_others]])
        y = np.r_[np.ones(int((~test).sum())), np.zeros(int(train_others.sum()))]
        found[rows[test]] = _Logistic(x, y).log_odds(labelled[test])
    return found


def _span(examples: Examples, row: int) -> tuple[int, int]:
    return int(examples.start[row]), int(examples.end[row])


def _other_stretches(
    examples: Examples, rows: NDArray[np.int64], rng: np.random.Generator
) -> tuple[Floats, NDArray[np.int64]]:
    """Return shapes of stretches without a labelled bar, and the row that each was drawn for."""
    shapes, of_row = [], []
    for row in rows.tolist():
        start, end = _span(examples, row)
        n_bars = end - start + 1
        for first in rng.integers(0, WINDOW_LENGTH - n_bars + 1, N_OTHERS).tolist():
            if not examples.inside[row, first : first + n_bars].any():
                shapes.append(_shape(examples.ohlc[row], first, first + n_bars - 1))
                of_row.append(row)
    return np.array(shapes).reshape(-1, 8), np.array(of_row, np.int64)


def _shape(ohlc: Floats, start: int, end: int) -> Floats:
    """Return eight numbers about the bars ``start..end`` of a window, in true ranges."""
    opened, high, low, close = ohlc.T
    before = np.r_[opened[0], close[:-1]]
    true_range = np.maximum(high, before) - np.minimum(low, before)
    unit = float(np.median(true_range)) + 1e-12
    n_bars, first = end - start + 1, opened[start]
    net = close[end] - first
    sign = 1.0 if net >= 0 else -1.0
    path = np.abs(np.diff(np.r_[first, close[start : end + 1]])).sum()
    own = true_range[start : end + 1].mean()
    bars = slice(start, end + 1)
    worst = first - low[bars].min() if sign > 0 else high[bars].max() - first
    after = close[min(WINDOW_LENGTH - 1, end + TREND_BARS - 1)] - close[end]
    trend = first - close[max(0, start - TREND_BARS)]
    return np.array(
        [
            abs(net) / unit / np.sqrt(n_bars),  # how fast it went
            abs(net) / (path + 1e-12),  # how straight
            _log_ratio(own, true_range[max(0, start - BEFORE_BARS) : start], unit),
            _log_ratio(own, true_range[end + 1 : end + 1 + AFTER_BARS], unit),
            max(0.0, float(worst)) / unit / np.sqrt(n_bars),  # how far it first went wrong
            sign * after / unit,  # whether it goes on after the end
            sign * trend / unit,  # whether it had begun before the start
            np.log(n_bars),
        ]
    )


def _log_ratio(own: float, beside: Floats, unit: float) -> float:
    """Return how much livelier the span is than the bars beside it."""
    usual = float(beside.mean()) if len(beside) > 2 else unit
    return float(np.log((own + 1e-12) / (usual + 1e-12)))


class _Logistic:
    """A logistic regression with a ridge, by Newton's method."""

    def __init__(self, x: Floats, y: Floats) -> None:
        self._mean, self._scale = x.mean(axis=0), x.std(axis=0) + 1e-9
        design = self._design(x)
        ridge = PENALTY * np.eye(design.shape[1])
        ridge[0, 0] = 0.0  # the intercept is free
        weights = np.zeros(design.shape[1])
        for _ in range(MAX_STEPS):
            chance = 1 / (1 + np.exp(-np.clip(design @ weights, -30, 30)))
            gradient = design.T @ (y - chance) - ridge @ weights
            curvature = (design * (chance * (1 - chance))[:, None]).T @ design + ridge
            step = np.linalg.solve(curvature, gradient)
            weights = weights + step
            if np.abs(step).max() < 1e-6:
                break
        self._weights = weights

    def log_odds(self, x: Floats) -> Floats:
        """Return (N,) log-odds of rows of numbers."""
        return self._design(x) @ self._weights

    def _design(self, x: Floats) -> Floats:
        return np.column_stack([np.ones(len(x)), (x - self._mean) / self._scale])
