"""Picture five stories of a loss balance: ``python -m tests.browser.stories DIR``.

`tests/test_stories.py` tells them on a toy; here the runs are those of a user, on the sample: about
two minutes of training on one core. With ``--workspace`` the runs are kept and taken again.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from playwright.sync_api import sync_playwright

from moola.bars import BarStore
from moola.runs import RunFolder, list_runs
from moola.sample import write_sample
from moola.store import LabelStore
from moola.workspace import Workspace
from tests.browser.app_server import ROOT, running_app
from tests.browser.conftest import CHROMIUM, CHROMIUM_ARGS
from tests.browser.screenshots import take

STORIES = {
    "raw": ("--balance", "raw", "--pointer-head", "mean", "--countdown", "raw"),
    "initial": ("--balance", "initial"),
    "epoch": ("--balance", "epoch"),
    "guard": ("--balance", "epoch", "--guard"),
    "frozen": ("--balance", "epoch", "--freeze-encoder"),  # the encoder of the run named epoch
}
EPOCHS = 30


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("folder", type=Path, metavar="DIR")
    parser.add_argument("--width", type=int, default=1440)
    parser.add_argument("--height", type=int, default=1000)
    parser.add_argument("--workspace", type=Path, help="keep the sample and its runs here")
    args = parser.parse_args()
    args.folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as scratch:
        workspace = Workspace(args.workspace or Path(scratch) / "work")
        runs = trained(workspace)
        with running_app(workspace, Path(scratch) / "server.log") as app:
            _take_all(app.url, runs, args.folder, args.width, args.height)


def trained(workspace: Workspace) -> dict[str, RunFolder]:
    """Return the run of every story; train those that the workspace lacks."""
    if not workspace.sample_marker.exists():
        write_sample(workspace, LabelStore.open(workspace.store_url), BarStore(workspace.bars_dir))
    runs = _by_name(workspace)
    for name, options in STORIES.items():
        if name not in runs:
            if name == "frozen":
                options = (*options, "--pretrained-encoder", str(runs["epoch"].path / "best.pt"))
            _finetune(workspace, name, options)
            runs = _by_name(workspace)
    return runs


def _by_name(workspace: Workspace) -> dict[str, RunFolder]:
    return {run.id[16:]: run for run in list_runs(workspace.runs_dir)}


def _finetune(workspace: Workspace, name: str, options: Sequence[str]) -> None:
    command = [sys.executable, "-m", "moola", "finetune", "--store", "--name", name]
    command += ["--workspace", str(workspace.root), "--device", "cpu", "--epochs", str(EPOCHS)]
    subprocess.run([*command, *options], cwd=ROOT, check=True, capture_output=True)


def _take_all(url: str, runs: dict[str, RunFolder], folder: Path, width: int, height: int) -> None:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=CHROMIUM_ARGS)
        for scheme in ("light", "dark"):
            context = browser.new_context(
                color_scheme=scheme, viewport={"width": width, "height": height}
            )
            page = context.new_page()
            for name in STORIES:
                address = f"{url}/loss_shares?run={runs[name].id}"
                take(page, address, "loss_shares", folder / f"{name}_{scheme}_{width}.png")
            context.close()
        browser.close()


if __name__ == "__main__":
    main()
