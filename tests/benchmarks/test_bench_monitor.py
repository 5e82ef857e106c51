"""How fast and how cheap the monitor is in a real browser: `make bench`.

A row written to ``history.jsonl`` counts as *on the screen* in the first frame in which the loss
chart has its bar. Three tabs follow the run; the server's CPU seconds are those of its process.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
from playwright.sync_api import Browser, Page, sync_playwright

from moola.config import FinetuneConfig
from moola.runs import RunFolder, create_run
from moola.schema import TASKS
from moola.store import LabelStore
from moola.workspace import Workspace
from tests.browser.app_server import App, running_app
from tests.browser.conftest import CHROMIUM, CHROMIUM_ARGS

N_EPOCHS, EPOCH_S, N_TABS = 20, 3.0, 3
IDLE_S = 15.0
N_LONG = 100_000
DRAWN = """epoch => new Promise(done => {
  const look = () => {
    const x = document.querySelector('.js-plotly-plot')?.data?.[0]?.x;
    if (x && x[x.length - 1] >= epoch) requestAnimationFrame(() => done(Date.now()));
    else requestAnimationFrame(look);
  };
  look();
})"""


def row(epoch: int) -> dict[str, Any]:
    """An epoch as a training writes it."""
    by_task = dict(zip(TASKS, (0.7, 0.1, 0.1, 0.1), strict=True))
    keys = ("raw", "val_raw", "weight", "loss_share", "grad_raw", "grad_share", "aligned_share")
    metrics = {"hit_at_3": 0.5, "center_mae_norm": 0.03, "countdown_mae_bars": 3.0}
    return {
        "epoch": epoch,
        "step": 5 * epoch,
        "wall": EPOCH_S * epoch,
        "lr": 1e-3,
        "strategy": "epoch",
        **dict.fromkeys(keys, by_task),
        "skill": dict.fromkeys(TASKS, 0.5 + 0.4 * epoch / N_LONG),
        "metrics": metrics | {"type_f1_macro": 0.4, "type_recall_min": 0.3},
    }


def test_the_monitor_in_a_browser(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path / "workspace")
    LabelStore.open(workspace.store_url).close()
    run = create_run(workspace.runs_dir, FinetuneConfig(epochs=N_EPOCHS + 5), name="live")
    run.append_history(row(1))
    with running_app(workspace, tmp_path / "server.log") as app, sync_playwright() as playwright:
        _tell_memory(app, "before any tab")
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=CHROMIUM_ARGS)
        with _carried(run, epoch=1):
            tabs = [_timed_open(browser, app, "1 epoch") for _ in range(N_TABS)]
            _tell_memory(app, "3 tabs opened")
            latencies, cpu = _follow(run, tabs[0], app)
            _report("epoch written to drawn (s)", latencies)
            print(f"{'server CPU, one live run, 3 tabs':44}{cpu:8.1%} of a core")
            run.write_status(state="finished")
        tabs[0].wait_for_timeout(4000)
        print(f"{'server CPU, no run live, 3 tabs':44}{_cpu_share(app, IDLE_S):8.1%} of a core")
        _tell_memory(app, "3 tabs, no run live")
        for tab in tabs:
            tab.close()
        time.sleep(4)
        _tell_memory(app, "all tabs closed")
        _long(workspace, browser, app)
        browser.close()


@contextmanager
def _carried(run: RunFolder, *, epoch: int) -> Iterator[None]:
    """Let a process that does nothing stand for the trainer of a live run."""
    idle = [sys.executable, "-c", "import time; time.sleep(3600)", run.id]
    with subprocess.Popen(idle) as trainer:
        started = psutil.Process(trainer.pid).create_time()
        run.claim("running", epoch=epoch)
        run.write_status(pid=trainer.pid, create_time=started)
        try:
            yield
        finally:
            trainer.kill()


def _tell_memory(app: App, when: str) -> None:
    memory = psutil.Process(app.server.pid).memory_info().rss / 1e6
    print(f"{f'server memory, {when}':44}{memory:8.0f} MB")


def _timed_open(browser: Browser, app: App, what: str) -> Page:
    """Open the newest run in a tab of its own, whose cache is empty, and wait for its charts."""
    began = time.monotonic()
    page = _open(browser, app)
    print(f"{f'{what}: page opened in':44}{time.monotonic() - began:8.1f} s")
    return page


def _open(browser: Browser, app: App) -> Page:
    page = browser.new_page(viewport={"width": 1440, "height": 1000})
    page.goto(f"{app.url}/loss_shares")
    page.wait_for_selector(".js-plotly-plot .legend", timeout=60_000)
    return page


def _follow(run: RunFolder, page: Page, app: App) -> tuple[list[float], float]:
    """Write an epoch now and then; return the latencies and the server's share of a core."""
    page.wait_for_timeout(4000)
    latencies, before, began = [], _cpu_s(app), time.monotonic()
    for epoch in range(2, N_EPOCHS + 2):
        due = time.monotonic() + EPOCH_S
        written = time.time()
        run.append_history(row(epoch))
        run.write_status(epoch=epoch)
        latencies.append(page.evaluate(DRAWN, epoch) / 1000 - written)
        page.wait_for_timeout(max(0.0, due - time.monotonic()) * 1000)
    return latencies, (_cpu_s(app) - before) / (time.monotonic() - began)


def _long(workspace: Workspace, browser: Browser, app: App) -> None:
    """Open a run of 100,000 epochs, then write one more."""
    run = create_run(workspace.runs_dir, FinetuneConfig(epochs=N_LONG + 10), name="long")
    run.write_history([row(epoch) for epoch in range(1, N_LONG + 1)])
    with _carried(run, epoch=N_LONG):
        page = _timed_open(browser, app, "100,000 epochs")
        page.wait_for_timeout(3000)
        written = time.time()
        run.append_history(row(N_LONG + 1))
        seconds = page.evaluate(DRAWN, N_LONG + 1) / 1000 - written
        print(f"{'100,000 epochs: one more is drawn after':44}{seconds:8.2f} s")
        _tell_memory(app, "100,000 epochs")
        run.write_status(state="finished")


def _cpu_s(app: App) -> float:
    times = psutil.Process(app.server.pid).cpu_times()
    return times.user + times.system


def _cpu_share(app: App, seconds: float) -> float:
    before = _cpu_s(app)
    time.sleep(seconds)
    return (_cpu_s(app) - before) / seconds


def _report(name: str, values: Sequence[float]) -> None:
    cuts = statistics.quantiles(values, n=20, method="inclusive")
    print(f"\n{name:44}{cuts[9]:8.2f} p50{cuts[18]:8.2f} p95{len(values):7}")
