"""Row changes: what an event did, so that it can be undone and replayed.

Every write goes through `Changes`, which notes each row before and after. An event stores those
notes. Undo puts the earlier rows back; replaying the later rows of all events rebuilds the tables.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, Table, and_, select

from moola.exceptions import ConflictError
from moola.store.tables import STATE_TABLES

Row = dict[str, Any]
BOOKKEEPING = frozenset({"rev", "updated_at"})


@dataclass(frozen=True, slots=True)
class RowChange:
    """One row before and after; None means that there was no row."""

    table: str
    before: Row | None
    after: Row


@dataclass
class Changes:
    """Writes rows through one connection and remembers what changed."""

    connection: Connection
    made: list[RowChange] = field(default_factory=list)

    def put(self, table: Table, row: Row) -> None:
        """Insert `row`, or replace the row of the same key; an equal row is no change."""
        before = find_row(self.connection, table, row)
        if before == row:
            return
        if before is None:
            self.connection.execute(table.insert().values(**row))
        else:
            self.connection.execute(table.update().where(_key(table, row)).values(**row))
        self.made.append(RowChange(table.name, before, row))

    def put_new(self, table: Table, rows: list[Row]) -> None:
        """Insert many rows whose keys are known to be new."""
        if rows:
            self.connection.execute(table.insert(), rows)
            self.made += [RowChange(table.name, None, row) for row in rows]

    def take_back(self, changes: Iterable[RowChange], *, now: str) -> None:
        """Put back what was there before `changes`, the last one first.

        A row that an undone change had made stays as an empty decision or a deleted span: its
        revision goes on counting, so that an older page can never overwrite a newer one.

        Raises
        ------
        ConflictError
            If a row is no longer as the change left it.
        """
        for change in reversed(list(changes)):
            table = STATE_TABLES[change.table]
            current = find_row(self.connection, table, change.after)
            if current is None or _content(current) != _content(change.after):
                raise ConflictError(
                    "Undo should find everything as that step left it. Found a later change of "
                    f"the same {change.table}; undo that one first."
                )
            earlier = change.before or _emptied(change.table, current)
            self.put(table, earlier | {"rev": current["rev"] + 1, "updated_at": now})


def _emptied(table: str, row: Row) -> Row:
    if table == "span":
        return row | {"deleted": True}
    return row | {"state": None, "reason": None, "note": ""}


def _content(row: Row) -> Row:
    return {name: value for name, value in row.items() if name not in BOOKKEEPING}


def _key(table: Table, row: Row) -> Any:
    return and_(*(column == row[column.name] for column in table.primary_key))


def find_row(connection: Connection, table: Table, row: Row) -> Row | None:
    """Return the stored row with the key of `row`."""
    found = connection.execute(select(table).where(_key(table, row))).mappings().first()
    return None if found is None else dict(found)


def to_json(changes: Iterable[RowChange]) -> str:
    """Return changes as the text that an event stores."""
    listed = [[change.table, change.before, change.after] for change in changes]
    return json.dumps(listed, separators=(",", ":"), ensure_ascii=False)


def from_json(text: str) -> list[RowChange]:
    """Return what `to_json` wrote."""
    return [RowChange(table, before, after) for table, before, after in json.loads(text)]


def replay(events_json: Iterable[str]) -> dict[str, dict[tuple[Any, ...], Row]]:
    """Return the state tables that a history leads to: table name, then key, then row."""
    tables: dict[str, dict[tuple[Any, ...], Row]] = {name: {} for name in STATE_TABLES}
    for text in events_json:
        for change in from_json(text):
            key = tuple(change.after[c.name] for c in STATE_TABLES[change.table].primary_key)
            tables[change.table][key] = change.after
    return tables
