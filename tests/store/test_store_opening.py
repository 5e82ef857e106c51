"""Opening a store makes it, or says in one sentence why it cannot; the database guards itself."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest
from sqlalchemy.exc import IntegrityError

from moola.exceptions import StoreError
from moola.store import LabelStore, Series
from tests.store.store_desk import Desk


def refusal(url: str) -> str:
    with pytest.raises(StoreError) as caught:
        LabelStore.open(url)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_folders_and_tables_are_made(tmp_path: Path) -> None:
    store = LabelStore.open(f"sqlite:///{tmp_path / 'a' / 'b' / 'moola.db'}")
    assert (store.series(), store.views(), store.events()) == ([], [], [])


def test_what_was_written_is_there_after_a_restart(desk: Desk, feed: Series) -> None:
    (uid,) = desk.add_windows(10)
    drawn = desk.draw(uid, 50, 65)
    desk.store.close()
    again = LabelStore.open(desk.url)
    assert again.series() == [feed]
    assert again.window(uid) == drawn


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    assert "file should be a folder" in refusal(f"sqlite:///{tmp_path / 'file' / 'moola.db'}")


def test_a_database_that_cannot_be_opened_is_named(tmp_path: Path) -> None:
    (tmp_path / "moola.db").mkdir()
    assert "unable to open database file" in refusal(f"sqlite:///{tmp_path / 'moola.db'}")


def test_a_file_that_is_no_database_is_refused_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "moola.db"
    path.write_bytes(b"holiday pictures" * 100)
    assert "damaged (file is not a database). There is no backup" in refusal(f"sqlite:///{path}")
    assert path.read_bytes() == b"holiday pictures" * 100


def test_the_database_of_another_program_is_refused_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "other.db"
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE recipe(name TEXT)")
    assert "without the tables" in refusal(f"sqlite:///{path}")
    with sqlite3.connect(path) as connection:
        tables = connection.execute("SELECT name FROM sqlite_master").fetchall()
    assert tables == [("recipe",)]


def test_a_store_of_another_version_is_refused(desk: Desk) -> None:
    desk.edit("UPDATE meta SET value = '99'")
    assert "Found 99" in refusal(desk.url)


@pytest.mark.parametrize(
    ("url", "message"),
    [("moola.db", "should look like"), ("nonsense://x", "driver of nonsense")],
)
def test_an_address_that_is_none_is_named(url: str, message: str) -> None:
    assert message in refusal(url)


def test_a_store_that_cannot_be_written_says_so(
    sqlite_desk: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk = sqlite_desk
    monkeypatch.chdir(tmp_path)
    (uid,) = desk.add_windows(10)
    readable = LabelStore.open(f"sqlite:///file:{tmp_path / 'moola.db'}?mode=ro&uri=true")
    assert readable.window(uid).state == "unseen"
    with pytest.raises(StoreError, match="readonly database"):
        readable.flag(uid, rev=0, op_id="flag")
    assert not (tmp_path / "file:").exists(), "an address is no folder"


def test_every_connection_is_safe(sqlite_desk: Desk) -> None:
    with sqlite_desk.store._engine.connect() as connection:
        found = {
            name: connection.exec_driver_sql(f"PRAGMA {name}").scalar()
            for name in ("journal_mode", "foreign_keys", "synchronous", "busy_timeout")
        }
    assert found == {
        "journal_mode": "wal", "foreign_keys": 1, "synchronous": 2, "busy_timeout": 5000
    }  # fmt: skip


SPAN = (
    "INSERT INTO span (span_id, series_id, annotator, seq_start, seq_end, type, origin) "
    "VALUES ('s', 'NQ-00000000', 'local', {}, {}, {}, 'human')"
)
WINDOW = """INSERT INTO "window" VALUES('w', {}, NULL)"""
REVIEW = (
    "INSERT INTO review (window_uid, annotator, state, reason, note, rev, updated_at) "
    "VALUES ('{}', 'local', {}, {}, '', 1, 'now')"
)


@pytest.mark.parametrize(
    "statement",
    [
        SPAN.format(10, 9, "'reversal'"),
        SPAN.format(10, 115, "'reversal'"),
        SPAN.format(-1, 5, "'reversal'"),
        SPAN.format(10, 12, "'breakout'"),
        "UPDATE span SET grade = 'D'",
        "UPDATE span SET confidence = 4",
        "UPDATE span SET start_lo = seq_start",
        "UPDATE span SET start_lo = seq_start + 1, start_hi = seq_start + 2",
        "UPDATE span SET end_lo = seq_end - 2, end_hi = seq_end - 1",
        "UPDATE span SET pre_seq_start = seq_start",
        "UPDATE span SET rule_version = 'a rule that is not there'",
        "UPDATE review SET mode = 'drunk'",
        "UPDATE review SET seconds = -1",
        REVIEW.format("{uid}", "'rejected'", "NULL"),
        REVIEW.format("{uid}", "'verified'", "'chop'"),
        REVIEW.format("{uid}", "NULL", "'chop'"),
        REVIEW.format("{uid}", "'proposed'", "NULL"),
        REVIEW.format("{uid}", "'rejected'", "'boredom'"),
        REVIEW.format("nobody", "'verified'", "NULL"),
        WINDOW.format("'NQ-00000000', 5, 104"),
        WINDOW.format("'NQ-00000000', 10, 105"),
        WINDOW.format("'no series', 5, 105"),
        "UPDATE event SET kind = 'accept'",
        "DELETE FROM event",
    ],
)
def test_the_database_refuses_what_the_rules_forbid(desk: Desk, statement: str) -> None:
    desk.add_windows(300, spans=[(50, 60, "reversal")])
    (uid,) = desk.add_windows(10)
    with pytest.raises(IntegrityError):
        desk.edit(statement.format(uid=uid))
