"""The desk as a person sees it: keys, drags, and what the page says."""

from __future__ import annotations

import itertools
import re
from collections import Counter
from typing import Any

from playwright.sync_api import Browser, BrowserContext, Page, expect

from moola.store import Event, LabelStore, WindowView
from tests.browser.app_server import App

_names = itertools.count(1)
SYNCED = re.compile(r"synced \d\d:\d\d:\d\d, 0 pending")


class Person:
    """One person with a browser of his own; his decisions lie in a layer of his name."""

    def __init__(self, browser: Browser, app: App, *, width: int = 1440) -> None:
        self.app = app
        self.name = f"person{next(_names)}"
        self.context: BrowserContext = browser.new_context(
            viewport={"width": width, "height": 1000}
        )
        self.context.set_default_timeout(20_000)
        self.context.add_cookies([{"name": "moola_name", "value": self.name, "url": app.url}])

    def desk(self, *, mode: str = "all", window: str | None = None) -> DeskPage:
        """Open the desk in a new tab."""
        page = self.context.new_page()
        place = f"&window={window}" if window else ""
        page.goto(f"{self.app.url}/?mode={mode}{place}")
        desk = DeskPage(page, self)
        desk.wait_for_window()
        return desk

    def stored(self, uid: str) -> WindowView:
        """Return a window as the store holds it for this person."""
        store = LabelStore.open(self.app.workspace.store_url)
        try:
            return store.window(uid, annotator=self.name)
        finally:
            store.close()

    def flag_elsewhere(self, uid: str) -> None:
        """Flag a window as this person, in a browser that the desk knows nothing of."""
        store = LabelStore.open(self.app.workspace.store_url)
        rev = store.window(uid, annotator=self.name).rev
        store.flag(uid, rev=rev, op_id=f"elsewhere-{uid}", annotator=self.name)
        store.close()

    def events(self) -> list[Event]:
        """Return everything that this person did, in order."""
        store = LabelStore.open(self.app.workspace.store_url)
        try:
            own = (event for event in store.events(limit=10_000) if event.annotator == self.name)
            return sorted(own, key=lambda event: event.seq)
        finally:
            store.close()

    def done_by_window(self, *kinds: str) -> Counter[str | None]:
        """Return how many operations of some kinds each window got."""
        return Counter(event.window_uid for event in self.events() if event.kind in kinds)


class DeskPage:
    """One tab with the desk in it."""

    def __init__(self, page: Page, person: Person) -> None:
        self.page, self.person = page, person

    def wait_for_window(self) -> None:
        expect(self.page.get_by_test_id("desk-state")).to_be_visible(timeout=60_000)

    def text(self, test_id: str) -> str:
        return self.page.get_by_test_id(test_id).text_content() or ""

    @property
    def name(self) -> str:
        return self.text("desk-name")

    @property
    def uid(self) -> str:
        found = self.page.locator(".plot").get_attribute("data-window")
        assert found is not None
        return found

    @property
    def span(self) -> tuple[int, int]:
        """Bars of the active span."""
        found = self.page.locator(".plot").get_attribute("data-span")
        assert found
        start, end = found.split("-")
        return int(start), int(end)

    def press(self, *keys: str) -> None:
        for key in keys:
            self.page.keyboard.press(key)

    def expect(self, test_id: str, text: str | re.Pattern[str]) -> None:
        expect(self.page.get_by_test_id(test_id)).to_have_text(text)

    def wait_synced(self) -> None:
        self.expect("desk-sync", SYNCED)

    def box(self, test_id: str) -> dict[str, float]:
        found = self.page.get_by_test_id(test_id).bounding_box()
        assert found is not None
        return dict(found)  # type: ignore[arg-type]

    def bar_width(self) -> float:
        """Pixels of a bar: from the distance of the two handles."""
        start, end = self.span
        left, right = (self._middle(f"handle-{edge}") for edge in ("start", "end"))
        return (right - left) / (end - start + 1)

    def _middle(self, test_id: str) -> float:
        box = self.box(f"{test_id}")
        return box["x"] + box["width"] / 2

    def drag_edge(self, edge: str, n_bars: int) -> None:
        """Drag an edge of the active span by some bars."""
        box, width = self.box(f"handle-{edge}"), self.bar_width()
        x, y = self._middle(f"handle-{edge}"), box["y"] + box["height"] / 2
        self.page.mouse.move(x, y)
        self.page.mouse.down()
        self.page.mouse.move(x + n_bars * width, y, steps=4)
        self.page.mouse.up()

    def cut_off(self) -> None:
        """Let no operation reach the server from now on."""
        self.page.route("**/desk/ops", lambda route: route.abort())

    def reconnect(self) -> None:
        self.page.unroute("**/desk/ops")

    def measured(self, name: str) -> list[float]:
        """Milliseconds that the page noted for one kind of action, oldest first."""
        return self.page.evaluate(
            "name => performance.getEntriesByName(`desk:${name}`).map((m) => m.duration)", name
        )

    def evaluate(self, script: str) -> Any:
        return self.page.evaluate(script)
