"""Which bars an encoder was pretrained on, known by their content.

A fingerprint stands for five consecutive bars. The bars of a feed that was imported twice, or of a
window that came alone in a label file, have the same fingerprints as the feed they were cut from.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

SEEN_FILE = "seen_bars.json"
"""In the folder of a pretraining run."""
RUN_BARS = 5
"""Bars of a fingerprint: single bars repeat by chance."""
NOTHING_MOVED = 0
"""Fingerprint of bars that are all flat, which say nothing about where they come from."""
_ODD = np.random.default_rng(105).integers(1, 2**63, (RUN_BARS, 4), np.uint64) * np.uint64(2) + 1


def fingerprints(ohlc: NDArray[np.float64]) -> NDArray[np.int64]:
    """Return (N - 4,) one number for each run of five of (N, 4) bars."""
    bars = np.ascontiguousarray(ohlc, np.float64) + 0.0  # one zero
    if len(bars) < RUN_BARS:
        return np.empty(0, np.int64)
    bits = _mixed(bars.view(np.uint64))
    n = len(bars) - RUN_BARS + 1
    total = np.zeros(n, np.uint64)
    for place, factors in enumerate(_ODD):
        total += (bits[place : place + n] * factors).sum(axis=1, dtype=np.uint64)
    moved = np.lib.stride_tricks.sliding_window_view(bars[:, 1] > bars[:, 2], RUN_BARS).any(axis=1)
    return np.where(moved, _mixed(total).view(np.int64), NOTHING_MOVED)


def _mixed(values: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Return the numbers with every bit spread over all others (the finaliser of splitmix64)."""
    values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return values ^ (values >> np.uint64(31))


def print_set(windows: Iterable[NDArray[np.float64]]) -> NDArray[np.int64]:
    """Return the sorted fingerprints of several stretches of bars, each once."""
    found = [fingerprints(bars) for bars in windows]
    prints = np.unique(np.concatenate([np.empty(0, np.int64), *found]))
    return prints[prints != NOTHING_MOVED]


@dataclass(frozen=True, slots=True)
class Seen:
    """Bars ``first..last`` of a series, both inclusive, and the hash of that series' content."""

    series_id: str
    content_hash: str
    first: int
    last: int


@dataclass(frozen=True, eq=False)
class SeenBars:
    """The bars that a pretraining run has seen: by place for people, by content for checks."""

    places: tuple[Seen, ...]
    prints: NDArray[np.int64]  # sorted

    @property
    def n_bars(self) -> int:
        """Number of bars."""
        return sum(place.last - place.first + 1 for place in self.places)

    def n_bars_in(self, ohlc: NDArray[np.float64]) -> NDArray[np.int64]:
        """Return (W,) how many bars of each window of (W, T, 4) prices were seen."""
        return np.array([self._covered(window).sum() for window in ohlc], np.int64)

    def _covered(self, bars: NDArray[np.float64]) -> NDArray[np.bool_]:
        """Return (T,) whether a bar stands in five that were seen."""
        covered = np.zeros(len(bars), bool)
        own = fingerprints(bars)
        place = np.searchsorted(self.prints, own)  # np.isin would sort all prints for each window
        known = np.append(self.prints, NOTHING_MOVED)[place] == own
        for first in np.flatnonzero(known & (own != NOTHING_MOVED)):
            covered[first : first + RUN_BARS] = True
        return covered

    def to_dict(self) -> dict[str, Any]:
        """Return plain values and one array."""
        return {"places": [asdict(place) for place in self.places], "prints": self.prints}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """Make the record of what `to_dict` returned; the array may be a tensor by now."""
        prints: ArrayLike = values["prints"]
        places = tuple(Seen(**place) for place in values["places"])
        return cls(places, np.asarray(prints, np.int64))
