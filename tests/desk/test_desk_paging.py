"""Pages of a queue while somebody writes: no window comes twice, and none is left out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

import pytest

from moola.desk import session
from moola.desk.modes import ARMS, Arm
from moola.desk.trials import lot
from moola.exceptions import SchemaError
from tests.desk.conftest import Office

STEADY = ("unlabelled", "proposals", "random", "blind", "session", "all")


def walk(
    office: Office, mode: str, between: Callable[[int, list[str]], None], *, n: int = 3
) -> list[str]:
    """Go through a queue page by page; `between` writes after each page."""
    seen: list[str] = []
    cursor = None
    for number in range(100):
        page = office.query(mode, n=n, cursor=cursor)
        seen += [item["uid"] for item in page["items"]]
        cursor = page["cursor"]
        if cursor is None:
            return seen
        between(number, seen)
    raise AssertionError("the queue has no end")


@pytest.mark.parametrize("mode", STEADY)
def test_a_queue_in_pages_is_the_queue_in_one(office: Office, mode: str) -> None:
    office.propose((20, 30, 1.0), (325, 335, 3.0), (400, 410, 2.0), (900, 910, 1.5))
    whole = office.queue(mode, n=100)
    assert whole
    assert walk(office, mode, lambda number, seen: None) == whole


@pytest.mark.parametrize("mode", STEADY)
def test_what_is_decided_behind_the_reader_makes_nothing_come_twice_or_not_at_all(
    office: Office, mode: str
) -> None:
    office.propose((20, 30, 1.0), (325, 335, 3.0), (400, 410, 2.0), (900, 910, 1.5))
    whole = office.queue(mode, n=100)

    def decide_what_was_seen(number: int, seen: list[str]) -> None:
        office.decide(seen[-1], "reject", reason="chop")
        office.decide(seen[-2], "flag")

    assert walk(office, mode, decide_what_was_seen) == whole


@pytest.mark.parametrize("mode", ["unlabelled", "random", "blind"])
def test_what_is_decided_ahead_of_the_reader_is_all_that_he_misses(
    office: Office, mode: str
) -> None:
    whole = office.queue(mode, n=100)
    gone: list[str] = []

    def decide_what_comes(number: int, seen: list[str]) -> None:
        ahead = [uid for uid in whole if uid not in seen and uid not in gone]
        if len(ahead) > 2:
            office.decide(ahead[2], "reject", reason="chop")
            gone.append(ahead[2])

    seen = walk(office, mode, decide_what_comes)
    assert gone
    assert seen == [uid for uid in whole if uid not in gone]


def test_windows_added_meanwhile_come_if_they_lie_ahead(office: Office) -> None:
    whole = office.queue(n=100)

    def add(number: int, seen: list[str]) -> None:
        if number == 1:
            office.add_windows(10, 1_000)

    seen = walk(office, "unlabelled", add)
    places = [row.bar_start for row in office.store.windows() if row.window_uid in seen]
    assert len(seen) == len(set(seen)) == len(whole) + 1
    assert 1_000 in places
    assert 10 not in places  # it waits for the next pass
    assert len(office.queue(n=100)) == len(whole) + 2


def test_a_window_put_back_waits_for_the_next_pass(office: Office) -> None:
    uids = office.uids()
    office.decide(uids[0], "reject", reason="chop")
    page = office.query(n=5)
    office.send({"op_id": "back", "kind": "undo"})
    assert uids[0] not in office.queue(n=100, cursor=page["cursor"])
    assert office.queue(n=1) == [uids[0]]


def test_what_a_tab_holds_is_not_sent_again(office: Office) -> None:
    held = office.queue(n=4)
    assert not set(office.queue(n=100, skip=frozenset(held))) & set(held)


def test_a_cursor_of_another_queue_is_refused_in_a_sentence(office: Office) -> None:
    cursor = office.query("session", n=2)["cursor"]
    for wrong in (cursor, "nonsense", "IzEi"):
        with pytest.raises(SchemaError, match="place in the queue"):
            office.queue("unlabelled", cursor=wrong)


def draw_of(n_windows: int, *, decided: int = 0) -> session.Draw:
    """A session over made-up windows: the last `decided` of them may only be repeated."""
    uids = [f"{number:016x}" for number in range(n_windows)]
    repeatable = set(uids[n_windows - decided :])

    def key_of(arm: Arm, uid: str) -> tuple[int] | None:
        return (lot(arm, uid),) if (uid in repeatable) == (arm == "repeats") else None

    orders = {arm: sorted(((lot(arm, uid),), uid) for uid in uids) for arm in ARMS}
    return session.Draw("ann", orders, key_of, lambda uid: True)


def test_fifty_windows_of_a_session_are_mixed_as_promised() -> None:
    draw = draw_of(1_000, decided=100)
    place = session.Place(0)
    for _ in range(4):
        found, after = draw.page(place, session.BLOCK)
        assert Counter(arm for _, arm in found) == session.MIX
        assert after is not None
        place = after


def test_a_session_shows_no_window_twice_and_does_not_depend_on_the_size_of_its_pages() -> None:
    draw = draw_of(300, decided=30)
    whole, _ = draw.page(session.Place(0), 250)
    shown = [uid for uid, _ in whole]
    assert len(shown) == len(set(shown)) == 250
    pieces: list[tuple[str, Arm]] = []
    place: session.Place | None = session.Place(0)
    while len(pieces) < 250 and place is not None:
        page, place = draw.page(place, 7)
        pieces += page
        place = place and session.Place.from_json(place.to_json())
    assert pieces[:250] == whole


def test_a_session_ends_when_every_open_window_was_shown() -> None:
    found, after = draw_of(40).page(session.Place(0), 100)
    assert after is None
    assert len(found) == 40


def test_nobody_can_tell_where_in_a_block_he_is_tested() -> None:
    blocks = [session.block_of("ann", number) for number in range(4)]
    assert len(set(blocks)) == 4
    assert session.block_of("bob", 0) != blocks[0]
    assert session.block_of("ann", 0) == blocks[0]
