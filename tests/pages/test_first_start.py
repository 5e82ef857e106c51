"""The first start of the app: an empty workspace is filled, once, and only an empty one."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import make_url

from moola.store import LabelStore
from moola.store.backup import back_up, restore
from moola.ui import cache
from moola.workspace import Workspace
from tests.pages.conftest import OpenPage, shown_text

pytestmark = pytest.mark.slow


def n_windows(workspace: Workspace) -> int:
    store = LabelStore.open(workspace.store_url)
    try:
        return len(store.windows())
    finally:
        store.close()


def test_an_empty_workspace_is_filled_and_said_to_be_generated(
    open_page: OpenPage, tmp_path: Path
) -> None:
    workspace = Workspace(tmp_path / "new")
    app = open_page(workspace, "windows")
    assert n_windows(workspace) == 174
    assert "generated sample data" in shown_text(app)


def test_a_sample_whose_writing_was_killed_is_finished_at_the_next_start(
    open_page: OpenPage, tmp_path: Path
) -> None:
    workspace = Workspace(tmp_path / "killed")
    LabelStore.open(workspace.store_url).close()
    (workspace.root / ".sample-unfinished").touch()
    open_page(workspace, "windows")
    assert n_windows(workspace) == 174
    assert not (workspace.root / ".sample-unfinished").exists()


def test_a_workspace_that_cannot_be_written_is_a_sentence(
    open_page: OpenPage, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("a file stands where the folder should be")
    app = open_page(Workspace(tmp_path / "file"), "windows")
    assert "should be a folder one can write to" in app.error[0].value


def test_a_lost_store_is_not_replaced_by_a_sample(open_page: OpenPage, tmp_path: Path) -> None:
    workspace = Workspace(tmp_path / "lost")
    open_page(workspace, "windows")
    backup = back_up(make_url(workspace.store_url))
    for path in workspace.root.glob("moola.db*"):
        path.unlink()
    cache.store.clear()
    app = open_page(workspace, "windows")
    assert f"by python -m moola restore {backup.name}" in app.error[0].value
    assert not (workspace.root / "moola.db").exists()
    restore(make_url(workspace.store_url), backup)
    assert n_windows(workspace) == 174
