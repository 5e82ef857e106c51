"""Windows are named by their place, and found in a series by content alone."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from moola.windows import BarIndex, alone_series_id, price_hash, stands_alone, window_uid
from tests.toy_bars import ohlc_of, toy_bars

SERIES = ohlc_of(toy_bars(400))
INDEX = BarIndex(SERIES)


def test_window_uid_is_the_written_formula() -> None:
    expected = hashlib.sha1(b"NQ-1234abcd|52|105").hexdigest()[:16]
    assert window_uid("NQ-1234abcd", 52) == expected


@given(st.integers(0, 295))
def test_a_window_is_found_where_it_was_cut(bar_start: int) -> None:
    window = SERIES[bar_start : bar_start + 105]
    assert INDEX.locate(window) == bar_start
    assert INDEX.locate(window * (1 + 1e-13)) == bar_start, "rounding noise does not count"


@given(st.integers(0, 295), st.integers(0, 104), st.integers(0, 3))
def test_one_changed_price_is_another_window(bar_start: int, bar: int, column: int) -> None:
    window = SERIES[bar_start : bar_start + 105].copy()
    window[bar, column] += 0.25
    assert INDEX.locate(window) is None


def test_bars_that_stand_at_two_places_are_not_placed() -> None:
    flat = np.full((300, 4), 100.0)
    assert BarIndex(flat).locate(flat[:105]) is None
    twice = BarIndex(np.vstack([SERIES, SERIES]))
    assert twice.locate(SERIES[:105]) is None
    assert twice.places(SERIES[:105]) == [0, 400]


def test_a_series_shorter_than_the_window_holds_none() -> None:
    assert BarIndex(SERIES[:104]).locate(SERIES[:105]) is None
    assert BarIndex(SERIES[:105]).locate(SERIES[:105]) == 0


def test_price_hash_ignores_rounding_noise_but_no_tick() -> None:
    assert price_hash(SERIES[:105] * (1 + 1e-13)) == price_hash(SERIES[:105])
    other = SERIES[:105].copy()
    other[0, 0] += 0.0001
    assert price_hash(other) != price_hash(SERIES[:105])


@pytest.mark.parametrize("name", ["W-abcdef12", "W-abcdef123456-abcdef12", "NQ-abcdef12"])
def test_a_feed_never_looks_like_a_window_that_stands_alone(name: str) -> None:
    assert not stands_alone(name)
    assert stands_alone(alone_series_id(SERIES[:105]))
