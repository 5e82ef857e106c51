"""Where a label store lies, and which backups lie beside it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path

from sqlalchemy import URL

STAMP = "%Y%m%dT%H%M%SZ"
BACKUPS = "backups"


@dataclass(frozen=True, slots=True)
class Backup:
    """A copy of a store: ``moola-20261125T082610Z.db``, or one with a word why it was kept."""

    path: Path
    made_at: datetime
    why: str
    """Empty for a plain backup; ``schema-1`` (before an upgrade), ``replaced`` or ``damaged``."""

    @property
    def day(self) -> date:
        """The day it was made, in UTC like all times of the store."""
        return self.made_at.date()


def store_file(url: URL) -> Path | None:
    """Return the file of a SQLite store; None for a server, or a database in memory."""
    if url.get_backend_name() != "sqlite" or not url.database or url.database == ":memory:":
        return None
    return None if url.database.startswith("file:") else Path(url.database)


def name_of(url: URL) -> str:
    """Return what a person calls the store: its file, or its address without the password."""
    return str(store_file(url) or url.set(query={}).render_as_string(hide_password=True))


def backup_path(file: Path, why: str = "") -> Path:
    """Return where a backup made now belongs."""
    stamp = datetime.now(UTC).strftime(STAMP)
    return file.parent / BACKUPS / f"{file.stem}-{stamp}{f'-{why}' if why else ''}.db"


def backups(file: Path) -> list[Backup]:
    """Return the backups of a store, newest first."""
    pattern = re.compile(rf"{re.escape(file.stem)}-(\d{{8}}T\d{{6}}Z)(?:-([a-z0-9-]+))?\.db")
    found = []
    for path in (file.parent / BACKUPS).glob(f"{file.stem}-*.db"):
        if match := pattern.fullmatch(path.name):
            made_at = datetime.strptime(match[1], STAMP).replace(tzinfo=UTC)
            found.append(Backup(path, made_at, match[2] or ""))
    return sorted(found, key=lambda backup: (backup.made_at, backup.why), reverse=True)


def newest_sound(file: Path) -> Backup | None:
    """Return the newest backup that was made of a sound store, to go on from."""
    kept = (item for item in backups(file) if item.why not in ("replaced", "damaged"))
    return next(kept, None)


def way_back(url: URL) -> str:
    """Say in a sentence how to get back to the last backup."""
    file = store_file(url)
    if file is None:
        return "Bring it back with the tools of the server (pg_restore)."
    backup = newest_sound(file)
    if backup is None:
        return f"There is no backup in {file.parent / BACKUPS}."
    return (
        f"The last backup is of {backup.made_at:%Y-%m-%d %H:%M} UTC: stop the app and bring it "
        f"back by python -m moola restore {backup.path.name}; what is there now is kept."
    )
