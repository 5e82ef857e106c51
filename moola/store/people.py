"""What the store knows of people beside their labels: who works on what, and how they like it.

None of it is in the event log: a lease lapses by itself, and a remapped key labels nothing.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import Connection, delete, select

from moola.exceptions import SchemaError
from moola.second_look import CATCH, GOLD, REPEAT
from moola.store.queries import as_time
from moola.store.records import Lease
from moola.store.tables import leases, preferences, windows

LONGEST_NAME = 60


def check_name(name: str) -> str:
    """Return a person's name, or raise `SchemaError`; a ``~`` marks layers that are no person."""
    if not name.strip() or "~" in name or len(name) > LONGEST_NAME or not name.isprintable():
        raise SchemaError(
            f"A name should have 1 to {LONGEST_NAME} letters, none of them ~. Found {name!r}."
        )
    return name


def check_layer(layer: str, annotator: str) -> str:
    """Return a layer that `annotator` may write to: his own, its repeats and catches, or gold."""
    if layer not in (annotator, f"{annotator}{REPEAT}", f"{annotator}{CATCH}", GOLD):
        raise SchemaError(f"{annotator} should write to a layer of his own. Found {layer!r}.")
    return layer


def claim(
    connection: Connection,
    uids: Sequence[str],
    annotator: str,
    client_id: str,
    *,
    minutes: float,
    now: datetime | None = None,
) -> list[str]:
    """Lease those windows that nobody else holds; return them, in the order asked for.

    A person's own lease is renewed, from whichever browser he asks.
    """
    now = now or datetime.now(UTC)
    connection.execute(delete(leases).where(leases.c.until_ts <= now.isoformat()))
    query = select(leases.c.window_uid, leases.c.annotator).where(leases.c.window_uid.in_(uids))
    holders = {row.window_uid: row.annotator for row in connection.execute(query)}
    known = set(
        connection.execute(
            select(windows.c.window_uid).where(windows.c.window_uid.in_(uids))
        ).scalars()
    )
    granted = [uid for uid in uids if uid in known and holders.get(uid, annotator) == annotator]
    if granted:
        connection.execute(delete(leases).where(leases.c.window_uid.in_(granted)))
        until = (now + timedelta(minutes=minutes)).isoformat()
        rows = [
            {"window_uid": uid, "annotator": annotator, "client_id": client_id, "until_ts": until}
            for uid in dict.fromkeys(granted)
        ]
        connection.execute(leases.insert(), rows)
    return granted


def release(connection: Connection, annotator: str, client_id: str) -> None:
    """Give back what one browser of a person holds."""
    connection.execute(
        delete(leases).where(leases.c.annotator == annotator, leases.c.client_id == client_id)
    )


def claims(connection: Connection, *, now: datetime | None = None) -> list[Lease]:
    """Return the leases that have not lapsed."""
    now = now or datetime.now(UTC)
    query = select(leases).where(leases.c.until_ts > now.isoformat()).order_by(leases.c.window_uid)
    return [
        Lease(
            window_uid=row["window_uid"],
            annotator=row["annotator"],
            client_id=row["client_id"],
            until=as_time(row["until_ts"]) or now,
        )
        for row in connection.execute(query).mappings()
    ]


def preference(connection: Connection, annotator: str, name: str) -> Any:
    """Return what a person set, or None."""
    query = select(preferences.c.value_json).where(
        preferences.c.annotator == annotator, preferences.c.name == name
    )
    found = connection.execute(query).scalar_one_or_none()
    return None if found is None else json.loads(found)


def set_preference(connection: Connection, annotator: str, name: str, value: Any) -> None:
    """Keep a person's setting; any value that JSON can hold."""
    connection.execute(
        delete(preferences).where(preferences.c.annotator == annotator, preferences.c.name == name)
    )
    row = {"annotator": annotator, "name": name, "value_json": json.dumps(value)}
    connection.execute(preferences.insert(), row)
