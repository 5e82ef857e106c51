"""Backups of a SQLite store: one a day by itself, one on request, and the way back.

A backup is written by ``VACUUM INTO`` under another name, flushed to the disk and renamed: it is
there whole or not at all, and nobody has to stop working for it. Restoring asks for the store alone
and keeps what was there. A PostgreSQL store is backed up by its server's own tools.
"""

from __future__ import annotations

import logging
import os
import shutil
import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from sqlalchemy import URL

from moola.atomic import flush, written
from moola.exceptions import StoreError
from moola.store.place import BACKUPS, backup_path, backups, name_of, store_file
from moola.store.tables import SCHEMA_VERSION
from moola.store.trouble import BUSY_MS, DAMAGED, plain_errors

KEEP_DAYS = 14
"""Plain backups of this many days are kept; those with a reason are left to the user."""

ABANDONED_S = 24 * 3600
"""A backup that has not been finished after a day never will be."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Restored:
    """What a restore did: the store, the backup it is now, and where the former one went."""

    store: Path
    backup: Path
    kept: Path | None

    def __str__(self) -> str:
        kept = f"what was there is kept as {self.kept}" if self.kept else "there was none before"
        return f"{self.store} is {self.backup.name} again; {kept}"


def back_up(url: URL, *, why: str = "") -> Path:
    """Write a backup of the store as it is now and return its path."""
    file = _own_file(url)
    if not file.is_file():
        raise StoreError(f"A label store should be there to back up. Found none at {file}.")
    path = backup_path(file, why)
    with plain_errors(url), _opened(file) as connection:
        _copy_into(connection, path)
    return path


def back_up_daily(url: URL) -> Path | None:
    """Write the day's first backup and drop those too old to keep; None if it is there already.

    A store that is damaged is a `StoreError`. Where only the backup cannot be written, the log says
    so and work goes on.
    """
    file = store_file(url)
    if file is None or not file.is_file():
        return None
    known = [backup for backup in backups(file) if not backup.why]
    if known and known[0].day == datetime.now(UTC).date():
        return None
    try:
        path = back_up(url)
    except (StoreError, OSError) as error:
        if _is_damage(error):
            raise
        _log.warning("The day's backup was not written: %s", error)
        return None
    _drop_old(file)
    return path


class BackupOfTheDay:
    """Lets a store that stays open for days have its daily backup, without anybody waiting.

    `look` listens for connections that are taken out of the pool.
    """

    def __init__(self, url: URL) -> None:
        self._url = url
        self._day = _today()

    def look(self, *_event: Any) -> None:
        """Begin the backup if a new day has come since the last look."""
        if self._day == _today():
            return
        self._day = _today()
        threading.Thread(target=self._back_up, name="daily backup", daemon=True).start()

    def _back_up(self) -> None:
        try:
            back_up_daily(self._url)
        except StoreError as error:
            _log.error("%s", error)


def restore(url: URL, backup: Path) -> Restored:
    """Put a backup in the place of the store, and what was there beside the backups.

    ``backup`` is a file, or the name of one among the store's backups.
    """
    file = _own_file(url)
    source = backup if backup.is_file() else file.parent / BACKUPS / backup.name
    if not source.is_file():
        names = ", ".join(item.path.name for item in backups(file)[:KEEP_DAYS])
        raise StoreError(
            f"The backup should be a file. Found no {backup}; there is {names or '-'}."
        )
    with plain_errors(url.set(database=str(source))):
        _check_sound(source)
    if file.exists():
        with plain_errors(url):
            try:
                return Restored(file, source, _swap(file, source))
            except sqlite3.DatabaseError as error:
                if not _is_damage(error):
                    raise
    kept = _move_away(file)
    _install(source, file)
    return Restored(file, source, kept)


def _swap(file: Path, source: Path) -> Path:
    """Copy the store away and the backup in, in one go that no other process can get between."""
    kept = backup_path(file, "replaced")
    with _opened(file) as connection, closing(sqlite3.connect(source)) as good:
        connection.execute("PRAGMA locking_mode = EXCLUSIVE")
        try:
            connection.execute("BEGIN EXCLUSIVE")
            connection.execute("COMMIT")  # the lock stays
        except sqlite3.OperationalError as error:
            raise StoreError(
                f"The label store {file} should not be in use during a restore. Found it open in "
                "another process: stop the app and other commands first."
            ) from error
        _copy_into(connection, kept)
        good.backup(connection)
    return kept


def _move_away(file: Path) -> Path | None:
    """Rename a damaged store and what belongs to it; None if nothing of it is there."""
    kept = backup_path(file, "damaged")
    kept.parent.mkdir(parents=True, exist_ok=True)
    endings = [end for end in ("", "-wal", "-shm") if file.with_name(file.name + end).exists()]
    for ending in endings:
        os.replace(file.with_name(file.name + ending), kept.with_name(kept.name + ending))
    return kept if endings else None


def _install(source: Path, file: Path) -> None:
    with written(file) as unfinished:
        shutil.copyfile(source, unfinished)
    flush(file.parent)


def _copy_into(connection: sqlite3.Connection, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with written(path) as unfinished:
        connection.execute("VACUUM INTO ?", (str(unfinished),))
    flush(path.parent)


@contextmanager
def _opened(file: Path) -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(file, isolation_level=None)) as connection:
        connection.execute(f"PRAGMA busy_timeout = {BUSY_MS}")
        yield connection


def _check_sound(source: Path) -> None:
    with closing(sqlite3.connect(f"{source.resolve().as_uri()}?mode=ro", uri=True)) as connection:
        (found,) = connection.execute("PRAGMA quick_check(1)").fetchone()
        names = {name for (name,) in connection.execute("SELECT name FROM sqlite_master")}
        schema = _schema(connection) if {"meta", "event"} <= names else ""
    if found != "ok":
        raise StoreError(f"The backup {source} should be sound. Found: {found}.")
    if not schema:
        raise StoreError(f"The backup {source} should be a label store. Found another database.")
    if not schema.isdigit() or int(schema) > int(SCHEMA_VERSION):
        raise StoreError(
            f"The backup {source} should have schema {SCHEMA_VERSION} or an older one. Found "
            f"{schema}: update Moola first."
        )


def _schema(connection: sqlite3.Connection) -> str:
    found = connection.execute("SELECT value FROM meta WHERE key = 'schema'").fetchone()
    return str(found[0]) if found else ""


def _drop_old(file: Path) -> None:
    known = [backup for backup in backups(file) if not backup.why]
    kept_days = sorted({backup.day for backup in known}, reverse=True)[:KEEP_DAYS]
    for backup in known:
        if backup.day not in kept_days:
            backup.path.unlink(missing_ok=True)
    for path in (file.parent / BACKUPS).glob(f".{file.stem}-*"):  # of a process that was killed
        with suppress(FileNotFoundError):  # another process has just given it its name
            if time.time() - path.stat().st_mtime > ABANDONED_S:
                path.unlink()


def _is_damage(error: BaseException) -> bool:
    cause = error if isinstance(error, sqlite3.Error) else error.__cause__
    return isinstance(cause, sqlite3.Error) and cause.sqlite_errorcode & 0xFF in DAMAGED


def _own_file(url: URL) -> Path:
    file = store_file(url)
    if file is None:
        raise StoreError(
            f"Moola backs up and restores a SQLite store. Found {name_of(url)}: use the tools of "
            "its server, pg_dump and pg_restore."
        )
    return file


def _today() -> date:
    return datetime.now(UTC).date()
