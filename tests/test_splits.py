from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from moola.exceptions import SchemaError
from moola.schema import WINDOW_LENGTH
from moola.splits import check_no_leak, hold_out, shared_bar_groups


def walk(n_bars: int, seed: int = 0) -> np.ndarray:
    """Bars (n, 4) of a random walk: no two of them are alike."""
    rng = np.random.default_rng(seed)
    close = 1000 + rng.normal(size=n_bars).cumsum()
    open_ = close + rng.normal(size=n_bars)
    wick = rng.exponential(size=(2, n_bars))
    high, low = np.maximum(open_, close) + wick[0], np.minimum(open_, close) - wick[1]
    return np.stack([open_, high, low, close], axis=1)


BARS = walk(3000)


def cut(starts: list[int]) -> tuple[np.ndarray, np.ndarray]:
    return np.array(starts), np.stack([BARS[start : start + WINDOW_LENGTH] for start in starts])


@given(st.lists(st.integers(0, 2800), min_size=1, max_size=25))
def test_groups_are_the_connected_components_of_overlapping_windows(starts: list[int]) -> None:
    bar_start, ohlc = cut(starts)
    group = shared_bar_groups(np.array(["S"] * len(starts)), bar_start, ohlc)
    # Sorted by start, a window opens a new component exactly when it begins after all before it.
    order = np.argsort(bar_start, kind="stable")
    reach, component, expected = -1, -1, {}
    for row in order:
        component += bar_start[row] > reach
        reach = max(reach, bar_start[row] + WINDOW_LENGTH - 1)
        expected[int(row)] = component
    same = group[:, None] == group[None, :]
    wanted = np.array([expected[row] for row in range(len(starts))])
    assert (same == (wanted[:, None] == wanted[None, :])).all()


def test_a_recut_in_another_series_meets_its_original_by_content() -> None:
    bar_start, ohlc = cut([100, 152, 2000])
    series = np.array(["W-a", "W-b", "W-c"])
    assert shared_bar_groups(series, np.zeros(3, int), ohlc).tolist() == [0, 0, 1]
    assert bar_start.tolist() == [100, 152, 2000]


def test_flat_bars_do_not_tie_strangers_together() -> None:
    ohlc = np.stack([walk(WINDOW_LENGTH, seed) for seed in (1, 2)])
    ohlc[:, 10:60] = 100.0
    assert shared_bar_groups(np.array(["a", "b"]), np.zeros(2, int), ohlc).tolist() == [0, 1]


@given(st.lists(st.integers(0, 12), min_size=2, max_size=60), st.integers(0, 5))
def test_hold_out_never_splits_a_group_and_leaves_both_sides_filled(
    groups: list[int], seed: int
) -> None:
    group = np.array(groups)
    if len(set(groups)) < 2:
        with pytest.raises(SchemaError, match="at least two windows that share no bars"):
            hold_out(group, val_fraction=0.2, seed=seed)
        return
    is_val = hold_out(group, val_fraction=0.2, seed=seed)
    assert 0 < is_val.sum() < len(group)
    assert all(len(set(is_val[group == number])) == 1 for number in set(groups))


def test_hold_out_meets_the_fraction_when_groups_are_small() -> None:
    is_val = hold_out(np.arange(174) // 2, val_fraction=0.2, seed=3)
    assert is_val.sum() == pytest.approx(0.2 * 174, abs=2)


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize(("sizes", "most"), [((400, 38), 38), ((90, 5, 5), 10), ((50, 50), 50)])
def test_a_giant_group_trains(sizes: tuple[int, ...], most: int, seed: int) -> None:
    group = np.repeat(np.arange(len(sizes)), sizes)
    assert 0 < hold_out(group, val_fraction=0.2, seed=seed).sum() <= most


def test_equal_seeds_hold_out_the_same_groups() -> None:
    first, again, other = (hold_out(np.arange(100), val_fraction=0.2, seed=s) for s in (1, 1, 2))
    assert (first == again).all()
    assert (first != other).any()


def test_a_bar_on_both_sides_is_refused() -> None:
    bar_start, ohlc = cut([0, 104])
    with pytest.raises(SchemaError, match="Found 1 bars of S on both sides, the first is bar 104"):
        check_no_leak(np.array(["S", "S"]), bar_start, ohlc, np.array([False, True]))


def test_identical_bars_under_another_name_are_refused() -> None:
    _, ohlc = cut([0, 52])
    with pytest.raises(SchemaError, match="Found identical bars"):
        check_no_leak(np.array(["a", "b"]), np.zeros(2, int), ohlc, np.array([False, True]))


def test_neighbours_that_share_nothing_may_be_split() -> None:
    bar_start, ohlc = cut([0, 105])
    check_no_leak(np.array(["S", "S"]), bar_start, ohlc, np.array([False, True]))
