"""One look serves all who wait, and nobody looks when nobody waits."""

from __future__ import annotations

import asyncio

import pytest

from moola.exceptions import RunError
from moola.run_news import News
from moola.ui import watching
from moola.ui.watching import Watch


class Runs:
    """What is looked at: a new row at the third look."""

    def __init__(self) -> None:
        self.n_looks = 0

    def __call__(self) -> News:
        self.n_looks += 1
        return News("a=running", "1" if self.n_looks < 3 else "2", "", is_live=True, pulse=None)


@pytest.fixture(autouse=True)
def no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watching, "LIVE_POLL_S", 0.0)


def test_three_tabs_are_told_by_one_look() -> None:
    runs = Runs()

    async def ask() -> list[News]:
        watch = Watch(runs)
        tabs = [watch.until(lambda news: news.rows != "1", hold_s=60) for _ in range(3)]
        found = await asyncio.gather(*tabs)
        assert watch.is_idle
        return list(found)

    assert [news.rows for news in asyncio.run(ask())] == ["2"] * 3
    assert runs.n_looks == 3


def test_nobody_looks_when_nobody_waits() -> None:
    runs = Runs()

    async def ask() -> int:
        watch = Watch(runs)
        await watch.until(lambda news: True, hold_s=60)
        assert watch.looking
        await watch.looking
        return runs.n_looks

    assert asyncio.run(ask()) == 1


def test_without_news_the_answer_is_how_things_stand() -> None:
    async def ask() -> News:
        return await Watch(Runs()).until(lambda news: False, hold_s=0.0)

    assert asyncio.run(ask()).states == "a=running"


def test_what_ends_the_looking_is_told_to_those_who_wait() -> None:
    def fail() -> News:
        raise RunError("the folder is gone")

    async def ask() -> News:
        return await Watch(fail).until(lambda news: True, hold_s=60)

    with pytest.raises(RunError, match="gone"):
        asyncio.run(ask())
