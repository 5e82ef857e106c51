"""The posterior of `moola.decode`, compiled: what a scan of every window of a series needs of it.

`decode_spans` holds three arrays of 105 x 105 for a window and takes longer over it than the model
does. Here a window's posterior lives in one small buffer, and cells that weigh less than e^-40 of
the best one are left at zero. Both give the same spans; `tests/test_quick_decode.py` holds them
against each other.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from moola.decode import TIE_WEIGHT, TOLERANCE_BARS, Calibration, edge_probabilities, span_scores
from moola.examples import NO_SPAN
from moola.length_prior import LengthPrior, leading_cells, log_prior_cells
from moola.schema import WINDOW_LENGTH

NEGLIGIBLE = -40.0


class Spans(NamedTuple):
    """One span per window, as `moola.decode.DecodedSpans` without the marginals."""

    start: NDArray[np.int64]  # (W,)
    end: NDArray[np.int64]  # (W,) inclusive
    confidence: NDArray[np.float64]  # (W,)
    p_no_span: NDArray[np.float64]  # (W,)


def quick_decode(
    binary_logits: NDArray[np.float32] | None,
    edge_logits: NDArray[np.float32] | None,
    prior: LengthPrior,
    calibration: Calibration,
) -> Spans:
    """Return what ``decode_spans(..., decision="hit")`` returns, without the marginals."""
    score = span_scores(binary_logits, edge_logits)
    n_bars = np.arange(WINDOW_LENGTH + 1)
    inside = calibration.scale * score.inside + calibration.offset * n_bars
    edges = leading = np.zeros((len(score), 2, WINDOW_LENGTH))
    if score.edges is not None:
        edges, leading = calibration.edge * score.edges, edge_probabilities(score.edges)
    by_length = log_prior_cells(prior)[0]  # the prior of a span depends on its length alone
    log_none, has_edges = math.log(prior.p_no_span), score.edges is not None
    follows = leading_cells(prior)[0]
    found = _decode(inside, edges, by_length, log_none, has_edges, leading, follows)
    return Spans(*found)


@njit(cache=True)
def _decode(
    inside: NDArray[np.float64],
    edges: NDArray[np.float64],
    by_length: NDArray[np.float64],
    log_none: float,
    has_edges: bool,
    leading: NDArray[np.float64],
    follows: NDArray[np.float64],
) -> tuple[NDArray, NDArray, NDArray, NDArray]:
    n = len(inside)
    start, end = np.empty(n, np.int64), np.empty(n, np.int64)
    confidence, p_no_span = np.empty(n), np.empty(n)
    mass, rows = np.empty((WINDOW_LENGTH, WINDOW_LENGTH)), np.empty((WINDOW_LENGTH, WINDOW_LENGTH))
    for w in range(n):
        none, evidence = _posterior(mass, inside[w], edges[w], by_length, log_none)
        p_no_span[w] = none / evidence
        unit = 1 / evidence
        if has_edges:
            unit = (1 - p_no_span[w]) / _led_by_edges(mass, leading[w], follows)
        best_s, best_e, near = _likeliest_hit(mass, rows)
        is_empty = p_no_span[w] > 0.5
        start[w] = NO_SPAN if is_empty else best_s
        end[w] = NO_SPAN if is_empty else best_e
        confidence[w] = p_no_span[w] if is_empty else min(near * unit, 1.0)
    return start, end, confidence, p_no_span


@njit(cache=True)
def _posterior(
    mass: NDArray[np.float64],
    inside: NDArray[np.float64],
    edges: NDArray[np.float64],
    by_length: NDArray[np.float64],
    log_none: float,
) -> tuple[float, float]:
    """Fill `mass` [start, end], relative to its largest; return that of no span and the total."""
    peak = log_none
    for s in range(WINDOW_LENGTH):
        base = edges[0, s] - inside[s]
        for e in range(s, WINDOW_LENGTH):
            value = inside[e + 1] + base + edges[1, e] + by_length[e - s]
            mass[s, e] = value
            peak = max(peak, value)
    total = none = math.exp(log_none - peak)
    for s in range(WINDOW_LENGTH):
        mass[s, :s] = 0.0
        for e in range(s, WINDOW_LENGTH):
            value = mass[s, e] - peak
            mass[s, e] = math.exp(value) if value > NEGLIGIBLE else 0.0
            total += mass[s, e]
    return none, total


@njit(cache=True)
def _led_by_edges(
    mass: NDArray[np.float64], edges: NDArray[np.float64], follows: NDArray[np.float64]
) -> float:
    """Fill `mass` [start, end] by the edges, either leading the other; return its total."""
    after, before = np.zeros(WINDOW_LENGTH), np.zeros(WINDOW_LENGTH)
    for s in range(WINDOW_LENGTH):
        for e in range(s, WINDOW_LENGTH):
            after[s] += edges[1, e] * follows[e - s]
            before[e] += edges[0, s] * follows[e - s]
    total = 0.0
    for s in range(WINDOW_LENGTH):
        for e in range(s, WINDOW_LENGTH):
            both = edges[0, s] * edges[1, e] * follows[e - s]
            mass[s, e] = both / after[s] + both / before[e]
            total += mass[s, e]
    return total


@njit(cache=True)
def _likeliest_hit(mass: NDArray[np.float64], rows: NDArray[np.float64]) -> tuple[int, int, float]:
    """Return the span with most mass within the tolerance of both edges, and that mass.

    `rows` is a buffer: sums along the end first, then along the start.
    """
    last = WINDOW_LENGTH - 1
    for s in range(WINDOW_LENGTH):
        running = 0.0
        for e in range(min(TOLERANCE_BARS, last)):
            running += mass[s, e]
        for e in range(WINDOW_LENGTH):
            if e + TOLERANCE_BARS <= last:
                running += mass[s, e + TOLERANCE_BARS]
            if e > TOLERANCE_BARS:
                running -= mass[s, e - TOLERANCE_BARS - 1]
            rows[s, e] = running
    best_s, best_e, best, best_near = 0, 0, -1.0, 0.0
    column = np.zeros(WINDOW_LENGTH)
    for s in range(TOLERANCE_BARS):
        column += rows[s]
    for s in range(WINDOW_LENGTH):
        if s + TOLERANCE_BARS <= last:
            column += rows[s + TOLERANCE_BARS]
        if s > TOLERANCE_BARS:
            column -= rows[s - TOLERANCE_BARS - 1]
        for e in range(s, WINDOW_LENGTH):
            value = column[e] + TIE_WEIGHT * mass[s, e]
            if value > best:
                best_s, best_e, best, best_near = s, e, value, column[e]
    return best_s, best_e, best_near
