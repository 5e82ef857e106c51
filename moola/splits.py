"""Train/validation splits in which no bar stands on both sides.

Windows that share bars form one group; a group never splits. Windows of one series share bars
when their views overlap. Windows of different series are compared by content, since the same bars
may have been imported twice or re-cut by an unknown offset.
"""

from __future__ import annotations

import itertools

import numpy as np
from numpy.typing import NDArray

from moola.exceptions import SchemaError
from moola.schema import WINDOW_LENGTH
from moola.seen_bars import NOTHING_MOVED, fingerprints

IDENTICAL_RUN_BARS = 5
"""Shortest run of identical bars that counts as shared: single bars repeat by chance."""


def shared_bar_groups(
    series_id: NDArray[np.str_], bar_start: NDArray[np.int64], ohlc: NDArray[np.float64]
) -> NDArray[np.int64]:
    """Return (N,) group numbers; windows with a bar in common have the same number.

    Parameters
    ----------
    series_id, bar_start
        (N,) series of each window and the sequence number of its first bar.
    ohlc
        (N, 105, 4) prices.
    """
    leader = np.arange(len(series_id))

    def find(row: int) -> int:
        while leader[row] != row:
            leader[row] = leader[leader[row]]
            row = leader[row]
        return row

    for rows in _rows_that_share(series_id, bar_start, ohlc):
        first = find(rows[0])
        for row in rows[1:]:
            leader[find(row)] = first
    roots = np.array([find(row) for row in range(len(leader))], dtype=np.int64)
    return np.unique(roots, return_inverse=True)[1].astype(np.int64)


def _rows_that_share(
    series_id: NDArray[np.str_], bar_start: NDArray[np.int64], ohlc: NDArray[np.float64]
) -> list[list[int]]:
    """Return lists of rows that share bars, by position in a series and by content."""
    shared: list[list[int]] = []
    order = np.lexsort((bar_start, series_id))
    for before, after in itertools.pairwise(order):
        same_series = series_id[before] == series_id[after]
        if same_series and bar_start[after] - bar_start[before] < WINDOW_LENGTH:
            shared.append([int(before), int(after)])
    return [*shared, *content_holders(ohlc)]


def content_holders(ohlc: NDArray[np.float64]) -> list[list[int]]:
    """Return for each run of bars that several of (N, 105, 4) windows hold the rows that do."""
    prints = np.array([fingerprints(window) for window in ohlc], np.int64).ravel()
    row = np.repeat(np.arange(len(ohlc)), len(prints) // max(len(ohlc), 1))
    order = np.argsort(prints, kind="stable")  # rows of one print stay in order
    order = order[prints[order] != NOTHING_MOVED]
    borders = np.flatnonzero(np.diff(prints[order])) + 1
    parts = [part for part in np.split(order, borders) if len(part) > 1]
    holders = [np.unique(row[part]) for part in parts]
    return [rows.tolist() for rows in holders if len(rows) > 1]


def _runs_of_bars(window: NDArray[np.float64]) -> list[bytes]:
    """Return the content of every run of bars in which at least one bar moved."""
    moved = window[:, 1] > window[:, 2]
    return [
        np.ascontiguousarray(window[first : first + IDENTICAL_RUN_BARS]).tobytes()
        for first in range(len(window) - IDENTICAL_RUN_BARS + 1)
        if moved[first : first + IDENTICAL_RUN_BARS].any()
    ]


def hold_out(group: NDArray[np.int64], *, val_fraction: float, seed: int) -> NDArray[np.bool_]:
    """Return (N,) True for validation rows: whole groups, as close to the fraction as they allow.

    Groups are drawn in random order and taken while they bring the share closer to the fraction;
    where every group is too large for that, the smallest is taken.

    Raises
    ------
    SchemaError
        If there are fewer than two groups: nothing could be held out.
    """
    groups, counts = np.unique(group, return_counts=True)
    if len(groups) < 2:
        raise SchemaError(
            "Training needs at least two windows that share no bars, one to learn from and one "
            f"to check on. Found {len(group)} rows in {len(groups)} group(s)."
        )
    wanted = val_fraction * len(group)
    order = np.random.default_rng(seed).permutation(len(groups))
    taken, n_taken = [], 0
    for index in order[:-1]:
        if abs(n_taken + counts[index] - wanted) < abs(n_taken - wanted):
            taken.append(groups[index])
            n_taken += counts[index]
    return np.isin(group, taken or [groups[counts.argmin()]])


def check_no_leak(
    series_id: NDArray[np.str_],
    bar_start: NDArray[np.int64],
    ohlc: NDArray[np.float64],
    is_val: NDArray[np.bool_],
) -> None:
    """Raise `SchemaError` if a bar stands on both sides; checks the bars, not the groups."""
    bars = bar_start[:, None] + np.arange(WINDOW_LENGTH)
    for series in np.unique(series_id):
        here = series_id == series
        common = np.intersect1d(bars[here & is_val], bars[here & ~is_val])
        if len(common):
            raise SchemaError(
                "No bar should stand in both training and validation. "
                f"Found {len(common)} bars of {series} on both sides, the first is bar {common[0]}."
            )
    train = {content for window in ohlc[~is_val] for content in _runs_of_bars(window)}
    for row in np.flatnonzero(is_val):
        if any(content in train for content in _runs_of_bars(ohlc[row])):
            raise SchemaError(
                "No bar should stand in both training and validation. Found identical bars of "
                f"window {bar_start[row]} of {series_id[row]} among the training windows."
            )
