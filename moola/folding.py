"""Folds in blocks of time, with what lies too near to a held-out block left out of training.

Windows that share bars form a group (`moola.splits`), but proposals on continuous bars overlap in
long chains, and whole chains make coarse folds. Here every series is cut into one block of time per
fold instead, where the gap between windows is widest, and windows near a held-out block are purged:

- within 105 bars plus the longest look-back of the features (`PURGE_BARS`) on either side,
- within a trading day after it (the embargo: volatility and news outlast a window),
- and wherever else the same bars turn up, such as in a second import of the same file.

Source: M. Lopez de Prado, Advances in Financial Machine Learning (2018), section 7.4.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from moola.exceptions import SchemaError
from moola.features import LOOKBACK_BARS
from moola.schema import WINDOW_LENGTH
from moola.splits import content_holders, shared_bar_groups

PURGE_BARS = WINDOW_LENGTH + LOOKBACK_BARS
DAY_S = 24 * 3600.0
EMBARGO_S = DAY_S
_FIRST_MONDAY_S = 4 * DAY_S
"""1970-01-05 in seconds since 1970."""
EMBARGO_BARS = 24 * 60
"""The embargo where times are unknown: no day has more one-minute bars."""
LEAST_PART = 0.5
"""Part of the other windows that should stay for training; a few hours of labels are one day."""

Mask = NDArray[np.bool_]


@dataclass(frozen=True, kw_only=True, eq=False)
class Places:
    """Where N rows of examples lie; rows of one window lie in the same place."""

    series_id: NDArray[np.str_]  # (N,)
    bar_start: NDArray[np.int64]  # (N,)
    ohlc: NDArray[np.float64]  # (N, 105, 4)
    start_s: NDArray[np.float64]  # (N,) time of bar 0 in seconds, NaN where unknown

    def __len__(self) -> int:
        return len(self.series_id)


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


def assign_folds(places: Places, n_folds: int, *, seed: int) -> NDArray[np.int64]:
    """Return (N,) fold of each row, 0..n_folds-1, the same for equal arguments.

    A series with at least two windows a fold is cut into blocks of time. Windows of shorter series
    are dealt out by groups, so that windows that share bars stay together.

    Raises
    ------
    SchemaError
        If there are fewer windows that share no bars than folds, and no series is long enough.
    """
    rng = np.random.default_rng(seed)
    fold = np.full(len(places), -1)
    short = np.zeros(len(places), bool)
    for series in np.unique(places.series_id):
        here = np.flatnonzero(places.series_id == series)
        starts = np.unique(places.bar_start[here])
        if len(starts) < 2 * n_folds:
            short[here] = True
            continue
        borders = starts[_borders(starts, n_folds)]
        block = np.searchsorted(borders, places.bar_start[here], side="right")
        fold[here] = rng.permutation(n_folds)[block]
    if short.any():
        fold[short] = _dealt(places, np.flatnonzero(short), n_folds, rng)
    found = len(np.unique(fold))
    if found < n_folds:
        raise SchemaError(
            f"{n_folds} folds need as many windows that share no bars, or a series with at least "
            f"{2 * n_folds} windows. Found {found}; label more windows, or ask for fewer folds."
        )
    return fold


def _borders(starts: NDArray[np.int64], n_folds: int) -> list[int]:
    """Return the index of each block's first window: near equal parts, at the widest gap there."""
    gaps = np.diff(starts, prepend=starts[0])
    slack = len(starts) // (4 * n_folds)
    borders = []
    for number in range(1, n_folds):
        middle = round(number * len(starts) / n_folds)
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


def near_rows(places: Places, is_val: Mask, *, purge_bars: int = PURGE_BARS) -> Mask:
    """Return (N,) rows outside `is_val` that are within the purge of it, or hold the same bars."""
    near = _distance(places, is_val, places.bar_start.astype(float), both=True) < purge_bars
    for rows in content_holders(places.ohlc):
        if is_val[rows].any():
            near[rows] = True
    return near & ~is_val


def after_rows(places: Places, is_val: Mask) -> Mask:
    """Return (N,) rows outside `is_val` that start within a trading day after a row of it."""
    by_time = _distance(places, is_val, without_weekends(places.start_s), both=False) < EMBARGO_S
    by_bar = _distance(places, is_val, places.bar_start.astype(float), both=False) < EMBARGO_BARS
    return np.where(np.isnan(places.start_s), by_bar, by_time) & ~is_val


def without_weekends(time_s: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return times in seconds in which Saturday and Sunday (UTC) take none.

    Monday's bars follow Friday's, so that a weekend does not use up the embargo. Bars of a market
    that knows no weekend come closer to each other, which only leaves more of them out.
    """
    week, rest = np.divmod(time_s - _FIRST_MONDAY_S, 7 * DAY_S)
    return week * 5 * DAY_S + np.minimum(rest, 5 * DAY_S)


def _distance(
    places: Places, is_val: Mask, axis: NDArray[np.float64], *, both: bool
) -> NDArray[np.float64]:
    """Return (N,) distance on `axis` to the nearest row of `is_val` in the same series.

    Without `both` only rows of `is_val` before a row count, so that it looks back.
    """
    distance = np.full(len(places), np.inf)
    for series in np.unique(places.series_id[is_val]):
        here = np.flatnonzero((places.series_id == series) & ~np.isnan(axis))
        held = np.sort(axis[here][is_val[here]])
        if not len(held):
            continue
        index = np.searchsorted(held, axis[here], side="right")
        before = np.where(index > 0, axis[here] - held[np.maximum(index - 1, 0)], np.inf)
        ahead = np.where(index < len(held), held[np.minimum(index, len(held) - 1)], np.inf)
        distance[here] = np.minimum(before, ahead - axis[here]) if both else before
    return distance


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

    Every row is held out exactly once a seed.
    """
    repeats = []
    for seed in seeds:
        fold = assign_folds(places, n_folds, seed=seed)
        repeats.append([split(places, fold == number) for number in range(n_folds)])
    return repeats


def smallest_distance_bars(places: Places, is_val: Mask, trains: Mask) -> int | None:
    """Return the fewest bars between the starts of a training and a held-out window of a series."""
    bars = _distance(places, is_val, places.bar_start.astype(float), both=True)[trains]
    return int(bars.min()) if len(bars) and np.isfinite(bars).any() else None
