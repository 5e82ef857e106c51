"""The reading half of the label store."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any, Self

from sqlalchemy import Engine, func, select

from moola.exceptions import StoreError
from moola.schema import REVIEW_STATES, ReviewState, SpanType
from moola.store import changes, counting, judging, people, queries
from moola.store.engine import open_engine, reading
from moola.store.records import (
    Event,
    Judgement,
    Lease,
    Release,
    Rule,
    Series,
    WindowRow,
    WindowView,
)
from moola.store.standing import Standings, load_standings
from moola.store.tables import events

LOCAL = "local"
"""The annotator of a store that one person uses."""


class StoreReader:
    """Reads of one store; each sees a single state of it, and none waits for a writer."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    @classmethod
    def open(cls, url: str) -> Self:
        """Open the store at a SQLAlchemy URL; folder and tables are made if they are missing."""
        return cls(open_engine(url))

    def close(self) -> None:
        """Give the database's connections back."""
        self._engine.dispose()

    def series(self) -> list[Series]:
        """Return every series, feeds before windows that came alone."""
        with reading(self._engine) as connection:
            return queries.load_series(connection)

    def get_series(self, series_id: str) -> Series:
        """Return one series by its id."""
        with reading(self._engine) as connection:
            found = queries.load_one_series(connection, series_id)
        if found is None:
            raise StoreError(f"A series should have the id {series_id!r}. Found none.")
        return found

    def find_series(self, name: str) -> Series:
        """Return one series by its id or symbol."""
        known = self.series()
        found = [item for item in known if item.series_id == name]
        found = found or [item for item in known if item.kind == "feed" and item.symbol == name]
        if len(found) == 1:
            return found[0]
        feeds = ", ".join(item.series_id for item in found or known if item.kind == "feed")
        raise StoreError(
            f"One series should have the id or symbol {name!r}. Found {len(found) or 'none'}; "
            f"the series are {feeds or 'not imported yet'}."
        )

    def windows(
        self,
        *,
        states: Collection[ReviewState] | None = None,
        types: Collection[SpanType] | None = None,
        series_id: str | None = None,
        uids: Sequence[str] | None = None,
        annotator: str = LOCAL,
    ) -> list[WindowRow]:
        """Return the windows that pass every filter, by series and bar."""
        with reading(self._engine) as connection:
            rows = queries.load_rows(connection, annotator, series_id=series_id, uids=uids)
        return [
            row
            for row in rows
            if (states is None or row.state in states)
            and (types is None or not set(types).isdisjoint(row.types))
        ]

    def views(
        self,
        *,
        series_id: str | None = None,
        uids: Sequence[str] | None = None,
        annotator: str = LOCAL,
    ) -> list[WindowView]:
        """Return windows with their spans and proposals, by series and bar, in a few queries."""
        with reading(self._engine) as connection:
            return queries.load_views(connection, annotator, series_id=series_id, uids=uids)

    def window(self, window_uid: str, *, annotator: str = LOCAL) -> WindowView:
        """Return everything about one window."""
        with reading(self._engine) as connection:
            return queries.load_view(connection, window_uid, annotator)

    def resolve(self, name: str) -> str:
        """Return the id of the window with this id or alias."""
        with reading(self._engine) as connection:
            return queries.resolve(connection, name)

    def counts(self, *, annotator: str = LOCAL) -> dict[ReviewState, int]:
        """Return how many windows are in each state."""
        with reading(self._engine) as connection:
            found = counting.count_states(connection, annotator)
        return {state: found.get(state, 0) for state in REVIEW_STATES}

    def judgements(self, *, uids: Sequence[str] | None = None) -> list[Judgement]:
        """Return what every layer decided, of all windows or some."""
        with reading(self._engine) as connection:
            return judging.load_judgements(connection, uids=uids)

    def standings(self) -> Standings:
        """Return the windows with one label each, whoever made it, and those that are disputed."""
        with reading(self._engine) as connection:
            return load_standings(connection, nobody=LOCAL)

    def standing_views(self) -> list[WindowView]:
        """Return the windows with one label each, or none yet; disputed ones are left out."""
        return self.standings().views

    def layers(self) -> list[str]:
        """Return the layers that hold decisions: people's own, and those with a ``~``."""
        with reading(self._engine) as connection:
            return judging.load_layers(connection)

    def rules(self) -> list[Rule]:
        """Return every version of the written rule, newest first."""
        with reading(self._engine) as connection:
            return judging.load_rules(connection)

    def current_rule(self) -> Rule | None:
        """Return the rule that labels made now follow, if one was ever published."""
        return next(iter(self.rules()), None)

    def releases(self) -> list[Release]:
        """Return every release, newest first."""
        with reading(self._engine) as connection:
            return judging.load_releases(connection)

    def claims(self) -> list[Lease]:
        """Return who works on which windows right now."""
        with reading(self._engine) as connection:
            return people.claims(connection)

    def preference(self, annotator: str, name: str) -> Any:
        """Return what a person set under a name, or None."""
        with reading(self._engine) as connection:
            return people.preference(connection, annotator, name)

    def events(
        self, *, window_uid: str | None = None, after: int = 0, limit: int = 100
    ) -> list[Event]:
        """Return the log, newest first, of one window or after an event."""
        query = select(events).order_by(events.c.seq.desc()).limit(limit)
        query = query.where(events.c.seq > after)
        if window_uid is not None:
            query = query.where(events.c.window_uid == window_uid)
        with reading(self._engine) as connection:
            return [changes.as_event(row) for row in connection.execute(query).mappings()]

    def version(self) -> int:
        """Return the number of the newest event, 0 for an empty log: equal means unchanged."""
        with reading(self._engine) as connection:
            return connection.scalar(select(func.max(events.c.seq))) or 0

    def find_damage(self) -> list[str]:
        """Return how log and tables disagree: nothing, unless somebody edited the database."""
        with reading(self._engine) as connection:
            return changes.find_damage(connection)

    def sizes(self) -> dict[str, int]:
        """Return how many rows each table of the store holds, the log of events first."""
        with reading(self._engine) as connection:
            return counting.count_rows(connection)
