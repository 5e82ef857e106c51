"""Three rules with one threshold each, fitted on training windows."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from moola.decoders import kadane
from moola.examples import Examples
from moola.features import FEATURE_NAMES
from moola.metrics import edge_hits
from moola.proposals import average_true_range

Floats = NDArray[np.float64]
N_THRESHOLDS = 25
ATR_BARS = 20


class Spans(NamedTuple):
    """(N,) the span found in each row, and how sure of it the finder is, on a scale of its own."""

    start: NDArray[np.int64]
    end: NDArray[np.int64]  # inclusive
    confidence: Floats


Finder = Callable[[Examples], Spans]


def longest_run(train: Examples) -> Finder:
    """Return a rule: the longest run of bars whose range is above a threshold."""
    return _with_best_threshold(_range_z, _longest_runs, train)


def largest_range_sum(train: Examples) -> Finder:
    """Return a rule: the stretch of largest summed range above a threshold (Kadane)."""

    def rule(signal: Floats, threshold: float) -> Spans:
        return largest_sums(signal - threshold)

    return _with_best_threshold(_range_z, rule, train)


def largest_move(train: Examples) -> Finder:
    """Return a rule: the stretch of largest summed return in ATR, up or down, less a threshold."""

    def rule(signal: Floats, threshold: float) -> Spans:
        up, down = largest_sums(signal - threshold), largest_sums(-signal - threshold)
        takes_up = up.confidence >= down.confidence
        return Spans(*(np.where(takes_up, *both) for both in zip(up, down, strict=True)))

    return _with_best_threshold(_returns_in_atr, rule, train)


def largest_sums(signal: Floats) -> Spans:
    """Return the stretch of largest sum in every row; that sum says how sure it is.

    >>> [column.tolist() for column in largest_sums(np.array([[-1.0, 2.0, -1.0, 3.0, -5.0]]))]
    [[1], [3], [4.0]]
    """
    start, end = kadane(signal)
    total = np.pad(np.cumsum(signal, axis=1), ((0, 0), (1, 0)))
    rows = np.arange(len(signal))
    return Spans(start, end, total[rows, end + 1] - total[rows, start])


def _longest_runs(signal: Floats, threshold: float) -> Spans:
    above = signal > threshold
    length = np.zeros(above.shape, np.int64)  # of the run that ends at each bar
    length[:, 0] = above[:, 0]
    for bar in range(1, above.shape[1]):
        length[:, bar] = np.where(above[:, bar], length[:, bar - 1] + 1, 0)
    end, longest = length.argmax(axis=1), length.max(axis=1)
    return Spans(end - np.maximum(longest, 1) + 1, end, longest.astype(np.float64))


def _with_best_threshold(
    signal: Callable[[Examples], Floats], rule: Callable[[Floats, float], Spans], train: Examples
) -> Finder:
    """Fit the threshold: the one that hits most spans of the training rows, of equals most starts.

    Candidates are quantiles of the signal on these rows.
    """
    train = train.take(train.has_span)
    values = signal(train)
    candidates = np.unique(np.quantile(values, np.linspace(0.3, 0.97, N_THRESHOLDS))).tolist()

    def n_hits(threshold: float) -> tuple[int, int]:
        found = rule(values, threshold)
        hits = edge_hits(found.start, found.end, true_start=train.start, true_end=train.end)
        return int(hits.both.sum()), int(hits.start.sum())

    best = max(candidates, key=n_hits)
    return lambda examples: rule(signal(examples), best)


def _range_z(examples: Examples) -> Floats:
    return examples.features[:, :, FEATURE_NAMES.index("range_z")].astype(np.float64)


def _returns_in_atr(examples: Examples) -> Floats:
    moves = np.empty(examples.ohlc.shape[:2])
    for row, ohlc in enumerate(examples.ohlc):
        atr = np.maximum(average_true_range(ohlc, ATR_BARS), 1e-12)
        moves[row] = np.diff(ohlc[:, 3], prepend=ohlc[0, 0]) / atr
    return moves
