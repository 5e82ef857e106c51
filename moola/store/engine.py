"""Connections to the label store: safe settings for SQLite, and errors in plain words."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NoReturn

from sqlalchemy import (
    URL,
    Connection,
    Engine,
    create_engine,
    event,
    exists,
    inspect,
    make_url,
    select,
)
from sqlalchemy.exc import ArgumentError, NoSuchModuleError

from moola.exceptions import StoreError
from moola.store import migrations, tables
from moola.store.backup import BackupOfTheDay, back_up, back_up_daily
from moola.store.place import BACKUPS, name_of, newest_sound, store_file, way_back
from moola.store.trouble import BUSY_MS, plain_errors

ADVISORY_LOCK = 0x4D4F4F4C  # "MOOL": serialises writers where BEGIN IMMEDIATE does not exist


def open_engine(url: str) -> Engine:
    """Return an engine on a Moola store, ready to work with.

    An empty place gets folder and tables, an older schema is upgraded after a backup, and the first
    to open a SQLite store on a day makes that day's backup.
    """
    parsed = _parse(url)
    _refuse_lost(parsed)
    _make_folder(parsed)
    engine = _create(parsed)
    try:
        _prepare(engine)
    except Exception:
        engine.dispose()  # a store that was refused is not held open: it may have to be restored
        raise
    return engine


def _prepare(engine: Engine) -> None:
    with reading(engine) as connection:
        version = _schema_version(connection, engine.url)
    if version is None:
        _make_tables(engine)
        return
    if _is_older(version):
        _upgrade(engine, version)
    elif version != tables.SCHEMA_VERSION:
        _refuse_version(version, engine.url)
    with reading(engine) as connection:
        _check_tables(connection, engine.url)
        holds_anything = connection.scalar(select(exists(select(tables.events.c.seq))))
    if holds_anything:
        back_up_daily(engine.url)


def _refuse_lost(url: URL) -> None:
    """Refuse to make a new store where backups say that there was one."""
    file = store_file(url)
    if file is None or (file.exists() and file.stat().st_size > 0) or not newest_sound(file):
        return
    raise StoreError(
        f"The label store {file} should be there, since it has backups. Found "
        f"{'an empty file' if file.exists() else 'none'}. {way_back(url)} To begin anew, move "
        f"{file.parent / BACKUPS} away."
    )


def _make_tables(engine: Engine) -> None:
    with writing(engine) as connection:
        if _schema_version(connection, engine.url) is None:  # nobody was faster
            tables.metadata.create_all(connection)
            row = {"key": "schema", "value": tables.SCHEMA_VERSION}
            connection.execute(tables.meta.insert(), row)


def _upgrade(engine: Engine, version: str) -> None:
    if store_file(engine.url) is not None:
        back_up(engine.url, why=f"schema-{version}")
    with writing(engine) as connection:
        if _schema_version(connection, engine.url) == version:  # nobody was faster
            migrations.upgrade(connection, version)


@contextmanager
def reading(engine: Engine) -> Iterator[Connection]:
    """Open a transaction that sees one state of the store, however many queries it makes."""
    with plain_errors(engine.url), engine.connect() as connection:
        if engine.dialect.name == "postgresql":  # SQLite reads one state in any transaction
            connection = connection.execution_options(isolation_level="REPEATABLE READ")
        with connection.begin():
            yield connection


@contextmanager
def writing(engine: Engine) -> Iterator[Connection]:
    """Open a transaction that no other writer can slip into; it commits whole or not at all."""
    with plain_errors(engine.url), engine.connect() as connection:
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
    file = store_file(url)
    if file is None:
        return
    folder = file.parent
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StoreError(
            f"{folder} should be a folder one can write to. Found: {error.strerror}."
        ) from error


def _create(url: URL) -> Engine:
    try:
        # a connection that a restarted server has dropped is replaced before anybody uses it
        engine = create_engine(url, pool_pre_ping=url.get_backend_name() != "sqlite")
    except (NoSuchModuleError, ModuleNotFoundError) as error:
        raise StoreError(
            f"The driver of {url.drivername} should be installed. Found: {error}; for PostgreSQL "
            "it is: pip install 'moola[postgres]'."
        ) from error
    if engine.dialect.name == "sqlite":
        event.listen(engine, "connect", _set_up_sqlite)
        event.listen(engine, "begin", _begin_sqlite)
        event.listen(engine, "checkout", BackupOfTheDay(url).look)
    elif engine.dialect.name == "postgresql":
        event.listen(engine, "connect", _set_up_postgresql)
    else:
        raise StoreError(
            f"The label store should be in SQLite or PostgreSQL. Found {engine.dialect.name}."
        )
    return engine


def _set_up_postgresql(connection: Any, _record: Any) -> None:
    with connection.cursor() as cursor:
        cursor.execute(f"SET lock_timeout = {BUSY_MS}")
    connection.commit()


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
    if tables.meta.name not in found:
        raise StoreError(
            f"{name_of(url)} should be a label store. Found a database without the tables "
            f"{', '.join(sorted(set(tables.metadata.tables) - found))}."
        )
    query = select(tables.meta.c.value).where(tables.meta.c.key == "schema")
    return connection.execute(query).scalar_one_or_none() or "none"


def _check_tables(connection: Connection, url: URL) -> None:
    """Refuse a store that lacks a table or column of its schema."""
    found = inspect(connection).get_multi_columns()
    names = {(table, column["name"]) for (_, table), columns in found.items() for column in columns}
    wanted = {
        (table.name, column.name)
        for table in tables.metadata.tables.values()
        for column in table.columns
    }
    if lost := sorted(wanted - names):
        tables_lost = sorted({table for table, _ in lost} - {table for table, _ in names})
        what = tables_lost or [f"{table}.{column}" for table, column in lost]
        raise StoreError(
            f"The label store {name_of(url)} should have every table of its schema, "
            f"{tables.SCHEMA_VERSION}. Found it without {', '.join(what)}. {way_back(url)}"
        )


def _refuse_version(version: str, url: URL) -> NoReturn:
    newer = version.isdigit() and int(version) > int(tables.SCHEMA_VERSION)
    cause = (
        "a newer Moola wrote it: update this one"
        if newer
        else f"no Moola has written such a schema. {way_back(url)}"
    )
    raise StoreError(
        f"The label store {name_of(url)} should have schema {tables.SCHEMA_VERSION} or an older "
        f"one. Found {version}; {cause}"
    )


def _is_older(version: str) -> bool:
    return version.isdigit() and 1 <= int(version) < int(tables.SCHEMA_VERSION)
