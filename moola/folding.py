"""Folds in blocks of time, with what lies too near to a held-out block left out of training.

Windows that share bars form a group (`moola.splits`), but proposals on continuous bars overlap in
long chains, and whole chains make coarse folds. Here every series is cut into one block of time per
fold instead, where the gap between windows is widest, and windows near a held-out block are purged
(`moola.purging`). NQ and ES share the market's move, so series that lie within a trading day of
each other are cut at the same times.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from moola.exceptions import SchemaError
from moola.purging import EMBARGO_S, Mask, Places, after_rows, near_rows, without_weekends
from moola.splits import shared_bar_groups

LEAST_PART = 0.5
"""Part of the other windows that should stay for training; a few hours of labels are one day."""


@dataclass(frozen=True, eq=False)
class Split:
    """Which rows are held out, which train; the others are purged, and the note says what gave."""

    is_val: Mask  # (N,)
    trains: Mask  # (N,)
    note: str = ""

    @property
    def n_purged(self) -> int:
        """Rows that lie too near to a held-out one."""
        return int((~self.is_val & ~self.trains).sum())


def assign_folds(
    places: Places, n_folds: int, *, seed: int, shift: float = 0.0
) -> NDArray[np.int64]:
    """Return (N,) fold of each row, 0..n_folds-1, the same for equal arguments.

    Series of one clock with at least two windows a fold are cut into blocks of time, all at the
    same times. Other windows are dealt out by groups, so that those that share bars stay together.

    Parameters
    ----------
    shift
        Part of a block, 0..1, by which all borders lie later; what then comes before the first
        block is of the last one's fold.

    Raises
    ------
    SchemaError
        If there are fewer windows that share no bars than folds, and no series is long enough.
    """
    rng = np.random.default_rng(seed)
    fold = np.full(len(places), -1)
    short = np.zeros(len(places), bool)
    for rows in _clocks(places):
        alone = len(np.unique(places.series_id[rows])) == 1
        axis = (places.bar_start if alone else places.times.start_s)[rows]
        starts = np.unique(axis)
        if len(starts) < 2 * n_folds:
            short[rows] = True
            continue
        borders = starts[_borders(starts, n_folds, shift)]
        block = np.searchsorted(borders, axis, side="right") % n_folds
        fold[rows] = rng.permutation(n_folds)[block]
    if short.any():
        fold[short] = _dealt(places, np.flatnonzero(short), n_folds, rng)
    found = len(np.unique(fold))
    if found < n_folds:
        raise SchemaError(
            f"{n_folds} folds need as many windows that share no bars, or a series with at least "
            f"{2 * n_folds} windows. Found {found}; label more windows, or ask for fewer folds."
        )
    return fold


def _clocks(places: Places) -> list[NDArray[np.int64]]:
    """Return the rows of each set of series that are cut at the same times.

    Series without times stand alone, as do those more than an embargo away from all others.
    """
    clocks: list[NDArray[np.int64]] = []
    spans: list[tuple[float, float, NDArray[np.int64]]] = []
    for series in np.unique(places.series_id):
        rows = np.flatnonzero(places.series_id == series)
        if places.is_timed[rows[0]]:
            start_s = without_weekends(places.times.start_s[rows])
            spans.append((float(start_s.min()), float(start_s.max()), rows))
        else:
            clocks.append(rows)
    until = -np.inf
    for first, last, rows in sorted(spans, key=lambda span: span[:2]):
        if first < until:
            clocks[-1] = np.concatenate([clocks[-1], rows])
        else:
            clocks.append(rows)
        until = max(until, last + EMBARGO_S)
    return clocks


def _borders(starts: NDArray[Any], n_folds: int, shift: float) -> list[int]:
    """Return the index of each block's first window: near equal parts, at the widest gap there."""
    gaps = np.diff(starts, prepend=starts[0])
    slack = len(starts) // (4 * n_folds)
    borders = []
    for number in range(0 if shift else 1, n_folds):
        middle = round((number + shift) * len(starts) / n_folds)
        near = np.arange(max(middle - slack, 1), min(middle + slack + 1, len(starts)))
        borders.append(int(near[np.lexsort((np.abs(near - middle), -gaps[near]))[0]]))
    return borders


def _dealt(
    places: Places, rows: NDArray[np.int64], n_folds: int, rng: np.random.Generator
) -> NDArray[np.int64]:
    """Deal groups out in random order, each to the fold that has the fewest rows by then."""
    group = shared_bar_groups(places.series_id[rows], places.bar_start[rows], places.ohlc[rows])
    counts = np.bincount(group)
    of_group, filled = np.empty(len(counts), np.int64), np.zeros(n_folds)
    for index in rng.permutation(len(counts)):
        of_group[index] = filled.argmin()
        filled[of_group[index]] += counts[index]
    return of_group[group]


def split(places: Places, is_val: Mask) -> Split:
    """Return `is_val` with the rows that may train beside it.

    The embargo gives way where it would leave less than half of the other rows, which is so when
    all labels are of a day or two; the purge never does.
    """
    near, same_day = near_rows(places, is_val), after_rows(places, is_val)
    trains = ~is_val & ~near & ~same_day
    if trains.sum() >= LEAST_PART * (~is_val).sum():
        return Split(is_val, trains)
    note = (
        "No embargo: a trading day around the held-out windows would leave "
        f"{trains.sum()} of {(~is_val).sum()} windows for training."
    )
    return Split(is_val, ~is_val & ~near, note)


def hold_out_block(places: Places, *, val_fraction: float, seed: int) -> Split:
    """Return a split that holds out one block of time of each series, drawn by `seed`."""
    for n_folds in range(max(2, round(1 / val_fraction)), 1, -1):
        try:
            fold = assign_folds(places, n_folds, seed=seed)
        except SchemaError:
            continue  # a handful of windows: fewer and larger parts
        return split(places, fold == np.random.default_rng([seed, n_folds]).integers(n_folds))
    raise SchemaError(
        "Training needs at least two windows that share no bars, one to learn from and one to "
        f"check on. Found {len(places)} rows that all hang together."
    )


def repeated_folds(places: Places, n_folds: int, *, seeds: list[int]) -> list[list[Split]]:
    """Return the splits of repeated cross-validation: one list of folds a seed.

    Every row is held out exactly once a seed. The blocks of each seed begin elsewhere.
    """
    repeats = []
    for number, seed in enumerate(seeds):
        fold = assign_folds(places, n_folds, seed=seed, shift=number / len(seeds))
        repeats.append([split(places, fold == number) for number in range(n_folds)])
    return repeats
