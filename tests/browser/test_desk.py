"""The desk in a real browser, driven by keys: nothing is lost, nothing arrives twice."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from tests.browser.app_server import App, running_app
from tests.browser.desk_page import Person
from tests.browser.desk_workspace import write_workspace

pytestmark = [pytest.mark.browser, pytest.mark.slow]

N_SCRIPTED = 200
ACTION_S = 0.1


@pytest.fixture(scope="module")
def desk_app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[App]:
    """A server that all tests share; each works as a person of its own."""
    folder = tmp_path_factory.mktemp("desk")
    with running_app(write_workspace(folder / "workspace"), folder / "server.log") as app:
        yield app


@pytest.fixture
def newcomer(browser: Browser, desk_app: App) -> Iterator[Callable[..., Person]]:
    """Somebody who has decided nothing yet."""
    people: list[Person] = []

    def make(**options: int) -> Person:
        people.append(Person(browser, desk_app, **options))
        return people[-1]

    yield make
    for person in people:
        person.context.close()


def test_decisions_by_key_reach_the_store_and_show_their_tick(
    newcomer: Callable[..., Person],
) -> None:
    person = newcomer()
    desk = person.desk()
    first = desk.uid
    desk.press("Space")
    second = desk.uid
    assert second != first
    desk.press("x", "5")
    third, third_name = desk.uid, desk.name
    desk.press("f")
    fourth, name = desk.uid, desk.name
    desk.press("s")
    desk.expect("desk-last", f"✓ Deferred {name}")
    desk.wait_synced()
    assert person.stored(first).state == "verified"
    assert len(person.stored(first).spans) == 1
    assert (person.stored(second).state, person.stored(second).reason) == ("rejected", "chop")
    assert person.stored(third).state == "flagged"
    assert person.stored(fourth).state == "deferred"
    # Another queue begins with its own first window, not with the one that was just shown.
    desk.page.get_by_role("combobox", name="Queue").click()
    desk.page.get_by_role("option", name="Flagged").click()
    desk.expect("desk-name", third_name)
    assert desk.uid == third


def test_held_keys_and_typed_letters_decide_nothing(newcomer: Callable[..., Person]) -> None:
    person = newcomer()
    desk = person.desk()
    for _ in range(6):  # without a release: the browser marks all but the first as repeated
        desk.page.keyboard.down("x")
    desk.page.keyboard.up("x")
    second = desk.uid
    desk.press("i")
    desk.page.keyboard.type("fix x s n d")
    assert desk.uid == second
    desk.press("Enter", "Space")
    desk.wait_synced()
    kinds = [event.kind for event in person.events()]
    assert kinds == ["reject", "set_note", "accept"]
    assert person.stored(second).note == "fix x s n d"


def test_a_dragged_edge_survives_a_reload_with_the_server_away(
    newcomer: Callable[..., Person],
) -> None:
    person = newcomer()
    desk = person.desk()
    uid, (start, end) = desk.uid, desk.span
    desk.cut_off()
    desk.drag_edge("end", 4)
    assert desk.span == (start, end + 4)
    desk.drag_edge("start", -3)
    expect(desk.page.get_by_test_id("desk-sync")).to_contain_text("2 pending, retrying")
    expect(desk.page).to_have_url(re.compile(f"window={uid}"))
    desk.page.reload()
    desk.wait_for_window()
    assert (desk.uid, desk.span) == (uid, (start - 3, end + 4))
    desk.reconnect()
    desk.wait_synced()
    stored = person.stored(uid)
    assert [(span.start, span.end) for span in stored.spans] == [(start - 3, end + 4)]
    assert person.done_by_window("save_span")[uid] == 2


def test_spans_are_drawn_named_and_made_uncertain_by_mouse_and_key(
    newcomer: Callable[..., Person],
) -> None:
    person = newcomer()
    desk = person.desk()
    uid, (start, _) = desk.uid, desk.span
    width, chart = desk.bar_width(), desk.box("span-chart")
    # From bar 5 to bar 12, where nothing is.
    desk.page.mouse.move(chart["x"] + 5.5 * width, chart["y"] + 120)
    desk.page.mouse.down()
    desk.page.mouse.move(chart["x"] + 12.5 * width, chart["y"] + 120, steps=4)
    desk.page.mouse.up()
    assert desk.span == (5, 12)
    desk.press("3", "Shift+1", "l", "e", "w", "w")
    desk.press("ArrowRight", "Shift+ArrowRight")
    desk.page.get_by_test_id("confidence-2").click()
    desk.wait_synced()
    (span,) = (span for span in person.stored(uid).spans if span.start != start)
    assert (span.type, span.grade, span.direction, span.confidence) == ("reversal", "A", "down", 2)
    assert {span.end - span.start, *(b - a for a, b in (span.start_range, span.end_range))} != {0}


def test_undo_and_redo_go_across_windows_and_a_reload(newcomer: Callable[..., Person]) -> None:
    person = newcomer()
    desk = person.desk()
    first = desk.uid
    desk.press("Space")
    second = desk.uid
    desk.press("x", "3")
    desk.press("z", "z")
    assert desk.uid == second
    desk.press("z")
    assert desk.uid == first
    desk.wait_synced()
    assert person.stored(first).state == "proposed"
    desk.press("y", "y")
    desk.wait_synced()
    assert person.stored(second).reason == "no_expansion"
    desk.page.reload()
    desk.wait_for_window()
    desk.press("z")  # this tab remembers nothing any more: the server does
    expect(desk.page.get_by_test_id("desk-notice")).to_contain_text("Undone in")
    assert desk.uid == second
    desk.wait_synced()
    assert person.stored(second).state == "proposed"


def test_the_gallery_accepts_the_ticked_in_one_transaction(newcomer: Callable[..., Person]) -> None:
    person = newcomer()
    desk = person.desk()
    desk.press("v")
    expect(desk.page.get_by_test_id("gallery")).to_be_visible()
    desk.press("2")
    desk.page.get_by_test_id("cell-12").click()
    desk.press("Enter")
    desk.wait_synced()
    accepted = [event for event in person.events() if event.kind == "accept"]
    assert len({event.window_uid for event in accepted}) == len(accepted) == 10
    # The wrong ones wait in the desk; one of the next twelve opens there, too.
    desk.page.get_by_test_id("cell-open-3").click()
    expect(desk.page.get_by_test_id("gallery")).to_be_hidden()
    assert person.stored(desk.uid).state == "proposed"


def test_two_tabs_of_one_person_send_everything_once(newcomer: Callable[..., Person]) -> None:
    person = newcomer()
    one = person.desk()
    first = one.uid
    two = person.desk(window=first)
    one.drag_edge("end", 3)
    span = one.span
    two.page.bring_to_front()
    expect(two.page.locator(".plot")).to_have_attribute("data-span", f"{span[0]}-{span[1]}")
    two.press("Space", "x")
    one.page.bring_to_front()
    one.press("j", "j", "x", "f")
    one.wait_synced()
    two.wait_synced()
    decisions = person.done_by_window("accept", "reject", "flag")
    assert person.stored(first).state == "verified"
    assert sum(decisions.values()) == 4
    assert set(decisions.values()) == {1}


def test_a_conflict_shows_both_versions_and_keeps_mine(newcomer: Callable[..., Person]) -> None:
    person = newcomer()
    desk = person.desk()
    uid = desk.uid
    desk.cut_off()
    desk.press("x")
    person.flag_elsewhere(uid)
    desk.reconnect()
    expect(desk.page.get_by_test_id("conflict")).to_be_visible()
    expect(desk.page.get_by_test_id("conflict-mine")).to_contain_text("rejected")
    expect(desk.page.get_by_test_id("conflict-theirs")).to_contain_text("flagged")
    desk.page.reload()
    desk.page.get_by_test_id("keep-mine").click()
    desk.wait_synced()
    assert person.stored(uid).state == "rejected"


def test_operations_outlive_a_killed_server(browser: Browser, tmp_path: Path) -> None:
    workspace = write_workspace(tmp_path / "workspace")
    with running_app(workspace, tmp_path / "one.log") as app:
        person = Person(browser, app)
        desk = person.desk()
        desk.press("x", "Space")
        desk.wait_synced()
        app.kill()
        for _ in range(5):
            desk.press("x", "Space")
        expect(desk.page.get_by_test_id("desk-sync")).to_contain_text("10 pending")
        assert desk.page.get_by_test_id("span-chart").is_visible()
    with running_app(workspace, tmp_path / "two.log", port=app.port):
        desk.wait_synced()
    decided = person.done_by_window("accept", "reject")
    assert sum(decided.values()) == 12
    assert set(decided.values()) == {1}
    person.context.close()


def test_two_hundred_windows_at_ten_actions_a_second(newcomer: Callable[..., Person]) -> None:
    person = newcomer()
    desk = person.desk()
    wanted: dict[str, str] = {}
    began = time.monotonic()
    for i in range(N_SCRIPTED):
        kind, key = (("accept", "Space"), ("reject", "x"), ("flag", "f"))[i % 3]
        wanted[desk.uid] = kind
        desk.press(key)
        time.sleep(max(0.0, began + (i + 1) * ACTION_S - time.monotonic()))
    desk.wait_synced()
    done = [(event.window_uid, event.kind) for event in person.events()]
    assert done == list(wanted.items())
    assert len(done) == N_SCRIPTED


def test_the_hidden_future_is_not_in_the_page_and_bars_around_come_with_the_wheel(
    newcomer: Callable[..., Person],
) -> None:
    desk = newcomer().desk()
    bars = lambda: desk.evaluate(N_CANDLES)  # noqa: E731
    assert bars() == 105
    chart, width = desk.box("span-chart"), desk.bar_width()
    desk.page.mouse.move(chart["x"] + 20.5 * width, chart["y"] + 100)
    desk.press("t")
    assert bars() == 21
    assert desk.page.get_by_test_id("span-badge").count() == 0
    desk.press("p", "p")
    assert bars() == 23
    desk.press("t")
    assert bars() == 105
    desk.page.mouse.wheel(0, 240)
    around = desk.page.locator(".around path.body").first
    expect(around).not_to_have_attribute("d", "")
    desk.press("0")
    expect(around).to_have_attribute("d", "")


N_CANDLES = """() => {
  const all = (node) => [...node.querySelectorAll("*")].flatMap(
    (child) => [child, ...(child.shadowRoot ? all(child.shadowRoot) : [])]);
  const bodies = all(document).filter((node) => node.matches?.(".own path.body"));
  return bodies.reduce((n, path) => n + (path.getAttribute("d").match(/M/g) ?? []).length, 0);
}"""


def test_a_key_of_ones_own_is_kept(newcomer: Callable[..., Person]) -> None:
    person = newcomer()
    desk = person.desk()
    desk.press("?")
    desk.page.get_by_test_id("key-reject").click()
    desk.press("q", "?")
    desk.page.reload()
    desk.wait_for_window()
    uid = desk.uid
    desk.press("x")
    assert desk.uid == uid
    desk.press("q")
    desk.wait_synced()
    assert person.stored(uid).state == "rejected"


def test_the_desk_fits_a_phone(newcomer: Callable[..., Person]) -> None:
    person = newcomer(width=390)
    desk = person.desk()
    assert desk.evaluate("document.documentElement.scrollWidth") <= 390
    for name in ("accept", "reject", "flag", "undo", "gallery"):
        expect(desk.page.get_by_test_id(f"desk-{name}")).to_be_visible()
    desk.page.get_by_test_id("desk-reject").click()
    desk.page.get_by_test_id("reason-chop").click()
    desk.page.get_by_test_id("reason-other").click()
    desk.page.get_by_test_id("desk-why").fill("a bad tick")
    desk.press("Enter")
    desk.wait_synced()
    kinds = [(event.kind, event.payload["args"].get("reason")) for event in person.events()]
    assert kinds == [("reject", "no_expansion"), ("set_reason", "chop"), ("set_reason", "other")]
