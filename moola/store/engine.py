"""Connections to the label store: safe settings for SQLite, and errors in plain words."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Connection, Engine, create_engine, event, inspect, make_url, select
from sqlalchemy.exc import ArgumentError, DBAPIError, IntegrityError, NoSuchModuleError

from moola.exceptions import StoreError
from moola.store import tables

BUSY_MS = 5_000
ADVISORY_LOCK = 0x4D4F4F4C  # "MOOL": serialises writers where BEGIN IMMEDIATE does not exist


def open_engine(url: str) -> Engine:
    """Return an engine on a Moola store; make folder and tables if there are none yet."""
    parsed = _parse(url)
    _make_folder(parsed)
    engine = _create(parsed)
    with reading(engine) as connection:
        version = _schema_version(connection, parsed)
    if version is None:
        with writing(engine) as connection:
            if _schema_version(connection, parsed) is None:  # nobody was faster
                tables.metadata.create_all(connection)
                row = {"key": "schema", "value": tables.SCHEMA_VERSION}
                connection.execute(tables.meta.insert(), row)
    elif version != tables.SCHEMA_VERSION:
        raise StoreError(
            f"The label store should have schema {tables.SCHEMA_VERSION}. Found {version} in "
            f"{_place(parsed)}; it was written by another version of Moola."
        )
    return engine


@contextmanager
def reading(engine: Engine) -> Iterator[Connection]:
    """Open a transaction that sees one state of the store, however many queries it makes."""
    with _plain_errors(engine.url), engine.connect() as connection:
        if engine.dialect.name == "postgresql":  # SQLite reads one state in any transaction
            connection = connection.execution_options(isolation_level="REPEATABLE READ")
        with connection.begin():
            yield connection


@contextmanager
def writing(engine: Engine) -> Iterator[Connection]:
    """Open a transaction that no other writer can slip into; it commits whole or not at all."""
    with _plain_errors(engine.url), engine.connect() as connection:
        connection = connection.execution_options(moola_writes=True)
        with connection.begin():
            if engine.dialect.name == "postgresql":
                connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({ADVISORY_LOCK})")
            yield connection


def _parse(url: str) -> URL:
    try:
        return make_url(url)
    except ArgumentError as error:
        raise StoreError(
            f"The label store's address should look like sqlite:///data/moola.db. Found {url!r}."
        ) from error


def _make_folder(url: URL) -> None:
    if url.get_backend_name() != "sqlite" or not url.database:
        return
    folder = Path(url.database).parent
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StoreError(
            f"{folder} should be a folder one can write to. Found: {error.strerror}."
        ) from error


def _create(url: URL) -> Engine:
    try:
        engine = create_engine(url)
    except (NoSuchModuleError, ModuleNotFoundError) as error:
        raise StoreError(
            f"The driver of {url.drivername} should be installed. Found: {error}."
        ) from error
    if engine.dialect.name == "sqlite":
        event.listen(engine, "connect", _set_up_sqlite)
        event.listen(engine, "begin", _begin_sqlite)
    return engine


def _set_up_sqlite(connection: Any, _record: Any) -> None:
    connection.isolation_level = None  # transactions are begun by _begin_sqlite alone
    for pragma in (f"busy_timeout = {BUSY_MS}", "foreign_keys = ON", "synchronous = FULL"):
        connection.execute(f"PRAGMA {pragma}").close()
    _switch_to_wal(connection)


def _switch_to_wal(connection: sqlite3.Connection) -> None:
    """Let readers and a writer work side by side; the file remembers it.

    SQLite does not wait for others here, whatever the timeout, so this does.
    """
    give_up = time.monotonic() + BUSY_MS / 1000
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL").close()
            return
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_BUSY or time.monotonic() > give_up:
                raise
        time.sleep(0.02)


def _begin_sqlite(connection: Connection) -> None:
    # a deferred BEGIN that later writes fails at once when another writer is ahead
    writes = connection.get_execution_options().get("moola_writes")
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


def _schema_version(connection: Connection, url: URL) -> str | None:
    """Return the schema of the store, or None if the database is empty."""
    found = set(inspect(connection).get_table_names())
    if not found:
        return None
    if missing := set(tables.metadata.tables) - found:
        raise StoreError(
            f"{_place(url)} should be a label store. Found a database without the tables "
            f"{', '.join(sorted(missing))}."
        )
    query = select(tables.meta.c.value).where(tables.meta.c.key == "schema")
    return connection.execute(query).scalar_one_or_none() or "none"


@contextmanager
def _plain_errors(url: URL) -> Iterator[None]:
    try:
        yield
    except IntegrityError as error:
        raise StoreError(
            f"A row should keep the rules of the label store. Found: {error.orig}."
        ) from error
    except DBAPIError as error:
        raise StoreError(
            f"The label store should be readable and writable. Found: {error.orig} ({_place(url)})."
        ) from error


def _place(url: URL) -> str:
    return url.database or url.render_as_string(hide_password=True)
