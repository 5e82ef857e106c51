"""A training from its start to its cure, and what survives kill -9, in a real browser."""

from __future__ import annotations

import os
import re
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from moola import launching
from moola.runs import RunFolder, list_runs
from moola.workspace import Workspace
from tests.browser.app_server import App, running_app
from tests.processes import long_run
from tests.sample_workspace import sample_copy

pytestmark = [pytest.mark.browser, pytest.mark.slow]

TRAINING_TIMEOUT_MS = 180_000


@pytest.fixture
def sample(tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    return sample_copy(tmp_path_factory, tmp_path / "workspace")


@pytest.fixture
def app(sample: Workspace, tmp_path: Path) -> Iterator[App]:
    with running_app(sample, tmp_path / "server.log") as app:
        yield app


def state_chip(page: Page, state: str) -> Locator:
    return page.get_by_text(state, exact=True).first


def wait_for_epoch(run: RunFolder, epoch: int) -> None:
    deadline = time.monotonic() + TRAINING_TIMEOUT_MS / 1000
    while len(run.history()) < epoch:
        assert time.monotonic() < deadline, run.log_tail()
        time.sleep(0.1)


def click_cure(page: Page, *, n_epochs: int) -> None:
    page.get_by_role("button", name="Restart…").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Loss balance").click()
    page.get_by_role("option", name="ema", exact=True).click()
    epochs = dialog.get_by_role("spinbutton", name="Epochs")
    epochs.fill(str(n_epochs))
    epochs.press("Enter")
    dialog.get_by_role("button", name="Start").click()


def test_start_watch_stop_resume_and_restart_with_another_strategy(app: App, page: Page) -> None:
    page.goto(f"{app.url}/finetune")
    epochs = page.get_by_role("spinbutton", name="Epochs")
    epochs.fill("400")
    epochs.press("Enter")
    start = page.get_by_role("button", name="Start fine-tuning")
    expect(start).to_be_enabled(timeout=60_000)
    start.click()
    expect(page.get_by_text(re.compile("Started")).first).to_be_visible(timeout=60_000)
    page.goto("about:blank")  # it outlives the page that started it
    (run,) = list_runs(app.workspace.runs_dir)
    assert run.status().is_live

    # The page follows by itself: the line of progress, then a bar for every epoch.
    page.goto(f"{app.url}/loss_shares")
    expect(page.get_by_test_id("live")).to_contain_text("of 400", timeout=TRAINING_TIMEOUT_MS)
    page.wait_for_function(
        "(document.querySelector('.js-plotly-plot')?.data?.[0]?.x?.length ?? 0) >= 3",
        timeout=TRAINING_TIMEOUT_MS,
    )

    page.get_by_role("button", name="Stop", exact=True).first.click()
    expect(state_chip(page, "stopped")).to_be_visible(timeout=60_000)
    n_stopped = len(run.history())
    page.get_by_role("button", name="Resume").first.click()
    expect(state_chip(page, "running")).to_be_visible(timeout=60_000)
    wait_for_epoch(run, n_stopped + 1)
    resumed = [row["epoch"] for row in run.history()]
    assert resumed == list(range(1, len(resumed) + 1))

    # Restarted under another strategy: the live run is stopped, the new one takes its turn.
    # It goes on while the dialog is open, so the plan ends well beyond where it is now.
    n_epochs = len(run.history()) + 20
    click_cure(page, n_epochs=n_epochs)
    expect(page.get_by_text(re.compile("Started")).first).to_be_visible(timeout=60_000)
    expect(state_chip(page, "finished")).to_be_visible(timeout=TRAINING_TIMEOUT_MS)
    newest = list_runs(app.workspace.runs_dir)[0]
    assert newest.id != run.id
    assert run.status().state == "stopped"
    assert newest.config().restart_from == f"{run.id}@{restarted_epoch(newest)}"
    assert [row["epoch"] for row in newest.history()] == list(range(1, n_epochs + 1))
    page.wait_for_function(
        "[...document.querySelectorAll('.js-plotly-plot')].some(plot =>"
        " plot.layout.annotations?.some(a => a.text.includes('restart: epoch → ema')))",
        timeout=60_000,
    )


def restarted_epoch(run: RunFolder) -> int:
    return next(row["restart"]["from_epoch"] for row in run.history() if row.get("restart"))


def test_two_tabs_show_a_killed_trainer_as_crashed_and_one_deletes_its_run(
    app: App, page: Page, browser: Browser
) -> None:
    run = long_run(app.workspace)
    launching.launch(run, app.workspace)
    other = browser.new_page()
    for tab in (page, other):
        tab.goto(f"{app.url}/loss_shares?run={run.id}")
    for tab in (page, other):
        expect(state_chip(tab, "running")).to_be_visible(timeout=TRAINING_TIMEOUT_MS)
    pid = run.status().pid
    assert pid
    os.kill(pid, signal.SIGKILL)
    for tab in (page, other):
        expect(state_chip(tab, "crashed")).to_be_visible(timeout=5_000)
        expect(tab.get_by_text("killed by SIGKILL").first).to_be_visible(timeout=5_000)
    expect(page.get_by_role("button", name="Resume").first).to_be_visible(timeout=20_000)

    page.get_by_test_id("stPopover").first.click()
    page.get_by_role("button", name="Delete…").click()
    page.get_by_role("button", name="Delete", exact=True).click()
    for tab in (page, other):
        expect(tab.get_by_text("No run yet")).to_be_visible(timeout=20_000)
    assert (app.workspace.runs_dir / ".trash" / run.id).is_dir()
    other.close()


def test_a_run_goes_on_when_the_server_is_killed_and_is_live_after_its_restart(
    sample: Workspace, page: Page, tmp_path: Path
) -> None:
    with running_app(sample, tmp_path / "first.log") as first:
        run = long_run(sample)
        launching.launch(run, sample)
        page.goto(f"{first.url}/loss_shares?run={run.id}")
        expect(state_chip(page, "running")).to_be_visible(timeout=TRAINING_TIMEOUT_MS)
        first.kill()
        n_before = len(run.history())
        wait_for_epoch(run, n_before + 1)
        with running_app(sample, tmp_path / "second.log", port=first.port):
            page.goto(f"{first.url}/loss_shares?run={run.id}")
            expect(state_chip(page, "running")).to_be_visible(timeout=60_000)
            # What was asked for from the first server works on the second.
            page.get_by_role("button", name="Kill").click()
            expect(state_chip(page, "stopped")).to_be_visible(timeout=60_000)
            killed = page.get_by_text("Killed before it could save").first
            expect(killed).to_be_visible(timeout=20_000)
