"""What a database says when it cannot, in one sentence of what to do."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import URL
from sqlalchemy.exc import DataError, DBAPIError, IntegrityError, InterfaceError, OperationalError

from moola.exceptions import StoreError, StoreUnavailable
from moola.store.place import name_of, way_back

BUSY_MS = 5_000
"""How long one waits for another writer before the store counts as locked."""

LOCKED = {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, "55P03"}
FULL = {sqlite3.SQLITE_FULL, "53100"}
DAMAGED = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, "XX001", "XX002"}
# the server is not there, is starting or stopping, or has no place left for one more
AWAY = {"57P01", "57P02", "57P03", "53300", "08000", "08003", "08006"}


BROKEN_RULES = (IntegrityError, DataError)
"""What SQLAlchemy raises when the database refuses a row, not the transaction around it."""


@contextmanager
def plain_errors(url: URL) -> Iterator[None]:
    """Turn what the driver raises into a `StoreError`; the transaction is rolled back by then."""
    try:
        yield
    except BROKEN_RULES as error:
        raise broken_rule(error) from error
    except DBAPIError as error:
        # what the client itself could not reach the server for carries no code of the server
        lost = isinstance(error, OperationalError | InterfaceError) and _code(error.orig) is None
        raise explain(error.orig, url, lost=lost) from error
    except sqlite3.Error as error:
        raise explain(error, url) from error


def broken_rule(error: IntegrityError | DataError) -> StoreError:
    """Return the sentence for a row that the database's own rules refuse."""
    return StoreError(
        f"A row should keep the rules of the label store. Found: {_line(error.orig)}."
    )


def explain(error: BaseException | None, url: URL, *, lost: bool = False) -> StoreError:
    """Return the sentence for an error of the driver."""
    code, place = _code(error), name_of(url)
    if code in LOCKED:
        return StoreUnavailable(
            f"The label store {place} should be free within {BUSY_MS / 1000:g} s. Found it locked "
            "by another process; nothing was written, and the same can be done again when that "
            "one has finished."
        )
    if code in FULL:
        return StoreUnavailable(
            f"The disk under the label store {place} should have room. Found it full; nothing was "
            "written, what was saved before is safe, and the same can be done again once there is "
            "space."
        )
    if code in DAMAGED:
        return StoreError(
            f"The label store {place} should be a sound database. Found it damaged "
            f"({_line(error)}). {way_back(url)}"
        )
    if lost or code in AWAY:
        return StoreUnavailable(
            f"The database server should answer ({place}). Found: {_line(error)}."
        )
    return StoreError(
        f"The label store should be readable and writable. Found: {_line(error)} ({place})."
    )


def _code(error: BaseException | None) -> int | str | None:
    """Return SQLite's primary error code, or PostgreSQL's SQLSTATE."""
    if isinstance(error, sqlite3.Error):
        return getattr(error, "sqlite_errorcode", 0) & 0xFF  # the rest tells variants apart
    return getattr(error, "sqlstate", None)


def _line(error: BaseException | None) -> str:
    return " ".join(str(error).split()).rstrip(".")
