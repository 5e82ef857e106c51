"""A store is backed up every day, and comes back from a backup with everything in it."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import make_url

from moola.exceptions import StoreError
from moola.store import LabelStore, backup, place
from tests.store import postgres
from tests.store.store_desk import Desk


@contextmanager
def day(monkeypatch: pytest.MonkeyPatch, days_from_now: int) -> Iterator[None]:
    """Let the clock of the backups stand on another day."""

    class Clock(datetime):
        @classmethod
        def now(cls, tz=None):  # type: ignore[override]
            return datetime.now(tz) + timedelta(days=days_from_now)

    with monkeypatch.context() as patch:
        for module in (backup, place):
            patch.setattr(module, "datetime", Clock)
        yield


def folder(desk: Desk) -> Path:
    return file(desk).parent / "backups"


def file(desk: Desk) -> Path:
    found = place.store_file(make_url(desk.url))
    assert found is not None
    return found


def names(desk: Desk) -> list[str]:
    return sorted(path.name for path in folder(desk).iterdir()) if folder(desk).exists() else []


def content(url: str) -> tuple[object, ...]:
    store = LabelStore.open(url)
    try:
        assert store.find_damage() == []
        return store.views(), store.events(limit=10_000), store.sizes()
    finally:
        store.close()


# the daily one


def test_the_first_to_open_a_store_on_a_day_backs_it_up(sqlite_desk: Desk) -> None:
    assert names(sqlite_desk) == [], "a new store holds nothing to back up"
    for _ in range(3):
        LabelStore.open(sqlite_desk.url).close()
    (only,) = place.backups(file(sqlite_desk))
    assert (only.day, only.why) == (datetime.now(UTC).date(), "")
    assert content(f"sqlite:///{only.path}") == content(sqlite_desk.url)


def test_backups_of_fourteen_days_are_kept(
    sqlite_desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    for days in range(20):
        with day(monkeypatch, days):
            LabelStore.open(sqlite_desk.url).close()
    kept = [item.day for item in place.backups(file(sqlite_desk))]
    newest = datetime.now(UTC).date() + timedelta(days=19)
    assert kept == [newest - timedelta(days=days) for days in range(14)]


def test_many_backups_of_one_day_push_no_other_day_out(
    sqlite_desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    with day(monkeypatch, -5):
        LabelStore.open(sqlite_desk.url).close()
    for number in range(20):
        place.backup_path(file(sqlite_desk)).with_name(
            f"moola-20990101T0000{number:02}Z.db"
        ).write_bytes(b"")
    with day(monkeypatch, 40_000):
        LabelStore.open(sqlite_desk.url).close()
    assert len(names(sqlite_desk)) == 22


def test_what_a_killed_backup_left_is_cleared_away(
    sqlite_desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder(sqlite_desk).mkdir()
    old, fresh = (folder(sqlite_desk) / f".moola-20240101T00000{n}Z.db.7-7" for n in (0, 1))
    for path in (old, fresh):
        path.write_bytes(b"half a store")
    os.utime(old, (0, 0))
    LabelStore.open(sqlite_desk.url).close()
    assert (old.exists(), fresh.exists()) == (False, True)


def test_a_store_that_stays_open_over_night_is_backed_up_too(
    sqlite_desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    backed_up: list[Path | None] = []
    real = backup.back_up_daily
    monkeypatch.setattr(backup, "back_up_daily", lambda url: backed_up.append(real(url)))
    sqlite_desk.add_windows(0)
    assert backed_up == []
    with day(monkeypatch, 1):
        sqlite_desk.add_windows(200)
        for thread in backup.threading.enumerate():
            if thread.name == "daily backup":
                thread.join()
        sqlite_desk.add_windows(400)
    assert [path.name for path in backed_up if path] == names(sqlite_desk) != []


def test_a_backup_that_cannot_be_written_keeps_nobody_from_work(
    sqlite_desk: Desk, caplog: pytest.LogCaptureFixture
) -> None:
    folder(sqlite_desk).write_text("a file where the folder should be")
    store = LabelStore.open(sqlite_desk.url)
    assert "day's backup was not written" in caplog.text
    assert len(store.series()) == 1


# on request


def test_a_backup_is_made_while_somebody_writes(sqlite_desk: Desk) -> None:
    (uid,) = sqlite_desk.add_windows(0)
    with closing(sqlite3.connect(file(sqlite_desk), isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        other.execute("UPDATE review SET note = 'half done'")
        path = backup.back_up(make_url(sqlite_desk.url))
        other.execute("ROLLBACK")
    sqlite_desk.draw(uid, 50, 65)
    assert LabelStore.open(f"sqlite:///{path}").window(uid).spans == ()
    assert sqlite_desk.spans(uid) == [(50, 65)]


def test_a_restore_brings_back_the_backup_and_keeps_what_was_there(sqlite_desk: Desk) -> None:
    (uid,) = sqlite_desk.add_windows(0)
    sqlite_desk.draw(uid, 50, 65)
    path = backup.back_up(make_url(sqlite_desk.url))
    before = content(sqlite_desk.url)
    sqlite_desk.draw(uid, 10, 20)
    later = content(sqlite_desk.url)
    sqlite_desk.store.close()
    done = backup.restore(make_url(sqlite_desk.url), Path(path.name))
    assert content(sqlite_desk.url) == before
    assert done.kept is not None
    assert content(f"sqlite:///{done.kept}") == later
    backup.restore(make_url(sqlite_desk.url), done.kept)
    assert content(sqlite_desk.url) == later


def test_work_goes_on_after_a_restore(sqlite_desk: Desk) -> None:
    (uid,) = sqlite_desk.add_windows(0)
    path = backup.back_up(make_url(sqlite_desk.url))
    sqlite_desk.draw(uid, 50, 65)
    sqlite_desk.store.close()
    backup.restore(make_url(sqlite_desk.url), path)
    assert sqlite_desk.spans(uid) == []
    sqlite_desk.draw(uid, 10, 20)
    assert sqlite_desk.store.find_damage() == []


def test_a_store_in_use_is_not_restored(sqlite_desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backup, "BUSY_MS", 200)
    path = backup.back_up(make_url(sqlite_desk.url))
    before = sqlite_desk.store.events()
    with pytest.raises(StoreError, match="Found it open in another process: stop the app"):
        backup.restore(make_url(sqlite_desk.url), path)
    assert sqlite_desk.store.events() == before
    assert [name for name in names(sqlite_desk) if "replaced" in name] == []


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda path: path.write_bytes(b"holiday pictures" * 500), "damaged"),
        (lambda path: path.write_bytes(path.read_bytes()[:20_000]), "sound|damaged"),
        (lambda path: (path.unlink(), sqlite3.connect(path).execute("CREATE TABLE x(y)")), "store"),
        (lambda path: path.unlink(), "Found no .*; there is moola-"),
    ],
    ids=["no database", "cut off", "of another program", "missing"],
)
def test_a_backup_that_is_none_replaces_nothing(sqlite_desk: Desk, spoil, message: str) -> None:
    backup.back_up(make_url(sqlite_desk.url))
    before = content(sqlite_desk.url)
    sqlite_desk.store.close()
    path = file(sqlite_desk).with_name("copy.db")
    path.write_bytes(place.backups(file(sqlite_desk))[0].path.read_bytes())
    spoil(path)
    with pytest.raises(StoreError, match=message):
        backup.restore(make_url(sqlite_desk.url), path)
    assert content(sqlite_desk.url) == before


def test_a_backup_of_a_newer_moola_replaces_nothing(sqlite_desk: Desk) -> None:
    path = backup.back_up(make_url(sqlite_desk.url))
    sqlite_desk.store.close()
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("UPDATE meta SET value = '99'")
    with pytest.raises(StoreError, match="Found 99: update Moola first"):
        backup.restore(make_url(sqlite_desk.url), path)
    assert len(sqlite_desk.store.series()) == 1


def test_a_server_is_left_to_its_own_tools() -> None:
    url = make_url(postgres.server().new_url())
    with pytest.raises(StoreError, match="pg_dump"):
        backup.back_up(url)
    with pytest.raises(StoreError, match="pg_restore"):
        backup.restore(url, Path("x"))
    assert backup.back_up_daily(url) is None


# a store that is damaged or lost


def test_a_damaged_store_is_refused_with_the_way_back(sqlite_desk: Desk) -> None:
    (uid,) = sqlite_desk.add_windows(0)
    sqlite_desk.draw(uid, 50, 65)
    path = backup.back_up(make_url(sqlite_desk.url))
    before = content(sqlite_desk.url)
    sqlite_desk.store.close()
    spoiled = b"\x00garbage" * 2_000
    with file(sqlite_desk).open("r+b") as raw:
        raw.write(spoiled)
    with pytest.raises(StoreError, match=f"damaged .* by python -m moola restore {path.name}"):
        LabelStore.open(sqlite_desk.url)
    done = backup.restore(make_url(sqlite_desk.url), Path(path.name))
    assert content(sqlite_desk.url) == before
    assert done.kept is not None
    assert done.kept.read_bytes().startswith(spoiled)


def test_damage_in_the_middle_is_found_at_the_first_opening_of_a_day(sqlite_desk: Desk) -> None:
    for bar in range(0, 800, 20):
        sqlite_desk.add_windows(bar)
    path = backup.back_up(make_url(sqlite_desk.url))
    before = content(sqlite_desk.url)
    sqlite_desk.store.close()
    older = path.rename(path.with_name("moola-20200101T000000Z.db"))
    raw = bytearray(file(sqlite_desk).read_bytes())
    raw[40_000:-4_096] = b"\xff" * (len(raw) - 44_096)
    file(sqlite_desk).write_bytes(raw)
    with pytest.raises(StoreError, match=f"damaged .* restore {older.name}"):
        LabelStore.open(sqlite_desk.url)
    assert names(sqlite_desk) == [older.name], "the sound backup is not pushed out by a bad one"
    backup.restore(make_url(sqlite_desk.url), older)
    assert content(sqlite_desk.url) == before


@pytest.mark.parametrize("left", ["nothing", "an empty file"])
def test_a_lost_store_is_not_replaced_by_an_empty_one(sqlite_desk: Desk, left: str) -> None:
    path = backup.back_up(make_url(sqlite_desk.url))
    before = content(sqlite_desk.url)
    sqlite_desk.store.close()
    file(sqlite_desk).unlink()
    if left == "an empty file":
        file(sqlite_desk).touch()
    with pytest.raises(StoreError, match=rf"since it has backups.* restore {path.name}"):
        LabelStore.open(sqlite_desk.url)
    backup.restore(make_url(sqlite_desk.url), path)
    assert content(sqlite_desk.url) == before
