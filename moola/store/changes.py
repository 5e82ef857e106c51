"""Operations on the store: the rows they change, the log of them, and replay.

An operation writes rows through `Operation.put` and `remove`, which note how each row was before
and after. The list goes into the event log, so that undo can swap the two and `replay` can rebuild
every table from the log alone.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import ColumnDefault, Connection, RowMapping, Table, and_, select

from moola.exceptions import StoreError
from moola.schema import ReviewMode
from moola.store.records import Event
from moola.store.tables import STATE_TABLES, events

Row = dict[str, Any]
BOOKKEEPING = ("rev", "updated_at")


@dataclass(frozen=True, slots=True)
class RowChange:
    """One row before and after an operation; None where it was not there."""

    table: str
    before: Row | None
    after: Row | None

    def to_dict(self) -> dict[str, Any]:
        """Return what the log keeps of the change."""
        key = dict(zip(key_columns(self.table), row_key(self), strict=True))
        return {"table": self.table, "key": key, "before": self.before, "after": self.after}

    @property
    def is_bookkeeping(self) -> bool:
        """Whether only the count of revisions moved on."""
        return same_content(self.before, self.after)


@dataclass(slots=True)
class Operation:
    """One operation of one annotator inside a writing transaction.

    ``layer`` names whose rows it writes: his own, unless he adjudicates or repeats a window.
    """

    connection: Connection
    op_id: str
    annotator: str
    kind: str
    layer: str = ""
    seconds: float | None = None
    mode: ReviewMode = "normal"
    ts: str = field(default_factory=lambda: now_text())
    changes: list[RowChange] = field(default_factory=list)
    undoes: str | None = None
    n_ids: int = 0

    def __post_init__(self) -> None:
        self.layer = self.layer or self.annotator

    def get(self, table: Table, *key: Any) -> Row | None:
        """Return the row with this primary key as it is now."""
        found = self.connection.execute(select(table).where(_has_key(table, key))).mappings()
        row = found.one_or_none()
        return dict(row) if row is not None else None

    def put(self, table: Table, row: Row) -> None:
        """Insert the row, or replace the one with its key."""
        key = tuple(row[name] for name in key_columns(table.name))
        before = self.get(table, *key)
        if before == row:
            return
        write = table.insert() if before is None else table.update().where(_has_key(table, key))
        self.connection.execute(write.values(row))
        self.changes.append(RowChange(table.name, before, dict(row)))

    def insert(self, table: Table, rows: Sequence[Row]) -> None:
        """Insert rows that are known to be new, in a few statements however many they are."""
        if rows:
            self.connection.execute(table.insert(), list(rows))
            self.changes += [RowChange(table.name, None, dict(row)) for row in rows]

    def remove(self, table: Table, row: Row) -> None:
        """Delete the row."""
        key = tuple(row[name] for name in key_columns(table.name))
        self.connection.execute(table.delete().where(_has_key(table, key)))
        self.changes.append(RowChange(table.name, dict(row), None))

    def new_id(self) -> str:
        """Return an id that no other operation gives out."""
        self.n_ids += 1
        return hashlib.sha1(f"{self.op_id}|{self.n_ids}".encode()).hexdigest()[:16]


def key_columns(table: str) -> tuple[str, ...]:
    """Return the names of a table's primary key."""
    return tuple(column.name for column in STATE_TABLES[table].primary_key)


def row_key(change: RowChange) -> tuple[Any, ...]:
    """Return the primary key of the row that changed."""
    row = change.after if change.after is not None else change.before or {}
    return tuple(row[name] for name in key_columns(change.table))


def same_content(one: Row | None, other: Row | None) -> bool:
    """Return whether two rows say the same, whatever their count of revisions."""
    return _content(one) == _content(other)


def now_text() -> str:
    """Return the time as the store keeps it: ISO 8601, UTC, with its offset."""
    return datetime.now(UTC).isoformat(timespec="microseconds")


def append_event(
    operation: Operation,
    *,
    args: Mapping[str, Any],
    window_uid: str | None = None,
    answer: Mapping[str, Any] | None = None,
    client_id: str | None = None,
) -> None:
    """Add the operation and every row it changed to the log."""
    payload = {
        "args": args,
        "answer": answer,
        "changes": [change.to_dict() for change in operation.changes],
    }
    if operation.layer != operation.annotator:
        payload["layer"] = operation.layer
    if client_id is not None:
        payload["client"] = client_id
    row = {
        "op_id": operation.op_id,
        "ts": operation.ts,
        "annotator": operation.annotator,
        "kind": operation.kind,
        "window_uid": window_uid,
        "undoes": operation.undoes,
        "payload": json.dumps(payload, sort_keys=True, separators=(",", ":")),
    }
    last = select(events.c.hash).order_by(events.c.seq.desc()).limit(1)
    prev_hash = operation.connection.execute(last).scalar_one_or_none() or ""
    row |= {"prev_hash": prev_hash, "hash": _event_hash(prev_hash, row)}
    operation.connection.execute(events.insert().values(row))


def event_of(connection: Connection, op_id: str) -> Event | None:
    """Return the event that an operation wrote, or None if it was never done."""
    query = select(events).where(events.c.op_id == op_id)
    found = connection.execute(query).mappings().one_or_none()
    return as_event(found) if found is not None else None


def find_event(
    connection: Connection, op_id: str, *, kind: str, args: Mapping[str, Any]
) -> Event | None:
    """Return the event of an operation that was done before, or None.

    `StoreError` if the id was used for something else.
    """
    event = event_of(connection, op_id)
    if event is None:
        return None
    if event.kind != kind or event.payload["args"] != json.loads(json.dumps(args)):
        raise StoreError(
            f"An op_id should name one operation. Found {op_id!r} used before, for {event.kind}."
        )
    return event


def newest_standing(
    connection: Connection, annotator: str, kinds: Sequence[str], *, after_seq: int = 0
) -> Event | None:
    """Return a person's newest event of some kinds that no other event has taken back.

    An undo or redo that found nothing is none.
    """
    undone = select(events.c.undoes).where(events.c.undoes.is_not(None))
    query = (
        select(events)
        .where(events.c.annotator == annotator, events.c.kind.in_(kinds))
        .where(events.c.seq > after_seq, events.c.op_id.not_in(undone))
        .where(events.c.kind.not_in(("undo", "redo")) | events.c.undoes.is_not(None))
        .order_by(events.c.seq.desc())
        .limit(1)
    )
    found = connection.execute(query).mappings().one_or_none()
    return as_event(found) if found is not None else None


def newest_event(connection: Connection, annotator: str, kinds: Sequence[str]) -> Event | None:
    """Return a person's newest event of some kinds, undone or not."""
    query = (
        select(events)
        .where(events.c.annotator == annotator, events.c.kind.in_(kinds))
        .order_by(events.c.seq.desc())
        .limit(1)
    )
    found = connection.execute(query).mappings().one_or_none()
    return as_event(found) if found is not None else None


def as_event(row: RowMapping) -> Event:
    """Return a row of the log as a record."""
    names = ("seq", "op_id", "annotator", "kind", "window_uid", "undoes")
    return Event(
        **{name: row[name] for name in names},
        ts=datetime.fromisoformat(row["ts"]),
        payload=json.loads(row["payload"]),
    )


def changes_of(event: Event) -> list[RowChange]:
    """Return the rows that an event changed, in order.

    Events outlive the columns of their time: what a row lacks has its column's default.
    """
    return [
        RowChange(
            change["table"],
            _completed(change["table"], change["before"]),
            _completed(change["table"], change["after"]),
        )
        for change in event.payload["changes"]
    ]


def replay(log: Iterable[Event]) -> dict[str, dict[tuple[Any, ...], Row]]:
    """Return every table as the log says it should be: rows by primary key."""
    state: dict[str, dict[tuple[Any, ...], Row]] = {name: {} for name in STATE_TABLES}
    for event in log:
        for change in changes_of(event):
            if change.after is None:
                state[change.table].pop(row_key(change), None)
            else:
                state[change.table][row_key(change)] = change.after
    return state


def find_damage(connection: Connection) -> list[str]:
    """Return what is wrong with the log and the tables: nothing, unless somebody edited them.

    Values are compared as numbers and texts, since a column may keep the log's 3 as 3.0.
    """
    damage, prev_hash, log = [], "", []
    for row in connection.execute(select(events).order_by(events.c.seq)).mappings():
        if row["prev_hash"] != prev_hash or row["hash"] != _event_hash(prev_hash, dict(row)):
            damage.append(f"event {row['seq']} is not the one that was written")
        prev_hash = row["hash"]
        log.append(as_event(row))
    for name, rows in replay(log).items():
        found = connection.execute(select(STATE_TABLES[name])).mappings()
        stored = {tuple(row[key] for key in key_columns(name)): dict(row) for row in found}
        if stored != rows:
            damage.append(f"the rows of table {name} are not those that the events wrote")
    return damage


_DEFAULTS: dict[str, Row] = {
    name: {
        column.name: column.default.arg if isinstance(column.default, ColumnDefault) else None
        for column in table.columns
        if column.nullable or column.default is not None
    }
    for name, table in STATE_TABLES.items()
}


def _completed(table: str, row: Row | None) -> Row | None:
    return None if row is None else {**_DEFAULTS[table], **row}


def _content(row: Row | None) -> Row | None:
    if row is None:
        return None
    return {name: value for name, value in row.items() if name not in BOOKKEEPING}


def _has_key(table: Table, key: tuple[Any, ...]) -> Any:
    return and_(
        *(table.c[n] == value for n, value in zip(key_columns(table.name), key, strict=True))
    )


def _event_hash(prev_hash: str, row: Mapping[str, Any]) -> str:
    names = ("op_id", "ts", "annotator", "kind", "window_uid", "undoes", "payload")
    text = json.dumps([prev_hash, *(row[name] for name in names)])
    return hashlib.sha256(text.encode()).hexdigest()
