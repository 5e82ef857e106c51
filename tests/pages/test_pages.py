"""Every page opens, whatever it finds: a helpful page, never a traceback."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from moola.config import FinetuneConfig
from moola.runs import EXAMPLES_FILE, RunFolder, create_run, list_runs
from moola.workspace import Workspace
from tests.pages.conftest import OpenPage, component_data, history_row, shown_text

PAGES = ("data", "windows", "agreement", "coverage", "finetune", "loss_shares", "compare", "review")


@pytest.mark.parametrize("page", PAGES)
def test_every_page_opens_on_the_sample(page: str, open_page: OpenPage, sample: Workspace) -> None:
    app = open_page(sample, page)
    assert not app.exception
    assert not app.error
    assert "generated sample data" in shown_text(app)


HELP_ON_EMPTY = {
    "data": "Bring bars in",
    "agreement": "Nobody has decided a window yet",
    "coverage": "python -m moola import",
    "windows": "python -m moola import",
    "finetune": "python -m moola import",
    "loss_shares": "Start one on the Fine-tune page",
    "compare": "Start one on the Fine-tune page",
    "review": "nothing to review",
}


@pytest.mark.parametrize("page", PAGES)
def test_every_page_helps_on_an_empty_workspace(
    page: str, open_page: OpenPage, empty: Workspace
) -> None:
    app = open_page(empty, page)
    assert not app.exception
    assert HELP_ON_EMPTY[page] in shown_text(app)
    assert "generated sample data" not in shown_text(app)


def remove(name: str) -> Callable[[RunFolder], None]:
    return lambda run: (run.path / name).unlink(missing_ok=True)


def garble(name: str) -> Callable[[RunFolder], None]:
    return lambda run: (run.path / name).write_bytes(b"\x00{not what it was") and None


def empty_folder(run: RunFolder) -> None:
    for path in run.path.iterdir():
        path.unlink()


def cut_history(run: RunFolder) -> None:
    path = run.path / "history.jsonl"
    path.write_bytes(path.read_bytes()[:-40])


DAMAGES = {
    "empty folder": empty_folder,
    "history line cut short": cut_history,
    **{f"no {name}": remove(name) for name in ("config.json", "run.json", EXAMPLES_FILE)},
    **{f"no {name}": remove(name) for name in ("history.jsonl", "predictions.parquet")},
    **{f"garbled {name}": garble(name) for name in ("config.json", "run.json", EXAMPLES_FILE)},
    **{f"garbled {n}": garble(n) for n in ("history.jsonl", "predictions.parquet", "success.json")},
}


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES.keys())
def test_every_page_survives_a_broken_run_folder(
    damage: Callable[[RunFolder], None], open_page: OpenPage, sample: Workspace
) -> None:
    (run,) = list_runs(sample.runs_dir)
    damage(run)
    app = open_page(sample)
    for page in PAGES:
        app.switch_page(f"pages/{page}.py").run()
        assert not app.exception, f"{page}: {app.exception}"
        assert app.markdown[0].value, page


def test_a_file_that_is_no_store_is_named_in_one_sentence(
    open_page: OpenPage, tmp_path: Path
) -> None:
    (tmp_path / "moola.db").write_bytes(b"not a database, but long enough to look like one" * 40)
    app = open_page(Workspace(tmp_path))
    assert not app.exception
    assert "moola.db" in app.error[0].value


def test_an_empty_folder_is_filled_with_the_sample(open_page: OpenPage, tmp_path: Path) -> None:
    workspace = Workspace(tmp_path / "new")
    app = open_page(workspace)
    assert not app.exception
    assert workspace.sample_marker.exists()
    assert component_data(app, "annotator")["annotator"] == "local"


def test_a_new_run_without_an_epoch_has_a_page(open_page: OpenPage, sample: Workspace) -> None:
    run = create_run(sample.runs_dir, FinetuneConfig(), name="zz")
    app = open_page(sample, "loss_shares", run=run.id)
    assert not app.exception
    run.append_history(history_row(1, grad_share=None, grad_raw=None))
    assert not app.run().exception


def test_no_page_loads_torch(sample: Workspace) -> None:
    code = "\n".join(
        [
            "import os, sys",
            f"os.environ['MOOLA_WORKSPACE'] = {str(sample.root)!r}",
            "from moola import launching",
            "launching.list_devices = lambda: []",  # it loads torch, in a process of its own
            "from streamlit.testing.v1 import AppTest",
            "app = AppTest.from_file('app.py', default_timeout=60).run()",
            f"for page in {PAGES!r}:",
            "    app.switch_page(f'pages/{page}.py').run()",
            "    assert not app.exception, app.exception",
            "sys.exit('torch was loaded' if 'torch' in sys.modules else 0)",
        ]
    )
    root = Path(__file__).parents[2]
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]


def test_a_workspace_that_cannot_be_made_is_named_in_one_sentence(
    open_page: OpenPage, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("not a folder", encoding="utf-8")
    app = open_page(Workspace(tmp_path / "file"))
    assert not app.exception
    assert "should be" in app.error[0].value
