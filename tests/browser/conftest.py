"""The app on a fresh workspace and a real Chromium in front of it."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from moola.workspace import Workspace
from tests.browser.app_server import App, running_app

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
# The quiet flags keep Chromium from calling home, which a closed network would only slow down.
CHROMIUM_ARGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    if CHROMIUM is None:
        if os.environ.get("MOOLA_REQUIRE_BROWSER"):
            pytest.fail("browser tests are required here, but there is no chromium")
        pytest.skip("no chromium on this machine (apt-get install chromium)")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=CHROMIUM_ARGS)
        yield browser
        browser.close()


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    page = browser.new_page(viewport={"width": 1440, "height": 1000})
    page.set_default_timeout(20_000)
    yield page
    page.close()


@pytest.fixture
def app(tmp_path: Path) -> Iterator[App]:
    """A server on an empty workspace, which fills itself with the sample."""
    with running_app(Workspace(tmp_path / "workspace"), tmp_path / "server.log") as app:
        yield app
