"""Turn per-bar logits into one span with a confidence: the semi-Markov decoder.

A window holds either no span or one span ``start..end``. Given its per-bar logits, the score of a
span is the sum of its calibrated logits plus the log prior of its length and place; "no span"
scores its own log prior, as the empty sum. A softmax over all 5,565 spans and "no span" is the
posterior. Bars are not independent, so raw logits give one sharper than the truth and too fond of
"no span"; `moola.calibration` mends both with two numbers. With a flat prior and no calibration the
best span is the one of largest sum (Kadane).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from moola.examples import NO_SPAN
from moola.exceptions import SchemaError
from moola.schema import WINDOW_LENGTH

TOLERANCE_BARS = 3
MAX_SHAPE = 25.0
"""A Gamma of larger shape is narrower than ±20 %: too sure for the few spans it was fitted on."""
_CHUNK_WINDOWS = 64


@dataclass(frozen=True, slots=True)
class LengthPrior:
    """Gamma over the length of a span in bars, and the chance that a window holds none.

    The start is equally likely wherever a span of that length fits.
    """

    shape: float
    scale: float
    p_no_span: float

    def __post_init__(self) -> None:
        if not (self.shape > 0 and self.scale > 0 and 0 < self.p_no_span < 1):
            raise SchemaError(
                "A length prior should have shape and scale above 0 and p_no_span between 0 and 1. "
                f"Found {self.shape}, {self.scale}, {self.p_no_span}."
            )

    def to_dict(self) -> dict[str, float]:
        """Return a JSON object that `from_dict` reads back."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """Make a prior of a JSON object."""
        try:
            return cls(*(float(values[name]) for name in ("shape", "scale", "p_no_span")))
        except (KeyError, TypeError, ValueError) as error:
            raise SchemaError(
                f"A length prior should hold shape, scale and p_no_span. Found {values!r}."
            ) from error


@dataclass(frozen=True, slots=True)
class Calibration:
    """What a head's logit is worth as evidence: ``scale * logit + offset`` for each bar.

    Neighbouring bars say nearly the same, so their sum overstates the evidence (a scale below 1).
    A head that is unsure *where* says "outside" for every bar although a span is there, and the
    sum then favours "no span" (an offset above 0).
    """

    scale: float = 1.0
    offset: float = 0.0

    def to_dict(self) -> dict[str, float]:
        """Return a JSON object, the keyword arguments of a `Calibration`."""
        return asdict(self)


IDENTITY = Calibration()


class DecodedSpans(NamedTuple):
    """One span per window, W windows; without a span ``start`` and ``end`` are `NO_SPAN`."""

    start: NDArray[np.int64]  # (W,)
    end: NDArray[np.int64]  # (W,) inclusive
    confidence: NDArray[np.float64]  # (W,) posterior that both edges lie within ±3 bars
    p_no_span: NDArray[np.float64]  # (W,)


def fit_length_prior(lengths_bars: ArrayLike, n_windows_without_span: int) -> LengthPrior:
    """Fit the prior on the training spans.

    The Gamma's shape is Minka's closed-form approximation of the maximum likelihood
    (Estimating a Gamma distribution, 2002). ``p_no_span`` is Jeffreys' estimate,
    so that it is never quite 0 or 1. Without any span every length is about equally likely.
    """
    lengths = np.asarray(lengths_bars, float)
    n_spans = lengths.size
    p_no_span = (n_windows_without_span + 0.5) / (n_windows_without_span + n_spans + 1)
    if n_spans == 0:
        return LengthPrior(1.0, 100.0 * WINDOW_LENGTH, p_no_span)
    mean = float(lengths.mean())
    spread = math.log(mean) - float(np.log(lengths).mean())
    shape = MAX_SHAPE
    if spread > 1e-9:
        root = math.sqrt((spread - 3) ** 2 + 24 * spread)
        shape = min((3 - spread + root) / (12 * spread), MAX_SHAPE)
    return LengthPrior(shape, mean / shape, p_no_span)


def log_prior_cells(prior: LengthPrior) -> NDArray[np.float64]:
    """Return the (105, 105) log prior of every span [start, end]; -inf where end < start.

    With ``log(prior.p_no_span)`` for "no span" the prior sums to 1.
    """
    lengths = np.arange(1, WINDOW_LENGTH + 1)
    log_length = (prior.shape - 1) * np.log(lengths) - lengths / prior.scale
    log_length -= np.logaddexp.reduce(log_length)
    log_start = -np.log(WINDOW_LENGTH + 1 - lengths)
    bar = np.arange(WINDOW_LENGTH)
    length = bar[None, :] - bar[:, None] + 1
    cells = (log_length + log_start + math.log1p(-prior.p_no_span))[np.maximum(length, 1) - 1]
    return np.where(length >= 1, cells, -np.inf)


def decode_spans(
    logits: ArrayLike, prior: LengthPrior, calibration: Calibration = IDENTITY
) -> DecodedSpans:
    """Decode one span, or none, for each window.

    There is no span where the posterior says so with more than one half: the rest of it is shared
    by thousands of spans, of which the best alone may be small. Otherwise it is the most probable
    span. The confidence is the posterior of all spans with both edges within ±3 bars of it (the
    model's own estimate of a hit), or of "no span" where there is none.

    Parameters
    ----------
    logits
        (W, 105) log-odds that a bar lies inside the expansion.
    prior
        From `fit_length_prior` on *training* spans.
    calibration
        From `moola.calibration` on *training* windows; by default logits count as they are.
    """
    logits = np.asarray(logits, np.float64)
    if logits.ndim != 2 or logits.shape[1] != WINDOW_LENGTH:
        raise SchemaError(f"Logits should have shape (W, {WINDOW_LENGTH}). Found {logits.shape}.")
    if not np.isfinite(logits).all():
        window = int(np.argmin(np.isfinite(logits).all(axis=1)))
        raise SchemaError(f"Logits should be finite. Found NaN or infinity in window {window}.")
    logits = calibration.scale * logits + calibration.offset
    cells, log_none = log_prior_cells(prior), math.log(prior.p_no_span)
    chunks = [
        _decode_chunk(logits[first : first + _CHUNK_WINDOWS], cells, log_none)
        for first in range(0, max(len(logits), 1), _CHUNK_WINDOWS)
    ]
    return DecodedSpans(*(np.concatenate(column) for column in zip(*chunks, strict=True)))


def _decode_chunk(
    logits: NDArray[np.float64], cells: NDArray[np.float64], log_none: float
) -> DecodedSpans:
    """Decode a few windows at once; the grid of a window takes 88 kB."""
    total = np.pad(np.cumsum(logits, axis=1), ((0, 0), (1, 0)))
    grid = total[:, None, 1:] - total[:, :-1, None] + cells  # (w, start, end)
    flat = grid.reshape(len(grid), WINDOW_LENGTH**2)
    best = flat.argmax(axis=1)
    peak = np.maximum(flat.max(axis=1), log_none)
    grid -= peak[:, None, None]
    np.exp(grid, out=grid)
    none = np.exp(log_none - peak)
    evidence = grid.sum(axis=(1, 2)) + none
    p_no_span = none / evidence
    start, end = np.divmod(best, WINDOW_LENGTH)
    near = _mass_around(grid, start, end) / evidence
    empty = p_no_span > 0.5
    return DecodedSpans(
        np.where(empty, NO_SPAN, start),
        np.where(empty, NO_SPAN, end),
        np.where(empty, p_no_span, near),
        p_no_span,
    )


def _mass_around(
    grid: NDArray[np.float64], start: NDArray[np.int64], end: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Return (w,) sum of the cells with both edges within the tolerance; illegal ones hold 0."""
    offset = np.arange(-TOLERANCE_BARS, TOLERANCE_BARS + 1)
    starts, ends = start[:, None] + offset, end[:, None] + offset
    last = WINDOW_LENGTH - 1
    has_start, has_end = starts == np.clip(starts, 0, last), ends == np.clip(ends, 0, last)
    rows, columns = np.clip(starts, 0, last)[:, :, None], np.clip(ends, 0, last)[:, None, :]
    cells = grid[np.arange(len(grid))[:, None, None], rows, columns]
    return np.einsum("wij,wi,wj->w", cells, has_start, has_end)


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
