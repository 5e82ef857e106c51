"""How long spans are, and how many windows hold none: the prior of the posterior decoder.

A Gamma over the length of a span, fitted on training spans; the start is equally likely wherever a
span of that length fits.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from moola.exceptions import SchemaError
from moola.schema import WINDOW_LENGTH

MAX_SHAPE = 25.0
"""A Gamma of larger shape is narrower than ±20 %: too sure for the few spans it was fitted on."""
LEAST = 1e-100
"""A probability of an edge, or of a length, below it is no more than a rounding error."""
IS_SPAN = np.triu(np.ones((WINDOW_LENGTH, WINDOW_LENGTH), bool))
"""(105, 105) whether [start, end] is a span: it ends no earlier than it starts."""


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


def leading_cells(prior: LengthPrior) -> NDArray[np.float64]:
    """Return (105, 105) prior of every span [start, end] by which one edge follows the other.

    None is below `LEAST`: from every start some end follows, and from every end a start.
    """
    return np.where(IS_SPAN, np.maximum(np.exp(log_prior_cells(prior)), LEAST), 0.0)
