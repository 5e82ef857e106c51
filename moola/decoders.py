"""Every way from per-bar outputs to a span, under its name, for comparison.

=========== ============================================================ ===============
name        the span                                                     confidence
=========== ============================================================ ===============
hit         most probably right within ±3 bars under the posterior       yes
semi-markov the most probable one under the posterior                    yes
start       start first: most posterior within ±3 bars, then its end     yes
edge        sharpest rise of the inside probability, then its fall       no
kadane      largest sum of logits: the posterior's prior-free case       no
pointer     centre and length as the pointer head says them              no
=========== ============================================================ ===============

A run decodes with ``hit`` (`moola.decode`); the others never say "no span".
"""

from __future__ import annotations

import typing
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from moola.decode import (
    IDENTITY,
    TIE_WEIGHT,
    TOLERANCE_BARS,
    Calibration,
    DecodedSpans,
    decode_spans,
)
from moola.exceptions import SchemaError
from moola.labels import decode_pointers
from moola.length_prior import LengthPrior
from moola.schema import WINDOW_LENGTH

Decoder = Literal["hit", "semi-markov", "start", "edge", "kadane", "pointer"]
DECODERS: tuple[Decoder, ...] = typing.get_args(Decoder)
EDGE_WIDTH_BARS = 4
"""Bars on each side of an edge that are compared; 3 to 6 were equally good in the prototype."""

Bars = NDArray[np.int64]
Floats = NDArray[np.floating]


@dataclass(frozen=True, kw_only=True, eq=False)
class PerBar:
    """What W windows' heads say; a head the model lacks is None."""

    binary_logits: Floats | None = None  # (W, 105)
    edge_logits: Floats | None = None  # (W, 2, 105)
    pointers: Floats | None = None  # (W, 2)


def decode(
    heads: PerBar, decoder: Decoder, prior: LengthPrior, calibration: Calibration = IDENTITY
) -> DecodedSpans:
    """Decode one span a window by the named way.

    Raises
    ------
    SchemaError
        If the model lacks the head that the decoder reads.
    """
    if decoder in ("hit", "semi-markov", "start"):
        spans = decode_spans(
            heads.binary_logits,
            prior,
            calibration,
            edge_logits=heads.edge_logits,
            decision="cell" if decoder == "semi-markov" else "hit",
        )
        return _start_first(spans) if decoder == "start" else spans
    if decoder == "pointer":
        return without_posterior(*decode_pointers(_needed(heads.pointers, "pointer", decoder)))
    logits = _needed(heads.binary_logits, "binary", decoder)
    return without_posterior(*(edges(logits) if decoder == "edge" else kadane(logits)))


def _needed(output: Floats | None, head: str, decoder: str) -> Floats:
    if output is None:
        raise SchemaError(f"The decoder {decoder} reads the {head} head. Found a run without one.")
    return output


def without_posterior(start: Bars, end: Bars) -> DecodedSpans:
    """Return spans of which nothing is known but their edges: the rest is NaN."""
    unknown, per_bar = np.full(len(start), np.nan), np.full((len(start), WINDOW_LENGTH), np.nan)
    return DecodedSpans(start, end, unknown, unknown, per_bar, per_bar)


def _start_first(spans: DecodedSpans) -> DecodedSpans:
    """Take the start with the most posterior within ±3 bars, then the likeliest end after it."""
    near_start = mass_near(spans.start_prob)
    start = (near_start + TIE_WEIGHT * spans.start_prob).argmax(axis=1)
    near_end = mass_near(spans.end_prob) + TIE_WEIGHT * spans.end_prob
    after = np.where(np.arange(WINDOW_LENGTH) >= start[:, None], near_end, -1.0)
    found = spans.p_no_span <= 0.5
    start_mass = np.take_along_axis(near_start, start[:, None], axis=1)[:, 0]
    return spans._replace(
        start=np.where(found, start, spans.start),
        end=np.where(found, after.argmax(axis=1), spans.end),
        confidence=np.where(found, start_mass, spans.confidence),
    )


def mass_near(mass: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return (W, T) mass within ±3 bars of each bar.

    >>> mass_near(np.eye(9)[[0]]).tolist()
    [[1.0, 1.0, 1.0, 1.0, 0.0, 0.0, 0.0, 0.0, 0.0]]
    """
    padded = np.pad(mass, ((0, 0), (TOLERANCE_BARS, TOLERANCE_BARS)))
    near = np.lib.stride_tricks.sliding_window_view(padded, 2 * TOLERANCE_BARS + 1, axis=1)
    return near.sum(axis=2)


def rises(inside: Floats, *, width_bars: int = EDGE_WIDTH_BARS) -> NDArray[np.float64]:
    """Return (W, 105) mean of `inside` on ``[s, s + w)`` less that on ``[s - w, s)``.

    Bars beyond the window repeat its border.

    >>> rises(np.array([[0, 0, 0, 1, 1, 1.0]]), width_bars=2)[0].tolist()
    [0.0, 0.0, 0.5, 1.0, 0.5, 0.0]
    """
    padded = np.pad(inside.astype(float), ((0, 0), (width_bars, width_bars)), mode="edge")
    total = np.pad(np.cumsum(padded, axis=1), ((0, 0), (1, 0)))
    bar = np.arange(inside.shape[1]) + width_bars
    after = total[:, bar + width_bars] - total[:, bar]
    return (after - (total[:, bar] - total[:, bar - width_bars])) / width_bars


def edges(logits: Floats, *, width_bars: int = EDGE_WIDTH_BARS) -> tuple[Bars, Bars]:
    """Return (W,) start and end: the sharpest rise of the probability, the sharpest fall from it.

    A span of largest sum overlaps well; an edge filter looks for the onset itself.
    """
    return sharpest_edges(1 / (1 + np.exp(-logits.astype(float))), width_bars=width_bars)


def sharpest_edges(inside: Floats, *, width_bars: int) -> tuple[Bars, Bars]:
    """Return what `edges` does of (W, T) probabilities.

    >>> sharpest_edges(np.array([[0.1, 0.1, 0.9, 0.8, 0.1, 0.1]]), width_bars=2)
    (array([2]), array([3]))
    """
    start = rises(inside, width_bars=width_bars).argmax(axis=1)
    falls = rises(inside[:, ::-1], width_bars=width_bars)[:, ::-1]
    after = np.where(np.arange(inside.shape[1]) >= start[:, None], falls, -np.inf)
    return start, after.argmax(axis=1)


def kadane(values: Floats) -> tuple[Bars, Bars]:
    """Return (W,) first and last bar of the stretch of largest sum (Kadane's algorithm).

    >>> kadane(np.array([[-1.0, 2.0, -1.0, 3.0, -5.0]]))
    (array([1]), array([3]))
    """
    total = np.pad(np.cumsum(values.astype(float), axis=1), ((0, 0), (1, 0)))
    lowest_before = np.minimum.accumulate(total[:, :-1], axis=1)
    end = (total[:, 1:] - lowest_before).argmax(axis=1)
    is_before = np.arange(values.shape[1]) <= end[:, None]
    start = np.where(is_before, total[:, :-1], np.inf).argmin(axis=1)
    return start, end


def start_from_countdown(countdown_bars: ArrayLike) -> NDArray[np.float64]:
    """Return (W,) start of the expansion in bars: where the predicted countdown crosses zero.

    A noisy countdown may cross several times. The crossing taken is the one that leaves most of
    the positive countdown before it and most of the negative after it; between its two bars the
    line is straight. A countdown that never crosses starts at bar 0 or ends at bar 104.

    >>> start_from_countdown([50.25 - np.arange(105)]).tolist()
    [50.25]
    """
    countdown = np.asarray(countdown_bars, np.float64)
    rows, last = np.arange(len(countdown)), countdown.shape[1] - 1
    total = np.pad(np.cumsum(countdown, axis=1), ((0, 0), (1, 0)))
    # The maximum of the running sum: the bar before it is above zero, the bar itself is not.
    after = total.argmax(axis=1)
    above = countdown[rows, np.clip(after - 1, 0, last)]
    below = countdown[rows, np.clip(after, 0, last)]
    crosses = (after > 0) & (after <= last)
    part = np.divide(above, above - below, out=np.zeros_like(above), where=crosses)
    return np.clip(after - 1 + part, 0, last)
