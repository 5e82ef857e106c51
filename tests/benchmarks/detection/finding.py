"""What finds a span without a network: three rules and gradient boosting.

Every finder is fitted on the training windows and returns `Spans` for others.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from moola.examples import Examples
from moola.features import FEATURE_NAMES
from moola.metrics import edge_hits
from moola.proposals import average_true_range
from moola.schema import WINDOW_LENGTH

Floats = NDArray[np.float64]
LAGS = (-8, -5, -3, -2, -1, 1, 2, 3, 5, 8)
EDGE_WIDTHS = (3, 4, 5, 6)
THRESHOLDS = 25


class Spans(NamedTuple):
    """(N,) start, inclusive end, and how sure the finder is."""

    start: NDArray[np.int64]
    end: NDArray[np.int64]
    confidence: Floats


Finder = Callable[[Examples], Spans]


def longest_run(train: Examples) -> Finder:
    """Return a rule: the longest run of bars whose range is above a threshold."""
    return _with_best_threshold(_range_z, _longest_runs, train)


def largest_range_sum(train: Examples) -> Finder:
    """Return a rule: the stretch of largest summed range above a threshold (Kadane)."""
    return _with_best_threshold(_range_z, largest_sums, train)


def largest_move(train: Examples) -> Finder:
    """Return a rule: the stretch of largest summed return in ATR, up or down, less a threshold."""

    def rule(signal: Floats, threshold: float) -> Spans:
        up, down = largest_sums(signal, threshold), largest_sums(-signal, threshold)
        takes_up = up.confidence >= down.confidence
        return Spans(*(np.where(takes_up, a, b) for a, b in zip(up, down, strict=True)))

    return _with_best_threshold(_returns_in_atr, rule, train)


def _range_z(examples: Examples) -> Floats:
    return examples.features[:, :, FEATURE_NAMES.index("range_z")].astype(np.float64)


def _returns_in_atr(examples: Examples) -> Floats:
    out = np.empty(examples.ohlc.shape[:2])
    for row, ohlc in enumerate(examples.ohlc):
        atr = np.maximum(average_true_range(ohlc, 20), 1e-12)
        out[row] = (ohlc[:, 3] - np.r_[ohlc[0, 0], ohlc[:-1, 3]]) / atr
    return out


def _with_best_threshold(
    signal: Callable[[Examples], Floats], rule: Callable[[Floats, float], Spans], train: Examples
) -> Finder:
    """Fit the rule's threshold: the one that hits most starts of the training windows."""
    values = signal(train)
    candidates = np.quantile(values, np.linspace(0.3, 0.97, THRESHOLDS)).tolist()

    def hits(threshold: float) -> float:
        found = rule(values, threshold)
        edges = edge_hits(found.start, found.end, true_start=train.start, true_end=train.end)
        return float(edges.start.mean())

    best = max(candidates, key=hits)
    return lambda examples: rule(signal(examples), best)


def _longest_runs(signal: Floats, threshold: float) -> Spans:
    above = signal > threshold
    length = np.zeros(above.shape, np.int64)  # of the run that ends at each bar
    length[:, 0] = above[:, 0]
    for bar in range(1, above.shape[1]):
        length[:, bar] = np.where(above[:, bar], length[:, bar - 1] + 1, 0)
    end = length.argmax(axis=1)
    longest = length.max(axis=1)
    return Spans(np.maximum(end - np.maximum(longest, 1) + 1, 0), end, longest.astype(float))


def largest_sums(signal: Floats, threshold: float = 0.0) -> Spans:
    """Return the stretch of largest sum of `signal` less `threshold` in every row."""
    total = np.pad(np.cumsum(signal - threshold, axis=1), ((0, 0), (1, 0)))
    lowest = np.minimum.accumulate(total[:, :-1], axis=1)
    gain = total[:, 1:] - lowest
    end = gain.argmax(axis=1)
    masked = np.where(np.arange(total.shape[1] - 1) <= end[:, None], total[:, :-1], np.inf)
    return Spans(masked.argmin(axis=1), end, gain.max(axis=1))


def rising_edge(p: Floats, width: int) -> Spans:
    """Return where the mean of the next `width` bars most exceeds that of the last `width`.

    The end is the falling edge after it. Beyond the window nothing is inside.
    """
    T = p.shape[1]
    total = np.pad(np.cumsum(np.pad(p, ((0, 0), (width, width))), axis=1), ((0, 0), (1, 0)))
    bar = np.arange(T) + width
    rise = (total[:, bar + width] - 2 * total[:, bar] + total[:, bar - width]) / width
    start = rise.argmax(axis=1)
    fall = (2 * total[:, bar + 1] - total[:, bar + 1 - width] - total[:, bar + 1 + width]) / width
    fall = np.where(np.arange(T) >= start[:, None], fall, -np.inf)
    return Spans(start, fall.argmax(axis=1), rise.max(axis=1))


def boosted_inside(train: Examples) -> Finder:
    """Return boosting per bar on "inside a span", decoded by the edge filter."""
    model = _fitted(train, train.inside)

    def find(examples: Examples) -> Spans:
        return rising_edge(_probability(model, examples), 5)

    return find


def boosted_start(train: Examples) -> Finder:
    """Return boosting per bar on "within a bar of a start", decoded by the mass of ±3 bars."""
    near = np.abs(np.arange(WINDOW_LENGTH) - train.start[:, None]) <= 1
    model = _fitted(train, near)
    length = int(np.median(train.end - train.start))

    def find(examples: Examples) -> Spans:
        p = _probability(model, examples)
        mass = mass_around(p / p.sum(axis=1, keepdims=True))
        start = mass.argmax(axis=1)
        return Spans(start, np.minimum(start + length, WINDOW_LENGTH - 1), mass.max(axis=1))

    return find


def mass_around(p: Floats, bars: int = 3) -> Floats:
    """Return (N, T) sum of `p` over the bars within `bars` of each."""
    total = np.pad(np.cumsum(np.pad(p, ((0, 0), (bars, bars))), axis=1), ((0, 0), (1, 0)))
    return total[:, 2 * bars + 1 :] - total[:, : p.shape[1]]


def _fitted(train: Examples, target: NDArray[np.bool_]):
    from sklearn.ensemble import HistGradientBoostingClassifier

    model = HistGradientBoostingClassifier(
        max_iter=150, learning_rate=0.08, max_leaf_nodes=15, l2_regularization=1.0, random_state=0
    )
    return model.fit(_with_lags(train), target.reshape(-1))


def _probability(model, examples: Examples) -> Floats:
    return model.predict_proba(_with_lags(examples))[:, 1].reshape(-1, WINDOW_LENGTH)


def _with_lags(examples: Examples) -> NDArray[np.float32]:
    """Return (N * T, F * (1 + lags)) features of every bar and of bars before and after it."""
    bar = np.arange(WINDOW_LENGTH)
    shifted = [examples.features[:, np.clip(bar + lag, 0, WINDOW_LENGTH - 1)] for lag in (0, *LAGS)]
    return np.concatenate(shifted, axis=2).reshape(len(examples) * WINDOW_LENGTH, -1)


FINDERS: dict[str, Callable[[Examples], Finder]] = {
    "rule: longest run of range_z": longest_run,
    "rule: largest sum of range_z": largest_range_sum,
    "rule: largest move in ATR": largest_move,
    "boosting, inside": boosted_inside,
    "boosting, start": boosted_start,
}
