"""The next windows of a queue, for one person: filtered, in order, and not in anybody's hands."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Any

from moola.coverage import Cell
from moola.desk import session
from moola.desk.board import Board
from moola.desk.modes import ARMS, MODES, QUEUE_MODES, Arm, Key, Mode, QueueMode, Scene
from moola.desk.paging import Order, after, read_cursor, take, write_cursor
from moola.exceptions import SchemaError
from moola.schema import ReviewMode, ReviewState, SpanType
from moola.store import WindowView

MOST_ITEMS = 100


@dataclass(frozen=True, kw_only=True)
class Filters:
    """Which windows a person wants to see at all; None and empty sets leave a filter out."""

    series_id: str | None = None
    states: frozenset[ReviewState] = frozenset()
    types: frozenset[SpanType] = frozenset()
    month: str | None = None
    hours: str | None = None
    volatility: str | None = None

    def admits(self, view: WindowView) -> bool:
        """Return whether a window passes the filters that need no bars."""
        return (
            (self.series_id is None or view.series_id == self.series_id)
            and (not self.states or view.state in self.states)
            and (not self.types or not self.types.isdisjoint(view.types))
        )

    @property
    def asks_for_cell(self) -> bool:
        """Whether a window's place in the market decides."""
        return any((self.month, self.hours, self.volatility))

    def admits_cell(self, cell: Cell) -> bool:
        """Return whether a window of this cell of the market passes."""
        wanted = (self.month, self.hours, self.volatility)
        return all(name in (None, own) for name, own in zip(wanted, cell, strict=True))


@dataclass(frozen=True, kw_only=True)
class Query:
    """One request for windows."""

    annotator: str
    mode: QueueMode = "unlabelled"
    n: int = 25
    cursor: str | None = None
    filters: Filters = Filters()
    run: str | None = None
    skip: frozenset[str] = frozenset()
    """Windows that the asking tab holds already."""
    client_id: str | None = None

    def __post_init__(self) -> None:
        if self.mode not in QUEUE_MODES:
            raise SchemaError(
                f"The queue should be one of {', '.join(QUEUE_MODES)}. Found {self.mode!r}."
            )
        if not 1 <= self.n <= MOST_ITEMS:
            raise SchemaError(f"A page should have 1 to {MOST_ITEMS} windows. Found {self.n}.")


@dataclass(frozen=True)
class Picked:
    """A page of a queue: ids with the mode each is judged in, and the place after it."""

    found: list[tuple[str, ReviewMode]]
    cursor: str | None


class Orders:
    """Every window in the order of each mode; made once and kept until windows are added."""

    MOST = 24

    def __init__(self) -> None:
        self._orders: dict[tuple[Any, ...], Order] = {}

    def of(self, board: Board, scene: Scene, name: str, mode: Mode, *, extra: Any = None) -> Order:
        """Return the order of a mode; `extra` names what its keys depend on besides the windows."""
        known = (board.annotator, board.shape, name, extra)
        if known not in self._orders:
            if len(self._orders) >= self.MOST:
                self._orders.clear()
            keyed = ((mode.key(view, scene), uid) for uid, view in board.views.items())
            self._orders[known] = sorted(keyed)
        return self._orders[known]


def pick(
    query: Query,
    board: Board,
    scene: Scene,
    orders: Orders,
    *,
    passes: Callable[[WindowView], bool],
    taken: Collection[str],
) -> Picked:
    """Return the next windows of a queue; `taken` are in other people's hands."""
    mode, views = MODES[query.mode], board.views
    kept_away = set(query.skip) | (set(taken) if mode.is_shared else set())

    def is_free(uid: str) -> bool:
        return uid not in kept_away and passes(views[uid])

    if query.mode == "session":
        return _pick_session(query, board, scene, orders, is_free)
    order = orders.of(board, scene, query.mode, mode, extra=(query.run, scene.sent_at))
    key = tuple(read_cursor(query.mode, query.cursor)) if query.cursor else None
    found, last = take(
        after(order, key), query.n, lambda uid: mode.wants(views[uid], scene) and is_free(uid)
    )
    cursor = None if last is None else write_cursor(query.mode, list(last))
    return Picked([(uid, mode.review_of(views[uid])) for uid in found], cursor)


def _pick_session(
    query: Query, board: Board, scene: Scene, orders: Orders, is_free: Callable[[str], bool]
) -> Picked:
    def key_of(arm: Arm, uid: str) -> Key | None:
        view = board.views[uid]
        return ARMS[arm].key(view, scene) if ARMS[arm].wants(view, scene) else None

    draw = session.Draw(
        annotator=query.annotator,
        orders={arm: orders.of(board, scene, f"arm {arm}", mode) for arm, mode in ARMS.items()},
        key_of=key_of,
        is_free=is_free,
    )
    place = (
        session.Place.from_json(read_cursor(query.mode, query.cursor))
        if query.cursor
        else session.Place(n_done(board, scene))
    )
    found, after_it = draw.page(place, query.n)
    cursor = None if after_it is None else write_cursor(query.mode, after_it.to_json())
    return Picked([(uid, ARMS[arm].review) for uid, arm in found], cursor)


def n_done(board: Board, scene: Scene) -> int:
    """Return how many slots of his sessions a person has filled: a reload goes on from there."""
    decided = sum(view.updated_at is not None for view in board.views.values())
    return decided + len(scene.repeated) + len(scene.caught)
