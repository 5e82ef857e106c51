"""Folds of a sweep: blocks of time, purged, so that no trial is chosen by bars it has seen."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from moola.examples import Examples
from moola.exceptions import SchemaError
from moola.features import LOOKBACK_BARS
from moola.schema import WINDOW_LENGTH

PURGE_BARS = WINDOW_LENGTH + LOOKBACK_BARS


def time_blocks(examples: Examples, n_folds: int) -> NDArray[np.int64]:
    """Return (N,) the fold of each row: neighbours in time, and whole groups that share bars."""
    groups = np.unique(examples.group)
    if len(groups) < n_folds:
        raise SchemaError(
            f"{n_folds} folds need as many groups of windows that share bars. Found {len(groups)}."
        )
    earliest = [
        min(zip(examples.series_id[rows].tolist(), examples.bar_start[rows].tolist(), strict=True))
        for rows in (examples.group == group for group in groups)
    ]
    order = sorted(range(len(groups)), key=lambda index: earliest[index])
    counts = np.array([(examples.group == groups[index]).sum() for index in order])
    middle = np.cumsum(counts) - counts / 2
    fold_of = np.minimum((middle * n_folds / counts.sum()).astype(np.int64), n_folds - 1)
    fold = np.empty(len(examples), np.int64)
    for index, number in zip(order, fold_of, strict=True):
        fold[examples.group == groups[index]] = number
    return fold


def training_rows(examples: Examples, is_val: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return (N,) True for rows to train on: not held out, nor within 165 bars of what is."""
    near = np.zeros(len(examples), bool)
    for series in np.unique(examples.series_id[is_val]):
        own = np.flatnonzero(examples.series_id == series)
        held = np.sort(examples.bar_start[own][is_val[own]])
        place = np.searchsorted(held, examples.bar_start[own])
        for neighbour in (place - 1, place):
            valid = (neighbour >= 0) & (neighbour < len(held))
            distance = np.abs(held[np.clip(neighbour, 0, len(held) - 1)] - examples.bar_start[own])
            near[own] |= valid & (distance < PURGE_BARS)
    return ~is_val & ~near
