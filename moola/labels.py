"""Targets of one labelled span: per-bar mask, countdown, and the pointer codec.

Both ends of a span are inclusive (`moola.schema`).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from moola.schema import WINDOW_LENGTH, check_span


def create_expansion_labels(
    expansion_start: int, expansion_end: int, window_length: int = WINDOW_LENGTH
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return the binary mask and the countdown of one span.

    Parameters
    ----------
    expansion_start, expansion_end
        First and last bar of the expansion, both inclusive, ``0 <= start <= end < window_length``.
    window_length
        Bars in the window, T.

    Returns
    -------
    binary_mask
        (T,) float32, 1 on ``start..end``.
    countdown
        (T,) float32, ``start - bar`` in bars: positive before the start, 0 at it, negative after.

    Raises
    ------
    SchemaError
        If the span leaves the window or ends before it starts.

    Examples
    --------
    >>> mask, countdown = create_expansion_labels(50, 65)
    >>> int(mask.sum())
    16
    >>> countdown[[45, 50, 55]].tolist()
    [5.0, 0.0, -5.0]
    """
    check_span(expansion_start, expansion_end, window_length=window_length)
    bar = np.arange(window_length)
    binary_mask = (bar >= expansion_start) & (bar <= expansion_end)
    return binary_mask.astype(np.float32), (expansion_start - bar).astype(np.float32)


def encode_pointers(start: ArrayLike, end: ArrayLike) -> NDArray[np.float64]:
    """Return (..., 2) centre and length of spans, both in 0..1.

    ``centre = (start + end) / 2 / 104`` and ``length = (end - start + 1) / 105``: the centre is a
    position between bar 0 and bar 104, the length a number of bars out of 105.

    >>> encode_pointers(0, 104).tolist()
    [0.5, 1.0]
    """
    start, end = np.asarray(start, float), np.asarray(end, float)
    center_norm = (start + end) / 2 / (WINDOW_LENGTH - 1)
    length_norm = (end - start + 1) / WINDOW_LENGTH
    return np.stack([center_norm, length_norm], axis=-1)


def decode_pointers(pointers: ArrayLike) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return inclusive start and end bars of (..., 2) pointers; exact for every legal span.

    Lengths are rounded first, so that centre and length can never disagree by half a bar;
    predictions that leave the window are cut at its borders.

    >>> [int(edge) for edge in decode_pointers(encode_pointers(50, 65))]
    [50, 65]
    """
    pointers = np.asarray(pointers, float)
    length_bars = np.clip(np.rint(pointers[..., 1] * WINDOW_LENGTH), 1, WINDOW_LENGTH)
    start = np.rint(pointers[..., 0] * (WINDOW_LENGTH - 1) - (length_bars - 1) / 2)
    end = start + length_bars - 1
    last = WINDOW_LENGTH - 1
    return np.clip(start, 0, last).astype(np.int64), np.clip(end, 0, last).astype(np.int64)
