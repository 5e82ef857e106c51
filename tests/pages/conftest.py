"""Workspaces in the states a page can meet, and the app opened on one of them."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient
from streamlit.testing.v1 import AppTest

from moola import launching
from moola.bars import BarStore
from moola.collect import collect
from moola.config import FinetuneConfig
from moola.runs import EXAMPLES_FILE, RunFolder, create_run
from moola.schema import SPAN_TYPES, TASKS, WINDOW_LENGTH
from moola.store import LabelStore
from moola.ui import cache, monitor_routes
from moola.workspace import Workspace
from tests.sample_workspace import made_once, sample_copy

APP = Path(__file__).parents[2] / "app.py"
TIMEOUT_S = 30
OpenPage = Callable[..., AppTest]


@pytest.fixture(autouse=True)
def quick_devices(monkeypatch: pytest.MonkeyPatch) -> None:
    """Devices without the seconds that a subprocess with torch takes."""
    cache.devices.clear()
    monkeypatch.setattr(launching, "list_devices", lambda: [{"key": "cpu", "name": "a test"}])


@pytest.fixture(scope="session")
def written_sample(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """The sample workspace with one finished run; tests work on copies."""

    def make(root: Path) -> None:
        workspace = sample_copy(tmp_path_factory, root)
        store, bars = LabelStore.open(workspace.store_url), BarStore(workspace.bars_dir)
        write_finished_run(workspace, store, bars)
        store.close()

    return Workspace(made_once(tmp_path_factory, "sample-with-run", make))


@pytest.fixture
def sample(written_sample: Workspace, tmp_path: Path) -> Workspace:
    shutil.copytree(written_sample.root, tmp_path / "sample")
    return Workspace(tmp_path / "sample")


@pytest.fixture
def empty(tmp_path: Path) -> Workspace:
    """A workspace whose store was made, but that holds nothing."""
    workspace = Workspace(tmp_path / "empty")
    LabelStore.open(workspace.store_url).close()
    return workspace


@pytest.fixture
def open_page(monkeypatch: pytest.MonkeyPatch) -> OpenPage:
    """Open the app on a workspace at one of its pages."""

    def open_at(workspace: Workspace, page: str = "windows", **query: str) -> AppTest:
        monkeypatch.setenv("MOOLA_WORKSPACE", str(workspace.root))
        app = AppTest.from_file(str(APP), default_timeout=TIMEOUT_S)
        for name, value in query.items():
            app.query_params[name] = value
        app.run()
        return app if page == "windows" else app.switch_page(f"pages/{page}.py").run()

    return open_at


def component_data(app: AppTest, name: str, label: str | None = None) -> dict[str, Any]:
    """Return what a page handed to the component that has `name` among its data."""
    for element in app.get("bidi_component"):
        data = json.loads(element.proto.json)
        if name in data and label in (None, data.get("label")):
            return data
    raise AssertionError(f"no component with {name}")


def drawn(app: AppTest, workspace: Workspace) -> dict[str, Any]:
    """Return what the browser asks for to draw the charts and tiles of a run's page."""
    asked = {name: component_data(app, "cameras")[name] for name in ("run", "span")}
    monitor = Starlette(routes=monitor_routes.routes(workspace))
    answer = TestClient(monitor, base_url="http://127.0.0.1").get("/monitor/figures", params=asked)
    assert answer.status_code == 200, answer.text
    return answer.json()


def shown_text(app: AppTest) -> str:
    """Return every text, message and caption of the page."""
    kinds = (app.markdown, app.caption, app.info, app.error, app.warning, app.code, app.metric)
    return "\n".join(str(element.value) for kind in kinds for element in kind)


def write_finished_run(
    workspace: Workspace, store: LabelStore, bars: BarStore, *, n_epochs: int = 8
) -> RunFolder:
    """Write a run whose spans are two bars off, and one window missed."""
    config = FinetuneConfig(epochs=n_epochs, device="cpu")
    examples = collect(config, store=store, bar_store=bars)
    run = create_run(workspace.runs_dir, config, name="made")
    examples.save(run.path / EXAMPLES_FILE)
    n_val = int(examples.is_val.sum())
    counts = {"device": "cpu", "n_train": len(examples) - n_val, "n_val": n_val}
    run.save_config(config, counts)
    for epoch in range(1, n_epochs + 1):
        run.append_history(history_row(epoch))
    windows = examples.take(examples.first_of_each_window())
    tables = [
        _predicted(uid, "val" if is_val else "train", start + 2, end, type_id)
        for uid, is_val, start, end, type_id in zip(
            windows.window_uid.tolist(),
            windows.is_val.tolist(),
            windows.start.tolist(),
            windows.end.tolist(),
            windows.type_id.tolist(),
            strict=True,
        )
    ]
    first_val = int(np.flatnonzero(windows.is_val)[0])
    tables[first_val] = tables[first_val].assign(start=-1, end=-1)
    pd.concat(tables).to_parquet(run.path / "predictions.parquet", index=False)
    run.write_status(state="finished", epoch=n_epochs, epochs=n_epochs)
    return run


def history_row(epoch: int, **changes: Any) -> dict[str, Any]:
    targets = dict(zip(TASKS, (0.7, 0.1, 0.1, 0.1), strict=True))
    loss = dict.fromkeys(TASKS, 1.0 / epoch)
    metrics = {"hit_at_3": 0.7, "center_mae_norm": 0.01, "countdown_mae_bars": 2.0}
    row = {
        "epoch": epoch,
        "step": 5 * epoch,
        "wall": 2.0 * epoch,
        "lr": 1e-3,
        "strategy": "epoch",
        "raw": loss,
        "val_raw": loss,
        "weight": targets,
        "loss_share": targets,
        "grad_raw": loss,
        "grad_share": targets,
        "skill": dict.fromkeys(TASKS, 0.5),
        "metrics": metrics | {"type_f1_macro": 0.4, "type_recall_min": 0.4},
    }
    return row | changes


def _predicted(uid: str, split: str, start: int, end: int, type_id: int) -> pd.DataFrame:
    bar = np.arange(WINDOW_LENGTH, dtype=np.int16)
    start = min(start, end)
    probability = {f"prob_{name}": 0.1 for name in SPAN_TYPES}
    probability[f"prob_{SPAN_TYPES[type_id]}"] = 0.8
    values = {
        "window_uid": uid,
        "split": split,
        "bar": bar,
        "binary_prob": ((bar >= start) & (bar <= end)) * 0.9,
        "binary_logit": 0.0,
        "countdown_bars": (start - bar).astype(float),
        "ptr_center_norm": (start + end) / 2 / 104,
        "ptr_length_norm": (end - start + 1) / 105,
        "ptr_start": start,
        "ptr_end": end,
        "start": start,
        "end": end,
        "confidence": 0.8,
        "p_no_span": 0.1,
    }
    return pd.DataFrame(values | probability)
