"""Take a picture of every page in light and dark: ``python -m tests.browser.screenshots DIR``.

The workspace is a fresh sample with one finished run of 60 epochs, so it takes about two minutes.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

from playwright.sync_api import Page, sync_playwright

from moola import launching
from moola.bars import BarStore
from moola.config import FinetuneConfig
from moola.sample import write_sample
from moola.store import LabelStore
from moola.workspace import Workspace
from tests.browser.app_server import running_app
from tests.browser.conftest import CHROMIUM, CHROMIUM_ARGS

PAGES = ("data", "windows", "agreement", "coverage", "finetune", "loss_shares", "review")
READY = {
    "data": "text=Series in this workspace",
    "agreement": "text=Trust checks",
    "coverage": "[data-testid=coverage-cell]",
    "windows": "[data-testid=handle-start]",
    "finetune": "text=Start fine-tuning",
    "loss_shares": ".js-plotly-plot .legend",
    "review": "[data-testid=pane-countdown]",
}


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("folder", type=Path, metavar="DIR")
    parser.add_argument("--width", type=int, default=1440)
    parser.add_argument("--workspace", type=Path, help="look at this one instead of a sample")
    args = parser.parse_args()
    args.folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as scratch:
        workspace = Workspace(args.workspace or _sample_with_a_run(Path(scratch) / "work"))
        with running_app(workspace, Path(scratch) / "server.log") as app:
            _take_all(app.url, args.folder, args.width)


def _sample_with_a_run(root: Path) -> Path:
    workspace = Workspace(root)
    write_sample(workspace, LabelStore.open(workspace.store_url), BarStore(workspace.bars_dir))
    run = launching.start_run(workspace, FinetuneConfig(device="cpu"))
    while run.status().is_live:
        time.sleep(1)
    return root


def _take_all(url: str, folder: Path, width: int) -> None:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=CHROMIUM_ARGS)
        for scheme in ("light", "dark"):
            context = browser.new_context(
                color_scheme=scheme, viewport={"width": width, "height": 1000}
            )
            page = context.new_page()
            for name in PAGES:
                address = url if name == "windows" else f"{url}/{name}"
                take(page, address, name, folder / f"{name}_{scheme}_{width}.png")
            context.close()
        browser.close()


def take(page: Page, address: str, name: str, path: Path) -> None:
    """Picture the page of that name once its last element is drawn."""
    page.goto(address)
    page.wait_for_selector(READY[name], timeout=60_000)
    page.wait_for_timeout(1500)  # the last figure's animation
    page.screenshot(path=path)


if __name__ == "__main__":
    main()
