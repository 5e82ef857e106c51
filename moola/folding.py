"""Folds in blocks of time, with what lies too near to a held-out block left out of training.

Windows that share bars form a group (`moola.splits`), but proposals on continuous bars overlap in
long chains, and whole chains make coarse folds. Here every series is cut into one block of time per
fold instead, where the gap between windows is widest, and windows near a held-out block are purged:

- within 105 bars plus the longest look-back of the features (`PURGE_BARS`) on either side,
- in other series, where training could see the minutes of a held-out window: NQ and ES share the
  market's move, so series that lie within a trading day of each other are cut at the same times,
- within a trading day after it in any series (the embargo: volatility and news outlast a window),
- and wherever else the same bars turn up, such as in a second import of the same file.

Bars that carry no time can be compared with those of other series by their content alone.

Source: M. Lopez de Prado, Advances in Financial Machine Learning (2018), section 7.4.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from moola.examples import Times
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
    times: Times

    def __len__(self) -> int:
        return len(self.series_id)

    @cached_property
    def is_timed(self) -> Mask:
        """(N,) whether the bars of a row carry times."""
        return ~np.isnan(self.times.start_s)

    @cached_property
    def content_holders(self) -> list[list[int]]:
        """Rows that hold the same bars; all windows are hashed for it, so once for all folds."""
        return content_holders(self.ohlc)


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


def near_rows(places: Places, is_val: Mask, *, purge_bars: int = PURGE_BARS) -> Mask:
    """Return (N,) rows outside `is_val` that are within the purge of it, or hold the same bars."""
    near = sharing_rows(places, is_val, within_bars=purge_bars) | same_time_rows(places, is_val)
    return near & ~is_val


def sharing_rows(places: Places, rows: Mask, *, within_bars: int = WINDOW_LENGTH) -> Mask:
    """Return (N,) rows that share a bar with one of `rows`, by place or by content.

    With more than a window's length in `within_bars`, also those that come as near as that.
    """
    bar_start = places.bar_start.astype(float)
    sharing = _distance(places.series_id, rows, bar_start, both=True) < within_bars
    for holders in places.content_holders:
        if rows[holders].any():
            sharing[holders] = True
    return sharing


def same_time_rows(places: Places, is_val: Mask) -> Mask:
    """Return (N,) rows outside `is_val` that may see minutes of a row of it in another series."""
    first_s, last_s = places.times.first_s, places.times.last_s
    same = np.zeros(len(places), bool)
    for series in np.unique(places.series_id[places.is_timed & ~is_val]):
        here = places.series_id == series
        held = np.flatnonzero(is_val & places.is_timed & ~here)
        held = held[np.argsort(first_s[held])]
        # Of the held-out rows that begin before a row ends, the one that ends last decides.
        until = np.concatenate([[-np.inf], np.maximum.accumulate(last_s[held])])
        same[here] = until[np.searchsorted(first_s[held], last_s[here])] > first_s[here]
    return same & ~is_val


def after_rows(places: Places, is_val: Mask) -> Mask:
    """Return (N,) rows outside `is_val` that start within a trading day after a row of it."""
    one_clock = np.zeros(len(places), np.int64)  # a day is a day in every series
    time_s = without_weekends(places.times.start_s)
    by_time = _distance(one_clock, is_val, time_s, both=False) < EMBARGO_S
    bar_start = places.bar_start.astype(float)
    by_bar = _distance(places.series_id, is_val, bar_start, both=False) < EMBARGO_BARS
    return np.where(places.is_timed, by_time, by_bar) & ~is_val


def without_weekends(time_s: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return times in seconds in which Saturday and Sunday (UTC) take none.

    Monday's bars follow Friday's, so that a weekend does not use up the embargo. Bars of a market
    that knows no weekend come closer to each other, which only leaves more of them out.
    """
    week, rest = np.divmod(time_s - _FIRST_MONDAY_S, 7 * DAY_S)
    return week * 5 * DAY_S + np.minimum(rest, 5 * DAY_S)


def _distance(
    place: NDArray[Any], is_val: Mask, axis: NDArray[np.float64], *, both: bool
) -> NDArray[np.float64]:
    """Return (N,) distance on `axis` to the nearest row of `is_val` in the same place.

    Without `both` only rows of `is_val` before a row count, so that it looks back.
    """
    distance = np.full(len(place), np.inf)
    for one in np.unique(place[is_val]):
        here = np.flatnonzero((place == one) & ~np.isnan(axis))
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

    Every row is held out exactly once a seed. The blocks of each seed begin elsewhere.
    """
    repeats = []
    for number, seed in enumerate(seeds):
        fold = assign_folds(places, n_folds, seed=seed, shift=number / len(seeds))
        repeats.append([split(places, fold == number) for number in range(n_folds)])
    return repeats


def smallest_distance_bars(places: Places, is_val: Mask, trains: Mask) -> int | None:
    """Return the fewest bars between the starts of a training and a held-out window of a series."""
    bar_start = places.bar_start.astype(float)
    bars = _distance(places.series_id, is_val, bar_start, both=True)[trains]
    return int(bars.min()) if len(bars) and np.isfinite(bars).any() else None


def n_at_held_out_times(places: Places, is_val: Mask, trains: Mask) -> int | None:
    """Return how many training rows may see minutes of a held-out row of another series.

    None where no two series carry times.
    """
    if len(np.unique(places.series_id[places.is_timed])) < 2:
        return None
    return int((same_time_rows(places, is_val) & trains).sum())


def n_without_time(places: Places) -> int:
    """Return how many rows can be compared with other series by their bars alone."""
    return 0 if len(np.unique(places.series_id)) < 2 else int((~places.is_timed).sum())
