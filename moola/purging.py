"""Where rows of examples lie, and which lie too near to held-out ones to train beside them:

- within 105 bars plus the longest look-back of the features (`PURGE_BARS`) on either side,
- in other series, where training could see the minutes of a held-out window: NQ and ES share the
  market's move,
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
from moola.features import LOOKBACK_BARS
from moola.schema import WINDOW_LENGTH
from moola.splits import content_holders

PURGE_BARS = WINDOW_LENGTH + LOOKBACK_BARS
DAY_S = 24 * 3600.0
EMBARGO_S = DAY_S
_FIRST_MONDAY_S = 4 * DAY_S
"""1970-01-05 in seconds since 1970."""
EMBARGO_BARS = 24 * 60
"""The embargo where times are unknown: no day has more one-minute bars."""

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
