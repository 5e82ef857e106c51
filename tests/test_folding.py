from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from moola import folding
from moola.exceptions import SchemaError
from moola.folding import EMBARGO_S, PURGE_BARS, Places
from moola.splits import check_no_leak

DAY = 24 * 60


def places(starts: dict[str, list[int]], *, with_times: bool = True) -> Places:
    """Return windows of series whose bars are all different, a minute apart."""
    series = [name for name, here in starts.items() for _ in here]
    bar_start = np.array([start for here in starts.values() for start in here])
    number = {name: i for i, name in enumerate(starts)}
    bars = (
        bar_start[:, None] + np.arange(105) + 1e6 * np.array([number[n] for n in series])[:, None]
    )
    ohlc = np.stack([bars, bars + 1, bars - 1, bars], axis=2).astype(float)
    times = bar_start * 60.0 if with_times else np.full(len(series), np.nan)
    return Places(series_id=np.array(series), bar_start=bar_start, ohlc=ohlc, start_s=times)


window_sets = st.dictionaries(
    st.sampled_from(["ES", "NQ", "w1", "w2", "w3", "w4"]),
    st.lists(st.integers(0, 40).map(lambda n: n * 52), min_size=1, max_size=60),
    min_size=2,
    max_size=6,
)


@given(window_sets, st.integers(2, 5), st.integers(0, 99))
@settings(max_examples=40, deadline=None)
def test_no_fold_ever_leaks_and_every_window_is_held_out_once(
    starts: dict[str, list[int]], n_folds: int, seed: int
) -> None:
    given_places = places(starts)
    try:
        ((*splits,),) = folding.repeated_folds(given_places, n_folds, seeds=[seed])
    except SchemaError:
        return  # too few windows for that many folds
    assert (np.sum([split.is_val for split in splits], axis=0) == 1).all()
    for split in splits:
        kept = split.is_val | split.trains
        assert not (split.is_val & split.trains).any()
        check_no_leak(
            given_places.series_id[kept],
            given_places.bar_start[kept],
            given_places.ohlc[kept],
            split.is_val[kept],
        )
        for row in np.flatnonzero(split.trains):
            same = given_places.series_id == given_places.series_id[row]
            apart = np.abs(given_places.bar_start - given_places.bar_start[row])
            assert not (same & split.is_val & (apart < PURGE_BARS)).any()


def test_blocks_follow_each_other_in_time() -> None:
    found = folding.assign_folds(places({"ES": list(range(0, 20_000, 200))}), 5, seed=0)
    assert len(np.unique(found)) == 5
    assert (np.diff(found) != 0).sum() == 4  # each fold is one stretch
    assert np.bincount(found).min() >= 15


def test_a_block_begins_where_the_gap_is_widest() -> None:
    starts = [*range(0, 2_000, 200), *range(9_000, 10_800, 200)]  # 10 and 9 windows, a long gap
    found = folding.assign_folds(places({"ES": starts}), 2, seed=0)
    assert len(set(found[:10])) == len(set(found[10:])) == 1


def test_windows_within_a_trading_day_after_the_held_out_ones_do_not_train() -> None:
    starts = list(range(0, 20 * DAY, 300))
    here = places({"ES": starts})
    is_val = (here.bar_start >= 4 * DAY) & (here.bar_start < 5 * DAY)  # a Monday
    split = folding.split(here, is_val)
    last_held_s = here.start_s[is_val].max()
    after = here.start_s - last_held_s
    assert not split.trains[(after > 0) & (after < EMBARGO_S)].any()
    assert split.trains[after >= EMBARGO_S].all()
    # Before the held-out day only the purge counts.
    before = here.bar_start[is_val].min() - here.bar_start
    assert split.trains[before >= PURGE_BARS].all()
    assert split.n_purged == 4  # 300, 600, 900 and 1,200 bars after it


def test_a_weekend_does_not_use_up_the_embargo() -> None:
    friday_20h, monday_2h = 1_767_988_800.0, 1_768_183_200.0  # 9 and 12 January 2026
    here = replace(
        places({"ES": [0, 3_000, 30_000]}),
        start_s=np.array([friday_20h, monday_2h, monday_2h + 7 * 86_400]),
    )
    assert folding.after_rows(here, np.array([True, False, False])).tolist() == [False, True, False]
    apart = np.diff(folding.without_weekends(np.array([friday_20h, monday_2h])))
    assert apart[0] == 6 * 3600


def test_the_embargo_gives_way_where_all_labels_are_of_one_day() -> None:
    here = places({"ES": list(range(0, 1_300, 130))})
    split = folding.split(here, here.bar_start == 0)
    assert "No embargo" in split.note
    assert split.trains.sum() == 8  # one of nine is within the purge


def test_the_same_bars_in_a_second_series_do_not_train() -> None:
    here = places({"ES": [0, 2_000], "again": [500, 9_000]}, with_times=False)
    here.ohlc[2] = here.ohlc[0]
    split = folding.split(here, np.array([True, False, False, False]))
    assert split.trains.tolist() == [False, True, False, True]


def test_a_planted_leak_is_found() -> None:
    here = places({"ES": [0, 120, 5_000]})
    is_val = np.array([True, False, False])
    assert folding.near_rows(here, is_val).tolist() == [False, True, False]
    assert folding.smallest_distance_bars(here, is_val, ~is_val) == 120


def test_too_few_windows_are_refused_with_what_to_do() -> None:
    with pytest.raises(SchemaError, match="label more windows, or ask for fewer folds"):
        folding.assign_folds(places({"a": [0], "b": [0]}), 5, seed=0)


def test_the_same_seed_gives_the_same_folds_and_another_one_others() -> None:
    here = places({f"w{i}": [0] for i in range(40)})
    first, again, other = (folding.assign_folds(here, 5, seed=seed) for seed in (1, 1, 2))
    assert (first == again).all()
    assert (first != other).any()
