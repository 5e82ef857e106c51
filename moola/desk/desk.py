"""The desk of one workspace: queues, windows and operations, all of it plain data."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from datetime import datetime
from typing import Any

from moola import audit, ruling
from moola.desk import operations, overlay, progress
from moola.desk.board import Board, Boards
from moola.desk.items import Display, Item, bar_columns
from moola.desk.modes import MODES, QueueMode, Scene, is_open, ranks
from moola.desk.people import Judgements, layer_of, mode_of
from moola.desk.queue import Orders, Picked, Query, pick
from moola.exceptions import SchemaError
from moola.runs import list_runs, open_run
from moola.schema import HIDING_MODES, WINDOW_LENGTH, ReviewMode
from moola.store import CATCH, REPEAT, Answer, LabelStore, StoredSpan, WindowView
from moola.workspace import Workspace

KEYS = "keys"
MOST_CONTEXT_BARS = 2000


class Desk:
    """Everything that the desk asks of a workspace; threads may share one."""

    def __init__(self, workspace: Workspace, store: LabelStore) -> None:
        self.workspace, self.store = workspace, store
        self._boards, self._judgements, self._orders = Boards(store), Judgements(store), Orders()
        self._ranks: dict[tuple[str, int], dict[str, int]] = {}

    def queue(self, query: Query) -> dict[str, Any]:
        """Return the next windows of a queue with its counts, progress and pace."""
        board, mode = self._boards.of(query.annotator), MODES[query.mode]
        self._judgements.refresh(board)
        display = self._display(board, query.mode)
        sent = self._sent(query)
        scene, taken = self._scene(query, board, display, sent), self._taken(query.annotator)

        def passes(view: WindowView) -> bool:
            return query.filters.admits(view) and (
                not query.filters.asks_for_cell or query.filters.admits_cell(display.cell(view))
            )

        page = self._claimed(
            query, lambda rest: pick(rest, board, scene, self._orders, passes=passes, taken=taken)
        )
        views = list(board.views.values())
        in_scope = [view for view in views if passes(view)]
        wanted = [view.window_uid for view in in_scope if mode.wants(view, scene)]
        states, last = progress.counts(in_scope), progress.recent(views)
        return {
            "items": self._items(page.found, board, display, run=query.run),
            "cursor": page.cursor,
            "total": len(wanted),
            "taken": len(taken.intersection(wanted)) if mode.is_shared else 0,
            "counts": states,
            "progress": progress.progress(states),
            "audit": progress.second_look(
                sent, in_scope, wanted, is_blind=mode.review in HIDING_MODES
            ),
            "pace": progress.pace(last, len(wanted)),
            "trust": self._trust(query.annotator, last).to_json(),
            "server_ts": time.time(),
        }

    def has_open(self, annotator: str) -> bool:
        """Return whether a person has a window left to decide."""
        return any(is_open(view) for view in self._boards.of(annotator).views.values())

    def trust(self, annotator: str) -> progress.Trust:
        """Return what speaks for or against a person's accepts."""
        board = self._boards.of(annotator)
        self._judgements.refresh(board)
        return self._trust(annotator, progress.recent(board.views.values()))

    def window(
        self, name: str, annotator: str, *, mode: ReviewMode = "normal", run: str | None = None
    ) -> Item:
        """Return one window by its id or alias."""
        board = self._boards.of(annotator)
        found: list[tuple[str, ReviewMode]] = [(self.store.resolve(name), mode)]
        return self._items(found, board, self._display(board), run=run)[0]

    def context(
        self, window_uid: str, annotator: str, *, before: int, after: int
    ) -> dict[str, Any]:
        """Return a window's bars and some around it; `start` counts from the window's first bar."""
        if not (0 <= before <= MOST_CONTEXT_BARS and 0 <= after <= MOST_CONTEXT_BARS):
            raise SchemaError(
                f"before and after should be 0 to {MOST_CONTEXT_BARS} bars. "
                f"Found {before} and {after}."
            )
        view = self.store.window(window_uid, annotator=annotator)
        bars = self._display(self._boards.of(annotator)).facts(view).bars
        first = max(0, view.bar_start - before)
        columns = bar_columns(bars.cut(first, view.bar_start + WINDOW_LENGTH + after))
        return {"start": first - view.bar_start, **columns}

    def perform(
        self,
        ops: object,
        *,
        annotator: str,
        layer: str | None = None,
        client_id: str | None = None,
        together: bool = False,
    ) -> dict[str, Any]:
        """Write operations; return what became of each, and the windows that they reached into.

        Without a layer, each goes into that of its mode.
        """
        decisions = operations.read_decisions(ops)
        before = dict(self._boards.of(annotator).views)
        answers = operations.write(
            self.store,
            decisions,
            annotator=annotator,
            layer=layer,
            client_id=client_id,
            together=together,
        )
        board = self._boards.of(annotator)
        display = self._display(board)
        modes: dict[str, ReviewMode] = {item.op_id: item.mode for item in decisions}
        return {
            "answers": [_answer(display, answer, modes[answer.op_id]) for answer in answers],
            "neighbours": [
                display.item(view, "normal") for view in _reached(board, before, answers)
            ],
            "server_ts": time.time(),
        }

    def rule(self) -> dict[str, Any]:
        """Return the rule that labels are held against now."""
        return asdict(ruling.current_rule(self.store))

    def preferences(self, annotator: str) -> dict[str, Any]:
        """Return the keys that a person has given other actions."""
        return {"keys": self.store.preference(annotator, KEYS) or {}}

    def set_preferences(self, annotator: str, values: object) -> dict[str, Any]:
        """Keep the keys that a person has given other actions."""
        keys = values.get("keys") if isinstance(values, dict) else None
        if not isinstance(keys, dict) or not all(isinstance(key, str) for key in keys.values()):
            raise SchemaError(f"keys should name one key for each action. Found {keys!r:.80}.")
        self.store.set_preference(annotator, KEYS, keys)
        return self.preferences(annotator)

    def _trust(self, annotator: str, last: Sequence[WindowView]) -> progress.Trust:
        return progress.trust(last, self._judgements.of_layer(annotator + CATCH))

    def _display(self, board: Board, mode: QueueMode | None = None) -> Display:
        """Return how windows are shown now.

        People are blind to each other until the second look: only its queue says who disagrees.
        """
        return Display(
            bars_dir=self.workspace.bars_dir,
            series=board.series,
            limits=ruling.current_rule(self.store).limits,
            standing=self._judgements.standing() if mode == "disputed" else {},
        )

    def _scene(
        self, query: Query, board: Board, display: Display, sent: audit.Sent | None
    ) -> Scene:
        errors = {}
        if query.mode == "run":
            result = overlay.result_of(self.workspace.runs_dir, query.run)
            errors = result.disagreements() if result else {}
        again = self._judgements.of_layer(query.annotator + REPEAT) if sent else []
        return Scene(
            suspects={uid: place for place, uid in enumerate(sent.windows)} if sent else {},
            sent_at=datetime.fromisoformat(sent.sent_at) if sent else None,
            again={item.window_uid: item.updated_at for item in again},
            standing=self._judgements.standing(),
            repeated=self._judgements.decided_in(query.annotator + REPEAT),
            caught=self._judgements.decided_in(query.annotator + CATCH),
            errors=errors,
            ranks=self._ranks_of(board, display) if query.mode == "session" else {},
        )

    def _sent(self, query: Query) -> audit.Sent | None:
        """Return the doubtful labels of the run that was asked for, or of the newest with any."""
        if query.mode not in ("audit", "audit-blind"):
            return None
        if query.run is not None:
            run = open_run(query.run, self.workspace.runs_dir)
            return audit.read_sent(run.path)
        sent = (audit.read_sent(run.path) for run in list_runs(self.workspace.runs_dir, kinds=None))
        return next(filter(None, sent), None)

    def _ranks_of(self, board: Board, display: Display) -> dict[str, int]:
        known = board.annotator, board.shape
        if known not in self._ranks:
            self._ranks = {known: ranks(board.views.values(), display.cell)}
        return self._ranks[known]

    def _taken(self, annotator: str) -> frozenset[str]:
        """Return the windows that other people hold at the moment."""
        return frozenset(
            lease.window_uid for lease in self.store.claims() if lease.annotator != annotator
        )

    def _claimed(self, query: Query, pick_page: Callable[[Query], Picked]) -> Picked:
        """Return a page of a queue; where people share one, its windows are claimed.

        Somebody who asks at the same moment may be granted some of them: then others are taken.
        """
        if query.client_id is None or not MODES[query.mode].is_shared:
            return pick_page(query)
        found: list[tuple[str, ReviewMode]] = []
        cursor = query.cursor
        while True:
            page = pick_page(replace(query, n=query.n - len(found), cursor=cursor))
            cursor, uids = page.cursor, [uid for uid, _ in page.found]
            granted = set(self.store.claim(uids, query.annotator, query.client_id))
            found += [entry for entry in page.found if entry[0] in granted]
            if cursor is None or len(found) == query.n:
                return Picked(found, cursor)

    def _items(
        self,
        found: Sequence[tuple[str, ReviewMode]],
        board: Board,
        display: Display,
        *,
        run: str | None,
    ) -> list[Item]:
        """Return windows with their bars, each as the layer of its mode has it."""
        elsewhere: defaultdict[str, list[str]] = defaultdict(list)
        for uid, mode in found:
            if (layer := layer_of(board.annotator, mode)) != board.annotator:
                elsewhere[layer].append(uid)
        views = {
            (layer, view.window_uid): view
            for layer, uids in elsewhere.items()
            for view in self.store.views(uids=uids, annotator=layer)
        }
        result = overlay.result_of(self.workspace.runs_dir, run)
        return [
            display.whole_item(
                views.get((layer_of(board.annotator, mode), uid), board.views[uid]),
                mode,
                overlay.overlay(result, uid),
            )
            for uid, mode in found
        ]


def _answer(display: Display, answer: Answer, mode: ReviewMode) -> dict[str, Any]:
    view = answer.view
    return {
        "op_id": answer.op_id,
        "status": answer.status,
        "message": answer.message,
        "rev": answer.rev,
        "item": None if view is None else display.item(view, mode_of(view.annotator, mode)),
    }


def _reached(
    board: Board, before: dict[str, WindowView], answers: Sequence[Answer]
) -> list[WindowView]:
    """Return the other windows of the layer that show bars on which a span came or went."""
    decided = [answer.view for answer in answers if answer.view]
    own = {view.window_uid for view in decided}
    reached: dict[str, WindowView] = {}
    for view in decided:
        if view.annotator != board.annotator or view.window_uid not in before:
            continue
        for first, last, _ in _places(view) ^ _places(before[view.window_uid]):
            for uid in board.near(view.series_id, first, last):
                if uid not in own:
                    reached[uid] = board.views[uid]
    return list(reached.values())


def _places(view: WindowView) -> set[tuple[int, int, StoredSpan]]:
    start = view.bar_start
    return {(start + span.start, start + span.end, span) for span in view.spans}
