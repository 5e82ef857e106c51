from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from moola import folding, purging
from moola.examples import CONTEXT_BARS, Times
from moola.exceptions import SchemaError
from moola.features import LOOKBACK_BARS
from moola.purging import EMBARGO_S, PURGE_BARS, Places
from moola.splits import check_no_leak

DAY = 24 * 60


def times_of(bar_start: np.ndarray, offset_bars: np.ndarray | int = 0) -> Times:
    """Return times of bars that follow each other by a minute from 1970 on."""
    first = bar_start + offset_bars
    return Times(
        start_s=first * 60.0,
        first_s=(first - LOOKBACK_BARS - CONTEXT_BARS) * 60.0,
        last_s=(first + 105 + CONTEXT_BARS) * 60.0,
    )


def places(
    starts: dict[str, list[int]],
    *,
    with_times: bool = True,
    offset_bars: Mapping[str, int] | None = None,
) -> Places:
    """Return windows of series whose bars are all different, a minute apart.

    A series begins `offset_bars` minutes after 1970, by default 400 days after the one before it,
    so that no two are at the same time.
    """
    series = [name for name, here in starts.items() for _ in here]
    bar_start = np.array([start for here in starts.values() for start in here])
    number = {name: i for i, name in enumerate(starts)}
    bars = (
        bar_start[:, None] + np.arange(105) + 1e6 * np.array([number[n] for n in series])[:, None]
    )
    ohlc = np.stack([bars, bars + 1, bars - 1, bars], axis=2).astype(float)
    begins = {name: i * 400 * DAY for name, i in number.items()} | dict(offset_bars or {})
    times = times_of(bar_start, np.array([begins[name] for name in series]))
    if not with_times:
        times = Times.unknown(len(series))
    return Places(series_id=np.array(series), bar_start=bar_start, ohlc=ohlc, times=times)


FEEDS = ("ES", "NQ", "YM")


@st.composite
def window_sets(draw: st.DrawFn) -> tuple[Places, dict[str, int]]:
    """Return windows of three feeds at about the same minutes, re-cut by 52 bars, and of series
    that are one window, with and without a time."""
    starts = {
        name: sorted(draw(st.lists(st.integers(0, 40).map(lambda n: n * 52), max_size=40)))
        for name in FEEDS
    }
    starts |= {f"w{i}": [0] for i in range(draw(st.integers(0, 12)))}
    starts = {name: here for name, here in starts.items() if here}
    assume(starts)
    offset = {name: draw(st.sampled_from([0, 7, 1_000, 30 * DAY])) for name in starts}
    found = places(starts, offset_bars=offset)
    untimed = np.isin(found.series_id, [f"w{i}" for i in range(0, 12, 2)])
    for column in vars(found.times).values():
        column[untimed] = np.nan
    return found, offset


def minutes(here: Places, offset: dict[str, int], row: int) -> set[int]:
    """Return the minutes of a window's own bars."""
    first = offset[str(here.series_id[row])] + int(here.bar_start[row])
    return set(range(first, first + 105))


@given(window_sets(), st.integers(2, 5), st.integers(0, 99))
@settings(max_examples=40, deadline=None)
def test_no_fold_ever_leaks_and_every_window_is_held_out_once(
    drawn: tuple[Places, dict[str, int]], n_folds: int, seed: int
) -> None:
    here, offset = drawn
    try:
        repeats = folding.repeated_folds(here, n_folds, seeds=[seed, seed + 1])
    except SchemaError:
        return  # too few windows for that many folds
    for splits in repeats:
        assert (np.sum([split.is_val for split in splits], axis=0) == 1).all()
        for split in splits:
            check_split(here, offset, split)


def check_split(here: Places, offset: dict[str, int], split: folding.Split) -> None:
    kept = split.is_val | split.trains
    assert not (split.is_val & split.trains).any()
    check_no_leak(here.series_id[kept], here.bar_start[kept], here.ohlc[kept], split.is_val[kept])
    timed = here.is_timed
    held_minutes = set[int]().union(
        *(minutes(here, offset, int(row)) for row in np.flatnonzero(split.is_val & timed))
    )
    for row in np.flatnonzero(split.trains):
        same = here.series_id == here.series_id[row]
        apart = np.abs(here.bar_start - here.bar_start[row])
        assert not (same & split.is_val & (apart < PURGE_BARS)).any()
        if timed[row]:  # in whatever series
            assert not minutes(here, offset, int(row)) & held_minutes


def test_windows_of_another_market_at_a_held_out_minute_do_not_train() -> None:
    # As far as a shifted window shows bars and looks back; both reach as far.
    far = 105 + CONTEXT_BARS + LOOKBACK_BARS + CONTEXT_BARS
    nq, es = [0, 400, 3_000, 9_000], [60, far - 1, far, 3_000]
    here = places({"NQ": nq, "ES": es}, offset_bars={"NQ": 0, "ES": 0})
    is_val = (here.series_id == "NQ") & (here.bar_start == 0)
    assert purging.same_time_rows(here, is_val).tolist() == [False] * 4 + [True, True, False, False]
    assert purging.n_at_held_out_times(here, is_val, ~is_val) == 2
    assert purging.n_at_held_out_times(places({"NQ": nq}), here.bar_start[:4] == 0, ~is_val) is None
    assert purging.n_without_time(here) == 0
    assert purging.n_without_time(places({"NQ": nq, "ES": es}, with_times=False)) == 8
    # The embargo is of a day whatever the series.
    assert purging.after_rows(here, is_val)[4:].tolist() == [True, True, True, False]


def test_markets_of_the_same_days_are_cut_at_the_same_times() -> None:
    starts = list(range(0, 30 * DAY, 500))
    here = places({"NQ": starts, "ES": starts[:60]}, offset_bars={"NQ": 0, "ES": 0})
    fold = folding.assign_folds(here, 5, seed=3)
    nq = dict(zip(starts, fold[: len(starts)].tolist(), strict=True))
    assert [nq[start] for start in starts[:60]] == fold[len(starts) :].tolist()
    far = places({"NQ": starts, "ES": starts[:60]})  # ES a year later is cut by itself
    assert len(np.unique(folding.assign_folds(far, 5, seed=3)[len(starts) :])) == 5


def test_the_blocks_of_a_repeat_begin_elsewhere() -> None:
    here = places({"ES": list(range(0, 40 * 200, 200))})
    first, second = folding.repeated_folds(here, 4, seeds=[0, 1])
    blocks = [{tuple(np.flatnonzero(split.is_val)) for split in one} for one in (first, second)]
    assert not blocks[0] & blocks[1]
    ends = next(split for split in second if split.is_val[0])
    assert ends.is_val[-1]  # before the first border and after the last is one fold


def test_windows_are_hashed_once_for_all_folds(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[int] = []

    def counted(ohlc: np.ndarray) -> list[list[int]]:
        calls.append(len(ohlc))
        return []

    monkeypatch.setattr(purging, "content_holders", counted)
    folding.repeated_folds(places({"ES": list(range(0, 9_000, 300))}), 5, seeds=[0, 1])
    assert calls == [30]


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
    last_held_s = here.times.start_s[is_val].max()
    after = here.times.start_s - last_held_s
    assert not split.trains[(after > 0) & (after < EMBARGO_S)].any()
    assert split.trains[after >= EMBARGO_S].all()
    # Before the held-out day only the purge counts.
    before = here.bar_start[is_val].min() - here.bar_start
    assert split.trains[before >= PURGE_BARS].all()
    assert split.n_purged == 4  # 300, 600, 900 and 1,200 bars after it


def test_a_weekend_does_not_use_up_the_embargo() -> None:
    friday_20h, monday_2h = 1_767_988_800.0, 1_768_183_200.0  # 9 and 12 January 2026
    here = places({"ES": [0, 3_000, 30_000]})
    here.times.start_s[:] = friday_20h, monday_2h, monday_2h + 7 * 86_400
    assert purging.after_rows(here, np.array([True, False, False])).tolist() == [False, True, False]
    apart = np.diff(purging.without_weekends(np.array([friday_20h, monday_2h])))
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
    assert purging.near_rows(here, is_val).tolist() == [False, True, False]
    assert purging.smallest_distance_bars(here, is_val, ~is_val) == 120


def test_too_few_windows_are_refused_with_what_to_do() -> None:
    with pytest.raises(SchemaError, match="label more windows, or ask for fewer folds"):
        folding.assign_folds(places({"a": [0], "b": [0]}), 5, seed=0)


def test_the_same_seed_gives_the_same_folds_and_another_one_others() -> None:
    here = places({f"w{i}": [0] for i in range(40)})
    first, again, other = (folding.assign_folds(here, 5, seed=seed) for seed in (1, 1, 2))
    assert (first == again).all()
    assert (first != other).any()
