"""Open a database for the store: every connection durable, every write taking its lock first."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event, inspect, select
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, NoSuchModuleError, SQLAlchemyError

from moola.exceptions import StoreError
from moola.store.tables import SCHEMA_VERSION, metadata, store_meta

SQLITE_PRAGMAS = (
    "journal_mode=WAL",  # readers do not wait for the writer
    "synchronous=FULL",  # a commit that was acknowledged survives a power cut
    "busy_timeout=5000",
    "foreign_keys=ON",
)


def open_engine(url: str) -> Engine:
    """Return an engine on a database that holds the store's tables; make them if there are none.

    Raises
    ------
    StoreError
        If the place cannot be written, or holds something else than a store of this version.
    """
    engine = _make_engine(url)
    shown = engine.url.render_as_string(hide_password=True)
    try:
        with writing(engine) as connection:
            _make_or_check_tables(connection, shown)
    except (SQLAlchemyError, OSError) as error:
        engine.dispose()
        reason = str(getattr(error, "orig", error))
        raise StoreError(
            f"The label store should be a database that can be read and written at {shown}. "
            f"Found: {reason}."
        ) from error
    return engine


def _make_engine(url: str) -> Engine:
    try:
        parsed = make_url(url)
        if parsed.get_backend_name() == "sqlite" and parsed.database not in (None, "", ":memory:"):
            Path(parsed.database).parent.mkdir(parents=True, exist_ok=True)
        engine = create_engine(parsed)
    except (ArgumentError, NoSuchModuleError, ImportError) as error:
        raise StoreError(
            f"The store's address should be an SQLAlchemy URL with an installed driver. "
            f"Found: {error}."
        ) from error
    except OSError as error:
        raise StoreError(f"The store's folder should be writable. Found: {error}.") from error
    if engine.dialect.name == "sqlite":
        event.listen(engine, "connect", _set_pragmas)
        event.listen(engine, "begin", _begin)
    return engine


def _set_pragmas(connection: Any, _record: Any) -> None:
    # The driver would open transactions by itself, deferred ones, in which two writers that read
    # first end with "database is locked" or with a lost update.
    connection.isolation_level = None
    cursor = connection.cursor()
    for pragma in SQLITE_PRAGMAS:
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _begin(connection: Connection) -> None:
    is_write = connection.get_execution_options().get("moola_write", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if is_write else "BEGIN")


def writing(engine: Engine) -> Any:
    """Return a transaction for writing: it commits whole when its block ends, or not at all."""
    if engine.dialect.name == "sqlite":
        return engine.execution_options(moola_write=True).begin()
    return engine.execution_options(isolation_level="SERIALIZABLE").begin()


def _make_or_check_tables(connection: Connection, shown: str) -> None:
    names = set(inspect(connection).get_table_names())
    if not names:
        metadata.create_all(connection)
        connection.execute(store_meta.insert().values(schema_version=SCHEMA_VERSION))
        return
    if store_meta.name not in names:
        raise StoreError(
            f"The database {shown} should be empty or a Moola store. "
            f"Found other tables: {', '.join(sorted(names)[:5])}."
        )
    found = connection.scalar(select(store_meta.c.schema_version))
    if found != SCHEMA_VERSION:
        raise StoreError(
            f"The store {shown} should have schema version {SCHEMA_VERSION}. Found {found}: "
            "it was written by another version of Moola."
        )
