"""Windows that came alone and whose bars have since arrived in a feed: find them, move them there.

``find_homes(store, bar_store)`` compares bars only; ``move_home`` moves what was said of a window,
one event each, and says which windows could not go and why.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

import pandas as pd

from moola.bars import BarStore
from moola.exceptions import StoreError
from moola.placing import Placer
from moola.store import LabelStore, Series


@dataclass(frozen=True, slots=True, kw_only=True)
class Home:
    """Where the bars of a window that came alone begin in a feed."""

    series_id: str
    name: str
    """What the series of the window is called: the file it came with."""
    feed: Series
    bar_start: int
    start_ts: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class MoveReport:
    """What moved, and what stayed for which reason."""

    n_moved: int
    n_spans: int
    stayed: tuple[str, ...]

    def __str__(self) -> str:
        text = f"{self.n_moved:,} windows moved to their feeds with {self.n_spans:,} spans"
        return "\n".join([text, *self.stayed])


def find_homes(
    store: LabelStore, bar_store: BarStore, *, progress: Callable[[float], None] | None = None
) -> list[Home]:
    """Return the windows that came alone whose bars stand in one place of a feed."""
    alone = [item for item in store.series() if item.kind == "window"]
    placer = Placer(store, bar_store)
    times: dict[str, pd.DatetimeIndex] = {}
    found: list[Home] = []
    for n, item in enumerate(alone):
        place = placer.in_feed(bar_store.ohlc(item.content_hash))
        if place is not None:
            feed = placer.known[place.series_id]
            if feed.series_id not in times:
                stamps = bar_store.read(feed.content_hash)["timestamp"]
                times[feed.series_id] = pd.DatetimeIndex(stamps)
            start = times[feed.series_id][place.bar_start]
            found.append(
                Home(
                    series_id=item.series_id,
                    name=item.symbol,
                    feed=feed,
                    bar_start=place.bar_start,
                    start_ts=start.to_pydatetime() if isinstance(start, pd.Timestamp) else None,
                )
            )
        if progress:
            progress((n + 1) / len(alone))
    return found


def move_home(homes: Sequence[Home], store: LabelStore, *, op_id: str) -> MoveReport:
    """Move the windows one by one; what contradicts the feed's own labels stays where it is."""
    n_moved = n_spans = 0
    stayed: list[str] = []
    for home in homes:
        try:
            moved = store.rehome(
                home.series_id,
                home.feed.series_id,
                home.bar_start,
                start_ts=home.start_ts,
                op_id=f"{op_id}:{home.series_id}",
            )
        except StoreError as error:
            stayed.append(f"{home.series_id} stays: {error}")
            continue
        n_moved += 1
        n_spans += moved.n_spans
    return MoveReport(n_moved=n_moved, n_spans=n_spans, stayed=tuple(stayed))
