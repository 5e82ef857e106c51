"""The best constant predictors: what a score is worth that needs no look at the bars.

Each constant is fitted on training rows and scored on the validation rows by `moola.metrics`,
exactly as a model is. A model that does not beat them has learned nothing from the bars.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from moola.config import COUNTDOWN_CLIP_BARS
from moola.examples import Examples
from moola.exceptions import SchemaError
from moola.labels import encode_pointers
from moola.metrics import TOLERANCE_BARS, Predicted
from moola.schema import SPAN_TYPES, WINDOW_LENGTH


@dataclass(frozen=True, kw_only=True, eq=False)
class Constants:
    """The same answer for every window."""

    start: int
    end: int
    center_norm: float
    type_id: int
    countdown_bars: NDArray[np.float64]  # (105,)

    def predict(self, n_rows: int) -> Predicted:
        """Return the answer for `n_rows` rows of examples."""
        return Predicted(
            start=np.full(n_rows, self.start),
            end=np.full(n_rows, self.end),
            center_norm=np.full(n_rows, self.center_norm),
            type_id=np.full(n_rows, self.type_id),
            countdown_bars=np.tile(self.countdown_bars, (n_rows, 1)),
        )


def fit_constants(train: Examples) -> Constants:
    """Fit on the training rows that hold a span: each constant is the best for its own metric.

    The span has both edges within ±3 bars of the most training spans, the centre is their median
    centre, the type their majority, and the countdown the profile of the median start, clipped to
    ±20 bars: the median is what minimises an absolute error.
    """
    train = train.take(train.has_span)
    if not len(train):
        raise SchemaError("Constant predictors need training rows with a span. Found none.")
    start, end = best_constant_span(train.start, train.end)
    profile = np.median(train.start) - np.arange(WINDOW_LENGTH)
    return Constants(
        start=start,
        end=end,
        center_norm=float(np.median(encode_pointers(train.start, train.end)[:, 0])),
        type_id=int(np.bincount(train.type_id, minlength=len(SPAN_TYPES)).argmax()),
        countdown_bars=np.clip(profile, -COUNTDOWN_CLIP_BARS, COUNTDOWN_CLIP_BARS),
    )


def best_constant_span(
    start: NDArray[np.int64], end: NDArray[np.int64], *, tolerance_bars: int = TOLERANCE_BARS
) -> tuple[int, int]:
    """Return the span that hits the most of the given ones with both edges.

    Of equally good ones it is the one with the smallest sum of edge distances.

    >>> best_constant_span(np.array([40, 42, 90]), np.array([50, 54, 95]))
    (42, 53)
    """
    bar = np.arange(WINDOW_LENGTH)
    from_start, from_end = np.abs(start[:, None] - bar), np.abs(end[:, None] - bar)
    near_start = (from_start <= tolerance_bars).astype(float)
    hits = near_start.T @ (from_end <= tolerance_bars)
    distance = from_start.sum(axis=0)[:, None] + from_end.sum(axis=0)[None, :]
    # The tie-break stays below one hit.
    worth = hits - distance / (distance.max() + 1)
    legal = bar[:, None] <= bar[None, :]
    best = int(np.where(legal, worth, -np.inf).argmax())
    return best // WINDOW_LENGTH, best % WINDOW_LENGTH
