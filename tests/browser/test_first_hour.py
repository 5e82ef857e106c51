"""What a new user does in the first hour, in a real browser, on a workspace that was empty."""

from __future__ import annotations

import re
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from moola.runs import list_runs
from moola.store import LabelStore, WindowView
from tests.browser.app_server import App

pytestmark = [pytest.mark.browser, pytest.mark.slow]

FIRST_SAMPLE_TIMEOUT_MS = 120_000
TRAINING_TIMEOUT_MS = 180_000


def stored_window(app: App, uid: str) -> WindowView:
    store = LabelStore.open(app.workspace.store_url)
    try:
        return store.window(uid)
    finally:
        store.close()


def open_labelled_window(app: App, page: Page) -> WindowView:
    """Open the app on its first page, then a verified window by its deep link."""
    page.goto(app.url)
    expect(page.get_by_test_id("span-chart")).to_be_visible(timeout=FIRST_SAMPLE_TIMEOUT_MS)
    store = LabelStore.open(app.workspace.store_url)
    rows = store.windows(states=["verified"])
    view = next(v for v in (store.window(r.window_uid) for r in rows) if v.spans[0].end < 90)
    store.close()
    page.goto(f"{app.url}/?window={view.window_uid}")
    span = view.spans[0]
    expect(page.get_by_test_id("span-badge")).to_contain_text(f"{span.start} – {span.end}")
    return view


def box(page: Page, test_id: str) -> dict[str, Any]:
    found = page.get_by_test_id(test_id).bounding_box()
    assert found is not None
    return dict(found)


def drag_end_by_bars(page: Page, view: WindowView, n_bars: int) -> None:
    """Drag the right edge; the width of a bar follows from the distance of the two edges."""
    start, end = box(page, "handle-start"), box(page, "handle-end")
    middle = {key: item["x"] + item["width"] / 2 for key, item in (("s", start), ("e", end))}
    bar_width = (middle["e"] - middle["s"]) / view.spans[0].length_bars
    y = end["y"] + end["height"] / 2
    page.mouse.move(middle["e"], y)
    page.mouse.down()
    page.mouse.move(middle["e"] + n_bars * bar_width, y, steps=8)
    page.mouse.up()


def test_label_train_watch_and_review(app: App, page: Page) -> None:
    # A labelled window; its right edge dragged; the new span survives a reload.
    view = open_labelled_window(app, page)
    span = view.spans[0]
    drag_end_by_bars(page, view, 4)
    moved = f"{span.start} – {span.end + 4}"
    expect(page.get_by_test_id("span-badge")).to_contain_text(moved)
    expect(page.get_by_test_id("desk-sync")).to_contain_text(re.compile("synced .*, 0 pending"))
    page.reload()
    expect(page.get_by_test_id("span-badge")).to_contain_text(moved)
    stored = stored_window(app, view.window_uid)
    assert (stored.spans[0].end, stored.state) == (span.end + 4, "edited")

    # A fine-tuning of two epochs, started with one click.
    page.goto(f"{app.url}/finetune")
    epochs = page.get_by_role("spinbutton", name="Epochs")
    epochs.fill("2")
    epochs.press("Enter")
    start = page.get_by_role("button", name="Start fine-tuning")
    expect(start).to_be_enabled(timeout=60_000)
    start.click()
    expect(page.get_by_text(re.compile("Started")).first).to_be_visible()

    # The share chart appears and the run finishes.
    page.goto(f"{app.url}/loss_shares")
    expect(page.locator(".js-plotly-plot").first).to_be_visible(timeout=TRAINING_TIMEOUT_MS)
    finished = page.get_by_text("finished", exact=True).first
    expect(finished).to_be_visible(timeout=TRAINING_TIMEOUT_MS)
    (run,) = list_runs(app.workspace.runs_dir)
    assert [row["epoch"] for row in run.history()] == [1, 2]

    # Review shows both panes of a window, and leads back to its label.
    page.goto(f"{app.url}/review")
    expect(page.get_by_test_id("pane-binary")).to_be_visible(timeout=60_000)
    expect(page.get_by_test_id("pane-countdown")).to_be_visible()
    page.get_by_role("button", name="Open for labelling").click()
    expect(page).to_have_url(re.compile(r"\?window=[0-9a-f]{16}"))
    expect(page.get_by_test_id("handle-start")).to_be_visible()
