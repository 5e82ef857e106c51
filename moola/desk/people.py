"""What other people, and a person's own second judgements, say about the windows."""

from __future__ import annotations

import threading
from collections.abc import Collection, Mapping

from moola import second_look
from moola.desk.board import Board
from moola.schema import ReviewMode, Standing
from moola.store import CATCH, REPEAT, Judgement, LabelStore


def layer_of(annotator: str, mode: ReviewMode) -> str:
    """Return where a decision of a person is kept.

    A second judgement stands beside the first. What is said in a catch trial is said about a
    proposal that was moved on purpose: it counts for trust and never as a label.
    """
    return annotator + {"repeat": REPEAT, "catch": CATCH}.get(mode, "")


def mode_of(layer: str, mode: ReviewMode = "normal") -> ReviewMode:
    """Return the mode in which a layer is shown; `mode` for a person's own."""
    if layer.endswith(REPEAT):
        return "repeat"
    return "catch" if layer.endswith(CATCH) else mode


class Judgements:
    """Every layer's decided windows, brought up to date like a board."""

    def __init__(self, store: LabelStore) -> None:
        self._store = store
        self._by_window: dict[str, list[Judgement]] = {}
        self._standing: dict[str, Standing] = {}
        self._version = -1
        self._lock = threading.Lock()

    def refresh(self, board: Board) -> None:
        """Bring the judgements up to date; the board knows which windows share bars."""
        with self._lock:
            version = self._store.version()
            if version == self._version:
                return
            touched = board.touched_since(self._version) if self._version >= 0 else None
            if touched is None:
                self._by_window = {}
            for uid in touched or ():
                self._by_window.pop(uid, None)
            for item in self._store.judgements(uids=None if touched is None else sorted(touched)):
                self._by_window.setdefault(item.window_uid, []).append(item)
            self._restand(touched)
            self._version = version

    def standing(self) -> Mapping[str, Standing]:
        """Return where the windows stand that somebody has judged."""
        return self._standing

    def decided_in(self, layer: str) -> frozenset[str]:
        """Return the windows that a layer has decided."""
        return frozenset(item.window_uid for item in self.of_layer(layer))

    def of_layer(self, layer: str) -> list[Judgement]:
        """Return what a layer has decided."""
        every = list(self._by_window.values())
        return [item for items in every for item in items if item.layer == layer]

    def _restand(self, touched: Collection[str] | None) -> None:
        """Work out anew where the touched windows stand; all of them without a list."""
        standing = {} if touched is None else dict(self._standing)
        for uid in self._by_window if touched is None else touched:
            judged = {item.layer: item for item in self._by_window.get(uid, ())}
            now = second_look.standing_of(judged)
            standing.pop(uid, None)
            if now is not None:
                standing[uid] = now
        self._standing = standing
