"""Two people's versions of a window in a real browser: taken by a key, drawn anew, taken back."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from moola.schema import WINDOW_LENGTH
from moola.second_look import GOLD
from moola.store import LabelStore, WindowView
from moola.workspace import Workspace
from tests.browser.app_server import App, running_app
from tests.dispute import SHIFTED, write_dispute

pytestmark = [pytest.mark.browser, pytest.mark.slow]
AXIS_PX = 58


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return Workspace(tmp_path / "workspace")


@pytest.fixture
def uids(workspace: Workspace) -> list[str]:
    return write_dispute(workspace)


@pytest.fixture
def disputed_app(workspace: Workspace, uids: list[str], tmp_path: Path) -> Iterator[App]:
    with running_app(workspace, tmp_path / "server.log") as app:
        yield app


def test_a_dispute_is_settled_with_keys_and_mouse(
    disputed_app: App, page: Page, workspace: Workspace, uids: list[str]
) -> None:
    def gold() -> WindowView:
        return LabelStore.open(workspace.store_url).window(uids[SHIFTED], annotator=GOLD)

    page.goto(f"{disputed_app.url}/agreement")
    expect(page.get_by_text("F1 of expansions").first).to_be_visible()
    expect(page.locator(".js-plotly-plot")).to_have_count(3)
    page.get_by_text("Disputed windows").click()
    expect(page.get_by_test_id("lane-A")).to_be_visible()
    expect(page.get_by_test_id("lane-B")).to_be_visible()
    expect(page.get_by_text("anna")).to_have_count(0)

    # a key that comes while the page is still being drawn is nobody's
    state = page.get_by_test_id("stApp")
    expect(state).to_have_attribute("data-test-script-state", "notRunning")
    expect(page.get_by_role("button", name="Take A")).to_be_enabled()
    page.wait_for_timeout(500)
    page.keyboard.press("a")
    expect(page.get_by_text("Took A, which was")).to_be_visible(timeout=15_000)
    assert gold().state == "verified"
    page.keyboard.press("u")
    expect(page.get_by_text("Undone in")).to_be_visible()
    assert gold().spans == ()

    box = page.get_by_test_id("span-chart").bounding_box()
    assert box is not None
    bar_px = (box["width"] - AXIS_PX) / WINDOW_LENGTH
    y = box["y"] + box["height"] / 2
    page.mouse.move(box["x"] + 70.5 * bar_px, y)
    page.mouse.down()
    page.mouse.move(box["x"] + 75 * bar_px, y)
    page.mouse.move(box["x"] + 80.5 * bar_px, y)
    page.mouse.up()
    expect(page.get_by_text("Saved gold span 70 – 80")).to_be_visible()
    assert [(span.start, span.end) for span in gold().spans] == [(70, 80)]
