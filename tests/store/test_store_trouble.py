"""A store that is locked, full or away says so in a sentence, loses nothing, and works again."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from psycopg.sql import SQL, Literal
from sqlalchemy import event

from moola.exceptions import StoreUnavailable
from moola.store import Decision, LabelStore, engine, trouble
from tests.store import postgres
from tests.store.store_desk import FEED, Desk

HOLD_SQLITE = """
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1], isolation_level=None)
connection.execute(sys.argv[2])
connection.execute("BEGIN EXCLUSIVE")
print("locked", flush=True)
sys.stdin.read()
"""


def sentence(act: Callable[[], object]) -> str:
    """Return what a person reads when the store is not available: one line."""
    with pytest.raises(StoreUnavailable) as caught:
        act()
    assert "\n" not in str(caught.value)
    return str(caught.value)


@contextmanager
def held_by_another_process(desk: Desk, pragma: str) -> Iterator[None]:
    command = [sys.executable, "-c", HOLD_SQLITE, desk.url.removeprefix("sqlite:///"), pragma]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"locked\n"
        yield
        holder.kill()


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (engine, trouble):
        monkeypatch.setattr(module, "BUSY_MS", 200)


@pytest.fixture
def small_disk() -> Iterator[Callable[[int], Path]]:
    """Disks of a few MB that are full when they are full."""
    mounted: list[Path] = []

    def mount(n_mb: int) -> Path:
        # not below pytest's own folder, which is closed to the server's user
        folder = Path(tempfile.mkdtemp(prefix="moola-disk-"))
        command = ["mount", "-t", "tmpfs", "-o", f"size={n_mb}m", "tmpfs", str(folder)]
        if os.geteuid() != 0 or subprocess.run(command, check=False).returncode != 0:
            pytest.skip("only root can mount a small disk, and not everywhere")
        mounted.append(folder)
        return folder

    yield mount
    for folder in mounted:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)
        folder.rmdir()


def fill_up(desk: Desk, uid: str) -> tuple[str, str, int]:
    """Write notes until the disk is full; return the op refused, its sentence and what it saw."""
    view = desk.store.window(uid)
    for _ in range(2_000):
        op = desk.op()
        try:
            # noise, since PostgreSQL stores what repeats itself in next to no space
            note = f"{op} {os.urandom(2_000).hex()}"
            view = desk.store.set_note(uid, note, rev=view.rev, op_id=op)
        except StoreUnavailable as error:
            return op, str(error), view.rev
    pytest.fail("the disk never became full")


def write_again(desk: Desk, uid: str, op: str, rev: int) -> None:
    """The refused op left nothing, all before it is there, and it can be done now."""
    assert desk.rev(uid) == rev
    assert [item.op_id for item in desk.store.events(window_uid=uid)].count(op) == 0
    assert desk.store.find_damage() == []


# locked


@pytest.mark.usefixtures("impatient")
def test_a_store_locked_for_too_long_says_so_and_works_afterwards(tmp_path: Path) -> None:
    desk = Desk(f"sqlite:///{tmp_path / 'moola.db'}")
    desk.store.add_series(FEED, op_id="feed")
    (uid,) = desk.add_windows(0)
    with held_by_another_process(desk, "SELECT 1"):
        said = sentence(lambda: desk.store.flag(uid, rev=0, op_id="flag"))
        assert "Found it locked by another process; nothing was written" in said
        assert desk.store.window(uid).state == "unseen", "readers never wait for a writer"
    assert desk.store.flag(uid, rev=0, op_id="flag").state == "flagged"
    assert desk.store.find_damage() == []


@pytest.mark.usefixtures("impatient")
def test_a_store_held_by_another_alone_is_not_even_opened(tmp_path: Path) -> None:
    desk = Desk(f"sqlite:///{tmp_path / 'moola.db'}")
    desk.store.close()
    with held_by_another_process(desk, "PRAGMA locking_mode = EXCLUSIVE"):
        assert "locked by another process" in sentence(lambda: LabelStore.open(desk.url))
    LabelStore.open(desk.url).add_series(FEED, op_id="feed")


@pytest.mark.usefixtures("impatient")
def test_a_server_whose_store_is_locked_says_so_and_works_afterwards() -> None:
    desk = Desk(postgres.server().new_url())
    desk.store.add_series(FEED, op_id="feed")
    (uid,) = desk.add_windows(0)
    with postgres.server().session() as other:
        other.execute(SQL("SELECT pg_advisory_lock({})").format(Literal(engine.ADVISORY_LOCK)))
        said = sentence(lambda: desk.store.flag(uid, rev=0, op_id="flag"))
        assert "locked by another process; nothing was written" in said
        assert desk.store.window(uid).state == "unseen"
    assert desk.store.flag(uid, rev=0, op_id="flag").state == "flagged"
    assert desk.store.find_damage() == []
    desk.store.close()


# full


def test_a_database_that_may_not_grow_refuses_whole_operations(sqlite_desk: Desk) -> None:
    (uid,) = sqlite_desk.add_windows(0)
    sqlite_desk.store.close()
    limited = Desk(sqlite_desk.url)
    limited.store.close()
    event.listen(
        limited.store._engine, "connect", lambda raw, _: raw.execute("PRAGMA max_page_count = 100")
    )
    limited.op = sqlite_desk.op
    op, said, rev = fill_up(limited, uid)
    assert "Found it full; nothing was written" in said
    write_again(limited, uid, op, rev)
    limited.store.close()
    assert sqlite_desk.store.set_note(uid, "n", rev=rev, op_id=op).note == "n"
    assert sqlite_desk.store.find_damage() == []


def test_a_full_disk_loses_nothing_and_works_again_with_space(
    small_disk: Callable[[int], Path],
) -> None:
    disk = small_disk(3)
    ballast = disk / "ballast"
    ballast.write_bytes(b"x" * 1_000_000)
    desk = Desk(f"sqlite:///{disk / 'moola.db'}")
    desk.store.add_series(FEED, op_id="feed")
    (uid,) = desk.add_windows(0)
    op, said, rev = fill_up(desk, uid)
    assert "Found it full; nothing was written" in said
    write_again(desk, uid, op, rev)
    assert "Found it full" in sentence(lambda: desk.store.set_note(uid, "n", rev=rev, op_id=op))
    ballast.unlink()
    assert desk.store.set_note(uid, "n", rev=rev, op_id=op).rev == rev + 1
    assert desk.store.find_damage() == []
    desk.store.close()


def test_a_full_disk_of_a_server_loses_nothing_and_works_again_with_space(
    small_disk: Callable[[int], Path], crashing_server: postgres.PostgresServer
) -> None:
    disk = small_disk(4)
    ballast = disk / "ballast"
    ballast.write_bytes(b"x" * 1_500_000)
    desk = Desk(crashing_server.new_url(on_disk=disk))
    desk.store.add_series(FEED, op_id="feed")
    (uid,) = desk.add_windows(0)
    op, said, rev = fill_up(desk, uid)
    assert "Found it full; nothing was written" in said
    write_again(desk, uid, op, rev)
    ballast.unlink()
    assert desk.store.set_note(uid, "n", rev=rev, op_id=op).rev == rev + 1
    assert desk.store.find_damage() == []
    desk.store.close()


# away


def test_a_server_that_is_not_there_is_named(tmp_path: Path) -> None:
    url = "postgresql+psycopg://moola:secret@127.0.0.1:1/labels"
    said = sentence(lambda: LabelStore.open(url))
    assert "The database server should answer (postgresql" in said
    assert "secret" not in said


def test_a_server_that_was_restarted_is_found_again(
    crashing_server: postgres.PostgresServer,
) -> None:
    desk = Desk(crashing_server.new_url(durable=True))
    desk.store.add_series(FEED, op_id="feed")
    (uid,) = desk.add_windows(0)
    drawn = desk.draw(uid, 50, 65)
    crashing_server.crash()
    assert desk.store.window(uid) == drawn
    crashing_server.crash()
    assert desk.store.flag(uid, rev=drawn.rev, op_id="flag").state == "flagged"
    assert desk.store.find_damage() == []
    desk.store.close()


# refused by the database alone


def test_an_operation_that_only_the_database_refuses_stops_no_other() -> None:
    desk = Desk(postgres.server().new_url())
    desk.store.add_series(FEED, op_id="feed")
    one, two = desk.add_windows(0, 300)
    answers = desk.store.apply(
        [
            Decision(op_id="a", kind="flag", window_uid=one, rev=0),
            Decision(op_id="x" * 300, kind="flag", window_uid=two, rev=0),
            Decision(op_id="b", kind="set_note", window_uid=two, rev=0, args={"note": "a\0b"}),
            Decision(op_id="c", kind="flag", window_uid=two, rev=0),
        ],
        annotator="ann",
    )
    assert [answer.status for answer in answers] == ["done", "refused", "refused", "done"]
    assert "should keep the rules of the label store" in str(answers[1].message)
    assert [view.state for view in desk.store.views(annotator="ann")] == ["flagged", "flagged"]
    assert desk.store.find_damage() == []
    desk.store.close()
