"""How long the Compare page takes to paint 8 runs of 200 epochs in a real browser: `make bench`.

*Painted* is the frame after all 8 x 2 x 4 share areas and 8 x 4 skill lines are drawn, counted from
the click on Compare in the menu of an open app, as a user comes from another page. The runs were
chosen before; their tables stand below the figures and are drawn after them.
"""

from __future__ import annotations

import shutil
import statistics
from pathlib import Path

import numpy as np
from playwright.sync_api import Page, sync_playwright

from moola.bars import BarStore
from moola.runs import RunFolder
from moola.sample import write_sample
from moola.schema import TASKS
from moola.store import LabelStore
from moola.workspace import Workspace
from tests.browser.app_server import running_app
from tests.browser.conftest import CHROMIUM, CHROMIUM_ARGS
from tests.pages.conftest import history_row, write_finished_run

N_RUNS, N_EPOCHS, N_CLICKS = 8, 200, 12
WATCH = """
() => {
  window.painted = new Promise((done) => {
    document.addEventListener("click", () => {
      const start = performance.now();
      const look = () => {
        const drawn = document.querySelectorAll(".js-plotly-plot .scatterlayer .trace").length;
        const ready = drawn >= %d && location.pathname.endsWith("compare");
        requestAnimationFrame(ready ? () => done(performance.now() - start) : look);
      };
      requestAnimationFrame(look);
    }, { capture: true, once: true });
  });
}
""" % (N_RUNS * len(TASKS) * 3)  # noqa: UP031  the script is full of braces


def test_the_compare_page_in_a_browser(tmp_path: Path) -> None:
    workspace = _workspace_with_runs(tmp_path / "workspace")
    ids = ",".join(path.name for path in sorted(workspace.runs_dir.iterdir()) if path.is_dir())
    with running_app(workspace, tmp_path / "server.log") as app, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=CHROMIUM_ARGS)
        page = browser.new_page(viewport={"width": 1440, "height": 1000})
        page.goto(f"{app.url}/compare?runs={ids}")  # the tab then remembers them
        page.wait_for_selector("text=Differences from", timeout=60_000)
        page.get_by_role("link", name="Loss shares").click()
        page.wait_for_selector("text=Raw losses", timeout=60_000)
        times = [_click_to_painted(page) for _ in range(N_CLICKS)]
        browser.close()
    cuts = statistics.quantiles(times, n=20, method="inclusive")
    title = f"{N_RUNS} runs x {N_EPOCHS} epochs, ms from the click"
    print(f"\n{title:44}{'p50':>8}{'p95':>8}{'n':>7}")
    print(f"{'click to all areas and lines painted':44}{cuts[9]:8.0f}{cuts[18]:8.0f}{len(times):7}")


def _click_to_painted(page: Page) -> float:
    page.evaluate(WATCH)
    page.get_by_role("link", name="Compare").click()
    milliseconds = page.evaluate("() => window.painted")
    page.wait_for_timeout(1500)  # the tables, and whatever still loads
    page.get_by_role("link", name="Loss shares").click()
    page.wait_for_timeout(1500)
    return float(milliseconds)


def _workspace_with_runs(root: Path) -> Workspace:
    """Write the sample and eight runs on it, the same predictions with other histories."""
    workspace = Workspace(root)
    store, bars = LabelStore.open(workspace.store_url), BarStore(workspace.bars_dir)
    write_sample(workspace, store, bars)
    first = write_finished_run(workspace, store, bars, n_epochs=N_EPOCHS)
    store.close()
    first.save_config(first.config(), {**first.resolved(), "data_hash": "sample"})
    rng = np.random.default_rng(0)
    for number in range(N_RUNS):
        folder = first.path.with_name(f"{first.id}-{number}")
        shutil.copytree(first.path, folder)
        rows = [_row(epoch, rng) for epoch in range(1, N_EPOCHS + 1)]
        RunFolder(folder).write_history(rows)
    shutil.rmtree(first.path)
    return workspace


def _row(epoch: int, rng: np.random.Generator) -> dict:
    def shares() -> dict[str, float]:
        return dict(zip(TASKS, rng.dirichlet([70, 10, 10, 10]).tolist(), strict=True))

    skill = dict(zip(TASKS, rng.random(len(TASKS)).tolist(), strict=True))
    return history_row(epoch, loss_share=shares(), grad_share=shares(), skill=skill)
