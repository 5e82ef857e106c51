"""Fixtures named by the state they are in."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import settings

# Compiling the feature kernel takes a second once; a slow machine is no failure either.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")

REAL_BARS = Path(__file__).parents[2] / "shared" / "bars"


@pytest.fixture(scope="session")
def real_bars_dir() -> Path:
    """Folder of real market bars, which are never part of the repository."""
    if not REAL_BARS.is_dir():
        pytest.skip("real bars are private test material: ../shared/bars is absent")
    return REAL_BARS
