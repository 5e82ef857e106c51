"""The doctor finds what is wrong with a workspace, and nothing in a sound one."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest

from moola.bars import BarStore
from moola.config import FinetuneConfig
from moola.doctor import Check, check, check_devices
from moola.exceptions import DeviceError
from moola.importing import import_bars
from moola.runs import create_run
from moola.store import LabelStore
from moola.workspace import Workspace
from tests.toy_bars import toy_bars


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    workspace = Workspace(tmp_path / "work")
    path = tmp_path / "NQ.parquet"
    toy_bars(200).to_parquet(path)
    store = LabelStore.open(workspace.store_url)
    import_bars(path, store, BarStore(workspace.bars_dir))
    store.close()
    return workspace


def bad(workspace: Workspace) -> dict[str, str]:
    return {item.name: item.found for item in check(workspace) if not item.ok}


def test_a_sound_workspace_passes_every_check(workspace: Workspace) -> None:
    create_run(workspace.runs_dir, FinetuneConfig())
    assert bad(workspace) == {}


def test_missing_bars_are_found(workspace: Workspace) -> None:
    for path in workspace.bars_dir.iterdir():
        path.unlink()
    assert list(bad(workspace)) == ["bars"]


def test_a_store_that_was_edited_behind_its_log_is_found(workspace: Workspace) -> None:
    with closing(sqlite3.connect(workspace.root / "moola.db")) as connection, connection:
        connection.execute("UPDATE series SET symbol = 'ES'")
    assert "rows of table series" in bad(workspace)["label store"]


def test_a_file_that_is_no_store_is_found(workspace: Workspace) -> None:
    (workspace.root / "moola.db").write_bytes(b"no database" * 100)
    assert "label store" in bad(workspace)


def found(workspace: Workspace, name: str) -> Check:
    return next(item for item in check(workspace) if item.name == name)


def test_the_age_of_the_last_backup_is_told(workspace: Workspace) -> None:
    assert "all as the log of 1 events wrote it" in found(workspace, "label store").found
    assert found(workspace, "backups").found.startswith("1 in ")
    assert f"one of {datetime.now(UTC):%Y-%m-%d}" in found(workspace, "backups").found


def test_backups_that_have_stopped_are_found(workspace: Workspace) -> None:
    (workspace.root / "backups").write_text("a file where the folder should be")
    assert "Found none as the last" in bad(workspace)["backups"]


def test_a_workspace_without_a_store_needs_no_backup(tmp_path: Path) -> None:
    assert found(Workspace(tmp_path / "new"), "backups").ok


def test_a_damaged_run_is_named(workspace: Workspace) -> None:
    run = create_run(workspace.runs_dir, FinetuneConfig(), name="broken")
    (run.path / "run.json").write_text("{")
    assert run.id in bad(workspace)["runs"]


def test_devices_that_cannot_be_listed_are_a_finding() -> None:
    def no_answer() -> list[dict[str, str]]:
        raise DeviceError("The devices could not be listed.")

    assert check_devices(no_answer) == Check("devices", False, "The devices could not be listed.")
