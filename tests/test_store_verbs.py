"""The verbs that check a label store, back it up and bring it back."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from moola.cli import main
from moola.store import LabelStore, backup, place
from moola.workspace import Workspace
from tests.store import postgres
from tests.store.store_desk import FEED, Desk


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    workspace = Workspace(tmp_path / "work")
    desk = Desk(workspace.store_url)
    desk.store.add_series(FEED, op_id="feed")
    (uid,) = desk.add_windows(0)
    desk.draw(uid, 50, 65)
    desk.store.close()
    return workspace


def run(workspace: Workspace, *words: str) -> int:
    return main([*words, "--workspace", str(workspace.root)])


def test_a_sound_store_is_counted(workspace: Workspace, capsys: pytest.CaptureFixture) -> None:
    assert run(workspace, "verify-store") == 0
    said = capsys.readouterr().out
    assert "chain of 3 events holds" in said
    assert "gives every stored value: 1 series, 1 window, " in said
    assert run(workspace, "verify-store", "--json") == 0
    assert json.loads(capsys.readouterr().out)["rows"]["span"] == 1


def test_a_reader_that_leaves_early_as_head_does_is_no_error(workspace: Workspace) -> None:
    nobody_reads, output = os.pipe()
    os.close(nobody_reads)
    words = [sys.executable, "-m", "moola", "verify-store", "--workspace", str(workspace.root)]
    done = subprocess.run(words, stdout=output, stderr=subprocess.PIPE, text=True, check=False)
    os.close(output)
    assert (done.returncode, done.stderr) == (0, "")


def test_an_edited_store_is_an_error(workspace: Workspace, capsys: pytest.CaptureFixture) -> None:
    file = workspace.root / "moola.db"
    with closing(sqlite3.connect(file)) as connection, connection:
        connection.execute("UPDATE span SET seq_end = 66")
    assert run(workspace, "verify-store") == 2
    assert "rows of table span are not those" in capsys.readouterr().err


def test_a_backup_is_brought_back_and_checked(
    workspace: Workspace, capsys: pytest.CaptureFixture
) -> None:
    assert run(workspace, "backup", "--json") == 0
    path = Path(json.loads(capsys.readouterr().out)["backup"])
    store = LabelStore.open(workspace.store_url)
    store.undo(op_id="undo")
    store.close()
    assert run(workspace, "restore", path.name) == 0
    said = capsys.readouterr().out
    assert f"is {path.name} again; what was there is kept as" in said
    assert "chain of 3 events holds" in said
    kept = [item for item in place.backups(workspace.root / "moola.db") if item.why == "replaced"]
    assert len(kept) == 1


def test_a_restore_while_the_app_runs_is_refused(
    workspace: Workspace, capsys: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(backup, "BUSY_MS", 200)
    assert run(workspace, "backup", "--json") == 0
    path = Path(json.loads(capsys.readouterr().out)["backup"])
    app = LabelStore.open(workspace.store_url)
    before = app.events()
    assert run(workspace, "restore", str(path)) == 2
    assert "stop the app" in capsys.readouterr().err
    assert app.events() == before


def test_a_server_is_verified_by_moola_and_backed_up_by_itself(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    monkeypatch.setenv("MOOLA_DATABASE_URL", postgres.server().new_url())
    assert run(workspace, "verify-store") == 0
    assert "chain of 0 events holds" in capsys.readouterr().out
    assert run(workspace, "backup") == 2
    assert "pg_dump" in capsys.readouterr().err
