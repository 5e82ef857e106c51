"""The whole event log as rows, out of one store and into an empty one, which it rebuilds."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, func, select

from moola.exceptions import StoreError
from moola.store import changes
from moola.store.tables import STATE_TABLES, events


def log_rows(connection: Connection) -> Iterator[dict[str, Any]]:
    """Yield every event as its row stands, oldest first."""
    query = select(events).order_by(events.c.seq).execution_options(yield_per=500)
    for row in connection.execute(query).mappings():
        yield dict(row)


def restore(connection: Connection, rows: Sequence[Mapping[str, Any]]) -> None:
    """Write the events of another store and the tables they add up to.

    `StoreError` if this store has events of its own, or if the log is not whole: a changed, missing
    or added event breaks the chain of hashes.
    """
    if n_events := connection.scalar(select(func.count()).select_from(events)):
        raise StoreError(
            f"A log can only be taken into an empty store. Found {n_events:,} events in it."
        )
    if not rows:
        raise StoreError("A log should hold at least one event. Found none.")
    rows = sorted(rows, key=lambda row: row["seq"])
    hashes = ["", *(row["hash"] for row in rows)]
    for row, prev_hash in zip(rows, hashes, strict=False):
        if row["prev_hash"] != prev_hash:
            raise StoreError(
                f"A log should be whole. Found event {row['seq']} that does not follow the one "
                "before it."
            )
    connection.execute(events.insert(), [dict(row) for row in rows])
    log = [changes.as_event(row) for row in _stored(connection)]
    for name, state in changes.replay(log).items():
        if state:
            connection.execute(STATE_TABLES[name].insert(), list(state.values()))
    if damage := changes.find_damage(connection):
        raise StoreError(f"A log should be whole. Found: {'; '.join(damage[:5])}.")
    if connection.dialect.name == "postgresql":  # the next event takes the next number
        connection.exec_driver_sql(
            "SELECT setval(pg_get_serial_sequence('event', 'seq'), (SELECT max(seq) FROM event))"
        )


def _stored(connection: Connection) -> Any:
    return connection.execute(select(events).order_by(events.c.seq)).mappings()
