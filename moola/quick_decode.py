"""The posterior of `moola.decode`, compiled: what a scan of every window of a series needs of it.

`decode_spans` holds three arrays of 105 x 105 for a window and takes longer over it than the model
does. Here a window's posterior lives in one small buffer. A span's weight is a product of what its
start, its end and its length say, so that 315 exponentials serve for all 5,565 spans; and of the
starts only those are looked at whose mass could still beat the best one. Both give the same spans;
`tests/test_quick_decode.py` holds them against each other.
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

LARGEST_EXPONENT = 600.0
"""e to the power of it is still a number with room to spare (the largest is e^709)."""
LEAST_EVIDENCE = 1e-20
"""Below it, what the products rounded down to zero could have counted."""


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
    start, end = np.full(n, NO_SPAN, np.int64), np.full(n, NO_SPAN, np.int64)
    confidence, p_no_span = np.empty(n), np.empty(n)
    mass = np.zeros((WINDOW_LENGTH, WINDOW_LENGTH))  # [start, end]: below the diagonal it stays 0
    of_start, length_weight = np.empty(WINDOW_LENGTH), np.exp(by_length)
    for w in range(n):
        at_start, at_end = edges[w, 0] - inside[w, :-1], edges[w, 1] + inside[w, 1:]
        none, evidence = _products(mass, of_start, at_start, at_end, length_weight, log_none)
        if not evidence > LEAST_EVIDENCE:
            none, evidence = _exponentials(mass, of_start, at_start, at_end, by_length, log_none)
        p_no_span[w] = none / evidence
        if p_no_span[w] > 0.5:
            confidence[w] = p_no_span[w]
            continue
        unit = 1 / evidence
        if has_edges:
            unit = (1 - p_no_span[w]) / _led_by_edges(mass, of_start, leading[w], follows)
        start[w], end[w], near = _likeliest_hit(mass, of_start)
        confidence[w] = min(near * unit, 1.0)
    return start, end, confidence, p_no_span


@njit(cache=True, fastmath={"reassoc", "contract"})  # sums in an order that suits the processor
def _products(
    mass: NDArray[np.float64],
    of_start: NDArray[np.float64],
    at_start: NDArray[np.float64],
    at_end: NDArray[np.float64],
    length_weight: NDArray[np.float64],
    log_none: float,
) -> tuple[float, float]:
    """Fill `mass` and its sums by start; return the mass of no span and of everything.

    They are relative to the best span if all lengths were equally likely. Both are 0 where a
    factor would be too large for a number.
    """
    best_start, peak = at_start[0], log_none
    for e in range(WINDOW_LENGTH):
        best_start = max(best_start, at_start[e])
        peak = max(peak, best_start + at_end[e])
    if best_start + at_end.max() - peak > LARGEST_EXPONENT:
        return 0.0, 0.0
    start_weight = np.exp(at_start - best_start)
    end_weight = np.exp(at_end + (best_start - peak))
    total = none = math.exp(log_none - peak)
    for s in range(WINDOW_LENGTH):
        row, ends = mass[s, s:], end_weight[s:]
        row_total = 0.0
        for n in range(WINDOW_LENGTH - s):
            value = start_weight[s] * ends[n] * length_weight[n]
            row[n] = value
            row_total += value
        of_start[s] = row_total
        total += row_total
    return none, total


@njit(cache=True)
def _exponentials(
    mass: NDArray[np.float64],
    of_start: NDArray[np.float64],
    at_start: NDArray[np.float64],
    at_end: NDArray[np.float64],
    by_length: NDArray[np.float64],
    log_none: float,
) -> tuple[float, float]:
    """Do the same span by span, relative to the best one: slow, and of any size."""
    peak = log_none
    for s in range(WINDOW_LENGTH):
        for e in range(s, WINDOW_LENGTH):
            mass[s, e] = at_start[s] + at_end[e] + by_length[e - s]
            peak = max(peak, mass[s, e])
    total = none = math.exp(log_none - peak)
    for s in range(WINDOW_LENGTH):
        mass[s, s:] = np.exp(mass[s, s:] - peak)
        of_start[s] = mass[s, s:].sum()
        total += of_start[s]
    return none, total


@njit(cache=True, fastmath={"reassoc", "contract"})
def _led_by_edges(
    mass: NDArray[np.float64],
    of_start: NDArray[np.float64],
    edges: NDArray[np.float64],
    follows: NDArray[np.float64],
) -> float:
    """Fill `mass` and its sums by the edges, either leading the other; return its total."""
    start, end = edges[0], edges[1]
    before = np.zeros(WINDOW_LENGTH)
    for s in range(WINDOW_LENGTH):
        later = before[s:]
        for n in range(WINDOW_LENGTH - s):
            later[n] += start[s] * follows[n]
    for_end = 1 / before
    total = 0.0
    for s in range(WINDOW_LENGTH):
        row, later, ends = mass[s, s:], for_end[s:], end[s:]
        after = 0.0
        for n in range(WINDOW_LENGTH - s):
            after += ends[n] * follows[n]
        for_start, row_total = 1 / after, 0.0
        for n in range(WINDOW_LENGTH - s):
            value = start[s] * ends[n] * follows[n] * (for_start + later[n])
            row[n] = value
            row_total += value
        of_start[s] = row_total
        total += row_total
    return total


@njit(cache=True)
def _likeliest_hit(
    mass: NDArray[np.float64], of_start: NDArray[np.float64]
) -> tuple[int, int, float]:
    """Return the span with most mass within the tolerance of both edges, and that mass.

    The first start looked at is the likeliest alone; most others cannot beat it and are passed by.
    """
    limit = np.empty(WINDOW_LENGTH)  # what a span with this start can reach
    for s in range(WINDOW_LENGTH):
        limit[s] = (1 + TIE_WEIGHT) * of_start[_near(s)].sum()
    first = int(limit.argmax())
    best_s, (best_e, best, best_near) = first, _best_end(mass, first)
    for s in range(WINDOW_LENGTH):
        if s == first or limit[s] < best:
            continue
        e, value, near = _best_end(mass, s)
        if value > best or (value == best and s < best_s):
            best_s, best_e, best, best_near = s, e, value, near
    return best_s, best_e, best_near


@njit(cache=True)
def _best_end(mass: NDArray[np.float64], s: int) -> tuple[int, float, float]:
    """Return the best end for a start, what it is worth, and the mass near both edges."""
    column = np.zeros(WINDOW_LENGTH)
    for row in mass[_near(s)]:
        column += row
    best_e, best, best_near = s, -1.0, 0.0
    for e in range(s, WINDOW_LENGTH):
        near = column[_near(e)].sum()
        value = near + TIE_WEIGHT * mass[s, e]
        if value > best:
            best_e, best, best_near = e, value, near
    return best_e, best, best_near


@njit(cache=True)
def _near(bar: int) -> slice:
    return slice(max(bar - TOLERANCE_BARS, 0), bar + TOLERANCE_BARS + 1)
