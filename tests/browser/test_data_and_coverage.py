"""From a vendor's file to the cell to label next, with the mouse, in a real browser."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from moola.store import LabelStore
from moola.workspace import Workspace
from tests.browser.app_server import App, running_app
from tests.toy_bars import toy_bars

pytestmark = [pytest.mark.browser, pytest.mark.slow]


@pytest.fixture
def own_app(tmp_path: Path) -> Iterator[App]:
    """A server on a workspace that somebody has begun but put nothing into."""
    workspace = Workspace(tmp_path / "workspace")
    LabelStore.open(workspace.store_url).close()
    with running_app(workspace, tmp_path / "server.log") as app:
        yield app


def test_a_file_becomes_windows_and_the_map_leads_to_the_desk(
    own_app: App, page: Page, tmp_path: Path
) -> None:
    bars = toy_bars(1200)
    lines = bars.assign(timestamp=bars["timestamp"].dt.strftime("%Y%m%d %H%M%S"))
    lines.to_csv(tmp_path / "ES.txt", sep=";", header=False, index=False)

    page.goto(f"{own_app.url}/data")
    page.locator("input[type=file]").set_input_files(tmp_path / "ES.txt")
    expect(page.get_by_text("NinjaTrader or HistData").first).to_be_visible()
    page.get_by_test_id("stRadioGroup").get_by_text("the end of its bar").click()
    expect(page.get_by_text("1 answer to go")).to_be_visible()
    page.get_by_role("combobox").first.click()
    page.get_by_role("option", name="UTC").first.click()
    expect(page.get_by_text("1,200 bars ok")).to_be_visible()
    page.get_by_role("button", name="Import 1,200 bars").click()
    expect(page.get_by_text("1,200 bars as series")).to_be_visible()
    page.get_by_role("button", name="Cut windows").first.click()
    page.get_by_role("button", name="Cut", exact=True).click()
    expect(page.get_by_text("11 new windows")).to_be_visible()

    page.get_by_role("link", name="Coverage").first.click()
    cells = page.get_by_test_id("coverage-cell")
    expect(cells.first).to_be_visible()
    cells.last.click()
    expect(cells.last).to_have_attribute("aria-pressed", "true")
    name = (cells.last.get_attribute("title") or "").split(":")[0]
    expect(page.get_by_text(name, exact=True)).to_be_visible()
    _expect_months_to_run_right_on_a_phone(page)


def _expect_months_to_run_right_on_a_phone(page: Page) -> None:
    """The map lies on its side where it has no room: parts of the day go down, not right."""
    cells = page.get_by_test_id("coverage-cell")
    first, last = cells.first.bounding_box(), cells.last.bounding_box()
    assert first
    assert last
    assert last["x"] > first["x"]
    assert abs(last["y"] - first["y"]) < 2
    page.set_viewport_size({"width": 390, "height": 844})
    page.wait_for_function(
        "[...document.querySelectorAll('*')].some(e => e.shadowRoot?.querySelector('.coverage') &&"
        " getComputedStyle(e.shadowRoot.querySelector('.coverage')).getPropertyValue('--lies')"
        ".trim() === '1')"
    )
    first, last = cells.first.bounding_box(), cells.last.bounding_box()
    assert first
    assert last
    assert last["y"] > first["y"] + 30
    width = page.evaluate("document.documentElement.scrollWidth")
    assert width <= 390
