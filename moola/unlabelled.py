"""Find the bars that nobody has labelled, far enough from those that somebody has."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from moola.bars import BarStore
from moola.exceptions import SchemaError
from moola.features import LOOKBACK_BARS
from moola.gathering import gather
from moola.proposals import RuleParams, run_starts
from moola.schema import OPEN_STATES, WINDOW_LENGTH
from moola.seen_bars import RUN_BARS, Seen, fingerprints, print_set
from moola.store import LabelStore, Series

PURGE_BARS = WINDOW_LENGTH + LOOKBACK_BARS
"""Bars kept away from a labelled window: no window, and no look-back of one, may touch it."""
LEAST_BARS = 2 * WINDOW_LENGTH + LOOKBACK_BARS
"""A shorter stretch has hardly a place for a window."""


@dataclass(frozen=True, eq=False)
class Stretch:
    """Unlabelled bars ``first..first + N - 1`` of a series."""

    series: Series
    first: int
    ohlc: NDArray[np.float64]  # (N, 4)
    run_start: NDArray[np.int64]  # (N,) first bar of the unbroken run, counted in the stretch

    def __len__(self) -> int:
        return len(self.ohlc)

    def seen(self) -> Seen:
        """Return where the bars are."""
        last = self.first + len(self) - 1
        return Seen(self.series.series_id, self.series.content_hash, self.first, last)

    def part(self, first: int, stop: int) -> Stretch:
        """Return the bars ``first..stop - 1`` of the stretch as one of its own."""
        runs = np.maximum(self.run_start[first:stop] - first, 0)
        return Stretch(self.series, self.first + first, self.ohlc[first:stop], runs)


@dataclass(frozen=True, eq=False)
class _Labelled:
    """One labelled window: where it is, and its bars."""

    series_id: str
    bar_start: int
    ohlc: NDArray[np.float64]


def unlabelled_stretches(
    names: Sequence[str], data: Path | None, *, store: LabelStore, bar_store: BarStore
) -> list[Stretch]:
    """Return the stretches of bars at least `PURGE_BARS` away from every labelled window.

    Labelled is what somebody decided in the store, whatever the decision, and every window of
    `data`. Windows are found by their place and by their content, since the same bars may have
    been imported twice.

    Parameters
    ----------
    names
        Series ids or symbols to look in; without any, all series of the store.
    data
        A label file or a release, beside the store.

    Raises
    ------
    SchemaError
        If nothing is left.
    """
    feeds = [series for series in store.series() if series.kind == "feed"]
    chosen = [store.find_series(name) for name in names] or feeds
    labelled = _labelled(data, store=store, bar_store=bar_store)
    prints = print_set(window.ohlc for window in labelled)
    found: list[Stretch] = []
    for series in chosen:
        ohlc = bar_store.ohlc(series.content_hash)
        here = [window.bar_start for window in labelled if window.series_id == series.series_id]
        found += _stretches(series, ohlc, _free(ohlc, here, prints), bar_store)
    if not found:
        raise SchemaError(
            f"Pretraining needs at least {LEAST_BARS} bars in a row that are {PURGE_BARS} bars "
            f"away from every labelled window. Found none in {len(chosen)} series; import more "
            "bars."
        )
    return found


def _labelled(data: Path | None, *, store: LabelStore, bar_store: BarStore) -> list[_Labelled]:
    hashes = {series.series_id: series.content_hash for series in store.series()}
    standings = store.standings()
    decided = [view for view in standings.views if view.state not in OPEN_STATES]
    disputed = store.windows(uids=standings.disputed) if standings.disputed else []
    places = [(window.series_id, window.bar_start) for window in (*decided, *disputed)]
    found = [
        _Labelled(series_id, start, bar_store.ohlc(hashes[series_id])[start:][:WINDOW_LENGTH])
        for series_id, start in places
    ]
    if data is not None:
        gathered = gather(data, "all", store=store, bar_store=bar_store)
        for window in gathered.windows:
            ohlc = gathered.ohlc_of(window.series_id)[window.bar_start :][:WINDOW_LENGTH]
            found.append(_Labelled(window.series_id, window.bar_start, ohlc))
    return found


def _free(
    ohlc: NDArray[np.float64], starts: Iterable[int], prints: NDArray[np.int64]
) -> NDArray[np.bool_]:
    """Return (N,) whether a bar is far enough from every labelled one."""
    edges = np.zeros(len(ohlc) + 1, np.int64)  # +1 where a kept-out range begins, -1 after it

    def keep_out(first: NDArray[np.int64], n_bars: int) -> None:
        np.add.at(edges, np.maximum(first - PURGE_BARS, 0), 1)
        np.add.at(edges, np.minimum(first + n_bars + PURGE_BARS, len(ohlc)), -1)

    keep_out(np.array(list(starts), np.int64), WINDOW_LENGTH)
    keep_out(np.flatnonzero(np.isin(fingerprints(ohlc), prints)), RUN_BARS)
    return np.cumsum(edges)[:-1] == 0


def _stretches(
    series: Series, ohlc: NDArray[np.float64], free: NDArray[np.bool_], bar_store: BarStore
) -> list[Stretch]:
    """Return the runs of free bars that are long enough."""
    borders = np.flatnonzero(np.diff(np.r_[False, free, False])).reshape(-1, 2)
    borders = borders[borders[:, 1] - borders[:, 0] >= LEAST_BARS]
    if not len(borders):
        return []
    times = bar_store.read(series.content_hash)["timestamp"]
    runs = run_starts(len(ohlc), times, RuleParams.gap_bars)
    whole = Stretch(series, 0, ohlc, runs)
    return [whole.part(first, stop) for first, stop in borders.tolist()]
