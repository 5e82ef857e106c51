"""Stores named by the state they are in, each in an empty place of its own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from moola.store import Series
from tests.store import postgres
from tests.store.store_desk import FEED, Desk

DIALECTS = ("sqlite", "postgresql")


@pytest.fixture
def feed() -> Series:
    return FEED


@pytest.fixture(params=DIALECTS)
def store_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The address of a store that is not there yet."""
    if request.param == "postgresql":
        return postgres.server().new_url()
    return f"sqlite:///{tmp_path / 'moola.db'}"


@pytest.fixture
def fresh_desk(store_url: str) -> Iterator[Desk]:
    desk = Desk(store_url)
    yield desk
    desk.store.close()


@pytest.fixture
def desk(fresh_desk: Desk) -> Desk:
    fresh_desk.store.add_series(FEED, op_id="feed")
    return fresh_desk


@pytest.fixture
def sqlite_desk(tmp_path: Path) -> Iterator[Desk]:
    desk = Desk(f"sqlite:///{tmp_path / 'moola.db'}")
    desk.store.add_series(FEED, op_id="feed")
    yield desk
    desk.store.close()


@pytest.fixture
def crashing_server() -> Iterator[postgres.PostgresServer]:
    server = postgres.new_server()
    yield server
    server.close()
