"""How fast the desk is in a real browser, by the page's own time stamps: `make bench`.

*Painted* is the frame after the next window and its proposal are drawn, when the next key works;
*acknowledged* is the frame in which the page says that this operation is in the store. Both count
from the time stamp of the key's or pointer's event. Every key waits until the last one is done.
"""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from pathlib import Path

from playwright.sync_api import sync_playwright

from tests.browser.app_server import running_app
from tests.browser.conftest import CHROMIUM, CHROMIUM_ARGS
from tests.browser.desk_page import DeskPage, Person
from tests.browser.desk_workspace import write_workspace

N_SWITCHES, N_DRAGS, N_GALLERIES = 120, 60, 12
PAUSE_MS = 120
"""Between two actions: a person is not faster, and an acknowledgement is not waited for."""


def test_the_desk_in_a_browser(tmp_path: Path) -> None:
    workspace = write_workspace(tmp_path / "workspace")
    with running_app(workspace, tmp_path / "server.log") as app, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=CHROMIUM_ARGS)
        print(f"\n{'ms from the event':44}{'p50':>8}{'p95':>8}{'n':>7}")
        desk = Person(browser, app).desk()
        _decide(desk)
        _report("key press to the painted next window", desk.measured("switch"))
        _report("decision to its acknowledgement on the page", desk.measured("ack"))
        desk = Person(browser, app).desk()
        _drag(desk)
        _report("end of a drag to the painted edge", desk.measured("drag"))
        _report("drag to its acknowledgement on the page", desk.measured("ack"))
        desk = Person(browser, app).desk()
        _go_through_galleries(desk)
        _report("Enter to the painted next 12 of the gallery", desk.measured("gallery"))
        browser.close()


def _decide(desk: DeskPage) -> None:
    """Accept and reject in turn, a reason now and then."""
    for i in range(N_SWITCHES):
        desk.press("Space" if i % 3 == 0 else "x")
        desk.page.wait_for_timeout(PAUSE_MS)
    desk.wait_synced()


def _drag(desk: DeskPage) -> None:
    for i in range(N_DRAGS):
        desk.drag_edge("end", 2 if i % 2 else -2)
        desk.page.wait_for_timeout(PAUSE_MS)
    desk.wait_synced()


def _go_through_galleries(desk: DeskPage) -> None:
    desk.press("v")
    for _ in range(N_GALLERIES):
        desk.press("Enter")
        desk.page.wait_for_timeout(4 * PAUSE_MS)
    desk.wait_synced()


def _report(name: str, milliseconds: Sequence[float]) -> None:
    cuts = statistics.quantiles(milliseconds, n=20, method="inclusive")
    print(f"{name:44}{cuts[9]:8.1f}{cuts[18]:8.1f}{len(milliseconds):7}")
