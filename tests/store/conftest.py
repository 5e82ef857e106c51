"""Stores named by the state they are in."""

from __future__ import annotations

from pathlib import Path

import pytest

from moola.store import Series
from tests.store.store_desk import FEED, Desk


@pytest.fixture
def feed() -> Series:
    return FEED


@pytest.fixture
def fresh_desk(tmp_path: Path) -> Desk:
    return Desk(f"sqlite:///{tmp_path / 'moola.db'}")


@pytest.fixture
def desk(fresh_desk: Desk) -> Desk:
    fresh_desk.store.add_series(FEED, op_id="feed")
    return fresh_desk
