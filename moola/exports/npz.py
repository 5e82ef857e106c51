"""Arrays to train on elsewhere: ``X[N,105,F], y, ignore, soft, group, ts`` and their names."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from moola.exports._base import ExportWindow, LabelSet, Writer, counted
from moola.exports.per_bar import ignored
from moola.features import FEATURE_NAMES, compute_features
from moola.schema import SPAN_TYPES, WINDOW_LENGTH
from moola.store import StoredSpan
from moola.tables import write_file


def write(labels: LabelSet, path: Path) -> list[str]:
    """Write one row a decided window; what carries no judgement is ignored in every bar."""
    labels.labelled()
    arrays = as_arrays(labels)
    write_file(path, lambda file: np.savez_compressed(file, allow_pickle=False, **arrays))
    cold = [window for window in labels.windows if window.is_cold]
    return counted(cold, "with too few bars before: their features start cold")


def as_arrays(labels: LabelSet) -> dict[str, NDArray[Any]]:
    """Return every array by its name in the file.

    ``y`` (N, 105) is 1 inside a span, ``soft`` the same with a linear ramp over the bars at which
    the edges may lie, ``type`` the class of each bar or -1, ``ignore`` True where nothing is known.
    """
    windows = labels.windows
    return {
        "X": _features(labels),
        "y": np.stack([_hard(window) for window in windows]),
        "soft": np.stack([soft_mask(window) for window in windows]),
        "type": np.stack([_types(window) for window in windows]),
        "ignore": np.array([ignored(window) for window in windows]),
        "group": np.array([window.group_id for window in windows]),
        "ts": np.stack([_times(window) for window in windows]),
        "cold": np.array([window.is_cold for window in windows]),
        "window_uid": np.array([window.view.window_uid for window in windows]),
        "feature_names": np.array(FEATURE_NAMES),
        "type_names": np.array(SPAN_TYPES),
    }


def soft_mask(window: ExportWindow) -> NDArray[np.float32]:
    """Return (105,) how much of each bar's doubt lies inside a span, 0..1.

    With its start anywhere in lo..hi with equal chance, a bar is inside with the share of those
    starts that are not after it; the end likewise.
    """
    mask = np.zeros(WINDOW_LENGTH, np.float32)
    for span in window.view.spans:
        np.maximum(mask, _soft_span(span), out=mask)
    return mask


def _soft_span(span: StoredSpan) -> NDArray[np.float32]:
    bar = np.arange(WINDOW_LENGTH)
    (start_lo, start_hi), (end_lo, end_hi) = span.start_range, span.end_range
    begun = np.clip((bar - start_lo + 1) / (start_hi - start_lo + 1), 0, 1)
    not_over = np.clip((end_hi - bar + 1) / (end_hi - end_lo + 1), 0, 1)
    return (begun * not_over).astype(np.float32)


def _hard(window: ExportWindow) -> NDArray[np.uint8]:
    return (_types(window) >= 0).astype(np.uint8)


def _types(window: ExportWindow) -> NDArray[np.int8]:
    kinds = np.full(WINDOW_LENGTH, -1, np.int8)
    for span in window.view.spans:
        kinds[span.start : span.end + 1] = SPAN_TYPES.index(span.type)
    return kinds


def _times(window: ExportWindow) -> NDArray[np.datetime64]:
    """Return (105,) UTC seconds; NaT where there is no time, never another one."""
    if window.times is None:
        return np.full(WINDOW_LENGTH, np.datetime64("NaT"), "datetime64[s]")
    return np.array([time.replace(tzinfo=None) for time in window.times], "datetime64[s]")


def _features(labels: LabelSet) -> NDArray[np.float32]:
    """Return (N, 105, F) features; each series is computed once, over all its bars."""
    found = {
        series_id: compute_features(labels.bar_store.ohlc(series.content_hash))
        for series_id, series in labels.series.items()
    }
    return np.stack(
        [
            found[window.view.series_id][window.view.bar_start :][:WINDOW_LENGTH]
            for window in labels.windows
        ]
    )


WRITER = Writer(key="npz", title="arrays to train on (NPZ)", suffix=".npz", write=write)
