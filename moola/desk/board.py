"""Every window as one person sees it, kept in memory and brought up to date by the store's log.

Reading 20,000 windows takes more than a second; one decision touches a handful of them. A board
reads all of them once and, after that, only those that the events since then can have changed.
"""

from __future__ import annotations

import threading
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable
from itertools import islice

from moola.schema import WINDOW_LENGTH
from moola.store import Event, LabelStore, Series, WindowView

MOST_EVENTS, MOST_TOUCHED = 500, 200
"""More than so many at once are read anew as a whole: that is faster."""
RESHAPING = frozenset({"series", "window", "window_alias", "proposal"})
"""Tables whose rows decide which windows there are and in which order they come."""


class Board:
    """The windows of a store by series and bar, as the layer of `annotator` has them."""

    def __init__(self, store: LabelStore, annotator: str) -> None:
        self.annotator = annotator
        self.version = -1
        self.shape = 0
        """Grows whenever windows or proposals are added: orders made before are then void."""
        self.views: dict[str, WindowView] = {}
        self.series: dict[str, Series] = {}
        self._store = store
        self._starts: dict[str, list[tuple[int, str]]] = {}
        self._lock = threading.Lock()

    def refresh(self) -> None:
        """Bring the board up to date with the store."""
        with self._lock:
            version = self._store.version()
            if version == self.version:
                return
            touched = self.touched_since(self.version) if self.version >= 0 else None
            if touched is None:
                self._read_all()
            elif touched:
                found = self._store.views(uids=sorted(touched), annotator=self.annotator)
                self.views.update((view.window_uid, view) for view in found)
            self.version = version

    def near(self, series_id: str, first: int, last: int) -> list[str]:
        """Return the windows of a series that show any of the bars ``first..last``."""
        starts = self._starts.get(series_id, [])
        at = bisect_left(starts, (first - WINDOW_LENGTH + 1, ""))
        stop = bisect_left(starts, (last + 1, ""))
        return [uid for _, uid in islice(starts, at, stop)]

    def touched_since(self, version: int) -> set[str] | None:
        """Return the windows that the events after `version` may have changed; None for all.

        A writer may append meanwhile: what he wrote is then read twice, and that is no harm.
        """
        events = self._store.events(after=version, limit=MOST_EVENTS)
        return None if len(events) == MOST_EVENTS else touched_by(events, self)

    def _read_all(self) -> None:
        self.series = {item.series_id: item for item in self._store.series()}
        found = self._store.views(annotator=self.annotator)
        self.views = {view.window_uid: view for view in found}
        starts: defaultdict[str, list[tuple[int, str]]] = defaultdict(list)
        for view in found:
            starts[view.series_id].append((view.bar_start, view.window_uid))
        self._starts = dict(starts)
        self.shape += 1


def touched_by(events: Iterable[Event], board: Board) -> set[str] | None:
    """Return the windows of a board whose rows some events changed; None if that is unclear."""
    touched: set[str] = set()
    for event in events:
        for change in event.payload["changes"]:
            if change["table"] in RESHAPING:
                return None
            touched |= _windows_of(change, board)
        if len(touched) > MOST_TOUCHED:
            return None
    return touched


def _windows_of(change: dict, board: Board) -> set[str]:
    rows = [row for row in (change["before"], change["after"]) if row]
    if change["table"] == "review":
        return {row["window_uid"] for row in rows}
    if change["table"] == "span":
        return {
            uid
            for row in rows
            for uid in board.near(row["series_id"], row["seq_start"], row["seq_end"])
        }
    return set()  # a rule or a release: no window looks different


class Boards:
    """The boards of the people who worked last."""

    MOST = 8

    def __init__(self, store: LabelStore) -> None:
        self._store = store
        self._boards: dict[str, Board] = {}
        self._lock = threading.Lock()

    def of(self, annotator: str) -> Board:
        """Return a person's board as the store is now."""
        with self._lock:
            board = self._boards.pop(annotator, None) or Board(self._store, annotator)
            self._boards[annotator] = board  # the one used last stands last
            while len(self._boards) > self.MOST:
                self._boards.pop(next(iter(self._boards)))
        board.refresh()
        return board
