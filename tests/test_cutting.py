"""Windows on demand: where they fit, what stands in the way, and that nothing is cut twice."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from moola.bars import BarStore
from moola.cli import main
from moola.cutting import (
    CutOptions,
    CutPlan,
    cut_series,
    no_window_text,
    plan_cut,
    rolls_of,
    suspected_rolls,
)
from moola.exceptions import ConfigError, StoreError
from moola.importing import import_bars
from moola.schema import WINDOW_LENGTH
from moola.store import LabelStore, Series
from tests.toy_bars import ohlc_of, toy_bars

NEW_YORK = "America/New_York"


def minutes(n: int, start: str = "2022-03-10 14:30", *, without: slice | None = None):
    times = pd.date_range(start, periods=n, freq="1min", tz="UTC")
    return times if without is None else times.delete(np.arange(n)[without])


def by_hand(times: pd.DatetimeIndex, stride: int, max_gap_min: float) -> list[int]:
    """Where windows fit, bar by bar: the stride begins anew after each pause."""
    starts, first = [], 0
    steps = [(b - a).total_seconds() / 60 for a, b in itertools.pairwise(times)]
    pause = [step - float(np.median(steps)) for step in steps]
    for bar in range(len(times)):
        if bar and pause[bar - 1] > max_gap_min:
            first = bar
        inside = pause[bar : bar + WINDOW_LENGTH - 1]
        if (bar - first) % stride == 0 and len(inside) == 104 and max(inside) <= max_gap_min:
            starts.append(bar)
    return starts


def test_windows_lie_side_by_side_up_to_the_end_of_the_series() -> None:
    plan = plan_cut(minutes(400), CutOptions())
    assert plan.starts.tolist() == [0, 105, 210]
    assert (plan.n_gap, plan.n_roll, plan.n_session, plan.longest_run) == (0, 0, 0, 400)


def test_no_window_crosses_a_longer_pause_and_the_stride_begins_anew_after_it() -> None:
    times = minutes(470, without=slice(150, 160))
    plan = plan_cut(times, CutOptions())
    assert plan.starts.tolist() == [0, 150, 255]
    assert plan.n_gap == 1  # the step at bar 105
    assert plan_cut(times, CutOptions(max_gap_min=10)).starts.tolist() == [0, 105, 210, 315]
    assert plan_cut(times, CutOptions(max_gap_min=9.99)).starts.tolist() == [0, 150, 255]


def test_zero_minutes_allow_not_one_missing_bar_and_inf_allows_any_pause() -> None:
    times = minutes(300, without=slice(50, 51))
    assert plan_cut(times, CutOptions(max_gap_min=0)).starts.tolist() == [50, 155]
    week_later = times[:150].append(times[150:] + pd.Timedelta("7D"))
    assert plan_cut(week_later, CutOptions(max_gap_min=float("inf"))).starts.tolist() == [0, 105]


@given(
    st.lists(st.sampled_from([1, 1, 1, 1, 1, 1, 1, 1, 1, 2, 7, 90]), min_size=104, max_size=420),
    st.integers(1, 120),
    st.sampled_from([0.0, 1.0, 5.0, 60.0]),
)
def test_windows_are_where_a_search_by_hand_finds_them(
    steps: list[int], stride: int, max_gap_min: float
) -> None:
    offsets = pd.to_timedelta(np.r_[0, np.cumsum(steps)], unit="min")
    times = pd.DatetimeIndex(pd.Timestamp("2022-03-10", tz="UTC") + offsets)
    plan = plan_cut(times, CutOptions(stride_bars=stride, max_gap_min=max_gap_min))
    assert plan.starts.tolist() == by_hand(times, stride, max_gap_min)


def test_daily_bars_may_hold_a_long_weekend() -> None:
    times = pd.bdate_range("2021-01-04", periods=250, tz="UTC")
    assert plan_cut(times, CutOptions()).starts.tolist() == [0, 105]
    assert not len(plan_cut(times, CutOptions(max_gap_min=5)).starts)


def test_a_roll_is_never_crossed_and_counted_apart() -> None:
    plan = plan_cut(minutes(330), CutOptions(), rolls=[120])
    assert plan.starts.tolist() == [0, 120, 225]
    assert (plan.n_gap, plan.n_roll) == (0, 1)


def test_a_session_keeps_windows_that_lie_wholly_inside_it() -> None:
    times = minutes(1440, "2022-03-10 05:00")  # a whole New York day
    options = CutOptions(session="09:30-16:00", stride_bars=15)
    starts = plan_cut(times, options, zone=NEW_YORK).starts
    local = times.tz_convert(NEW_YORK)
    assert str(local[starts[0]].time()) == "09:30:00"
    assert str(local[starts[-1] + WINDOW_LENGTH - 1].time()) <= "15:59:00"
    assert len(starts) == (390 - 105) // 15 + 1


def test_a_session_may_lie_over_midnight_and_follows_the_change_of_the_clocks() -> None:
    # New York springs forward on 13 March 2022
    for day, begins in (("2022-03-10", "23:00"), ("2022-03-14", "22:00")):
        times = minutes(1440, f"{day} 12:00")
        options = CutOptions(session="18:00-03:00", stride_bars=1)
        starts = plan_cut(times, options, zone=NEW_YORK).starts
        assert f"{times[starts[0]]:%H:%M}" == begins
        assert len(starts) == 9 * 60 - 104


def test_hours_keep_windows_by_their_middle_bar() -> None:
    times = minutes(1440, "2022-03-10 05:00")
    options = CutOptions(hours=("open",), stride_bars=1)
    plan = plan_cut(times, options, zone=NEW_YORK)
    middle = times[plan.starts + 52].tz_convert(NEW_YORK)
    assert [f"{middle[0]:%H:%M}", f"{middle[-1]:%H:%M}"] == ["09:30", "10:29"]
    assert len(plan.starts) + plan.n_session == 1440 - 104


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"stride_bars": 0}, "at least 1 bar. Found 0"),
        ({"max_gap_min": -1}, "0 or more. Found -1"),
        ({"max_gap_min": float("nan")}, "0 or more. Found nan"),
        ({"session": "9-16"}, "like 09:30-16:00. Found '9-16'"),
        ({"session": "09:30-09:30"}, "like 09:30-16:00"),
        ({"session": "09:30-24:30"}, "like 09:30-16:00"),
        ({"roll_at": (datetime(2022, 3, 14),)}, "should carry a zone"),
    ],
)
def test_an_option_out_of_range_is_a_sentence(options: dict, sentence: str) -> None:
    with pytest.raises(ConfigError, match=sentence):
        CutOptions(**options)


def test_an_unknown_part_of_the_day_is_a_sentence() -> None:
    with pytest.raises(ConfigError, match=r"among overnight.* Found 'lunch'"):
        plan_cut(minutes(200), CutOptions(hours=("lunch",)), zone=NEW_YORK)


def test_only_a_jump_over_a_pause_is_suspected_to_be_a_roll() -> None:
    frame = toy_bars(300)
    times = pd.DatetimeIndex(frame["timestamp"])
    later = times[:150].append(times[150:] + pd.Timedelta("2h"))
    moved = ohlc_of(frame) + np.where(np.arange(300) < 150, 0, 200)[:, None]
    assert suspected_rolls(later, moved).tolist() == [150]
    assert suspected_rolls(times, moved).tolist() == []
    assert suspected_rolls(later, ohlc_of(frame)).tolist() == []


# --- in a store


def stored(tmp_path: Path, frame: pd.DataFrame, name: str = "TOY") -> tuple[LabelStore, BarStore]:
    frame.to_parquet(tmp_path / f"{name}.parquet")
    store, bars = LabelStore.open(f"sqlite:///{tmp_path}/moola.db"), BarStore(tmp_path / "bars")
    import_bars(tmp_path / f"{name}.parquet", store, bars)
    return store, bars


def test_the_same_cut_twice_adds_nothing(tmp_path: Path) -> None:
    store, bars = stored(tmp_path, toy_bars(400))
    (series,) = store.series()
    first = cut_series(series, store, bars, CutOptions(), op_id="one")
    again = cut_series(series, store, bars, CutOptions(), op_id="two")
    assert (first.n_made, first.n_there) == (3, 0)
    assert (again.n_made, again.n_there) == (0, 3)
    windows = store.windows()
    assert [row.bar_start for row in windows] == [0, 105, 210]
    assert windows[1].start_ts == datetime(2024, 3, 4, 16, 15, tzinfo=UTC)
    assert store.find_damage() == []


def test_a_finer_cut_adds_only_the_windows_between(tmp_path: Path) -> None:
    store, bars = stored(tmp_path, toy_bars(400))
    (series,) = store.series()
    cut_series(series, store, bars, CutOptions(), op_id="one")
    finer = cut_series(series, store, bars, CutOptions(stride_bars=35), op_id="two")
    assert (finer.n_made, finer.n_there) == (6, 3)


def test_rolls_that_the_series_lists_are_known_and_others_are_said_to_be_unknown(
    tmp_path: Path,
) -> None:
    store, bars = stored(tmp_path, toy_bars(400))
    (series,) = store.series()
    unknown = cut_series(series, store, bars, CutOptions(), op_id="one")
    assert "no roll is known" in str(unknown)
    roll = datetime(2024, 3, 4, 16, 30, tzinfo=UTC)  # bar 120
    known = cut_series(series, store, bars, CutOptions(roll_at=(roll,)), op_id="two")
    assert (known.n_made, known.n_there, known.n_roll) == (2, 1, 1)
    assert known.notes == ()


def test_a_roll_rule_in_words_names_no_times() -> None:
    def rolls(rule: str) -> tuple[datetime, ...] | None:
        return rolls_of(Series(**dict.fromkeys(Series.__dataclass_fields__) | {"roll_rule": rule}))

    assert rolls("by volume; at 2022-03-14T22:00:00+00:00, 2022-06-13T22:00Z") == (
        datetime(2022, 3, 14, 22, tzinfo=UTC),
        datetime(2022, 6, 13, 22, tzinfo=UTC),
    )
    assert rolls("back-adjusted on 2022-03-14") is None


def test_a_market_too_thin_for_a_window_says_so_in_one_sentence(tmp_path: Path) -> None:
    frame = toy_bars(400)
    thin = frame.drop(index=range(60, 400, 60)).reset_index(drop=True)
    store, bars = stored(tmp_path, thin, "THIN")
    (series,) = store.series()
    with pytest.raises(StoreError, match=r"THIN should have 105 bars .* Found at most 60: allow"):
        cut_series(series, store, bars, CutOptions(max_gap_min=0), op_id="one")
    assert store.windows() == []


def test_hours_without_a_known_clock_are_asked_for(tmp_path: Path) -> None:
    store, bars = stored(tmp_path, toy_bars(400))
    (series,) = store.series()
    with pytest.raises(ConfigError, match="--zone America/New_York"):
        cut_series(series, store, bars, CutOptions(session="09:30-16:00"), op_id="one")


def test_the_command_line_cuts_and_says_what_it_left_out(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    stored(tmp_path, toy_bars(400).drop(index=range(150, 170)).reset_index(drop=True))
    cut = ["cut", "--workspace", str(tmp_path), "--series", "TOY"]
    assert main(cut) == 0
    shown = capsys.readouterr().out
    assert "3 new windows, 0 were there already; left out: 1 would cross a pause" in shown
    assert main([*cut, "--session", "09:30-16:00"]) == 2
    assert "--zone" in capsys.readouterr().err
    session = ["--session", "09:30-16:00", "--zone", NEW_YORK, "--stride", "20"]
    assert main([*cut, *session, "--roll-at", "2024-03-04T18:00+00:00"]) == 0


@pytest.mark.real_bars
def test_real_series_have_the_windows_that_their_sessions_allow(real_bars_dir: Path) -> None:
    def plan(name: str, **options) -> CutPlan:
        times = pd.read_parquet(real_bars_dir / f"{name}.parquet", columns=["timestamp"])
        return plan_cut(times["timestamp"], CutOptions(**options))

    nq = plan("nq_1min_2022jan")
    assert nq.longest_run == 1380  # 23 hours between two breaks of the CME
    assert (len(nq.starts), nq.n_gap) == (127, 9)
    thin = plan("fxy_1min_2023_2025", max_gap_min=0)
    assert not len(thin.starts)
    assert "Found at most 94" in no_window_text("FXY", thin)
    assert len(plan("inda_1min_2023_2025", max_gap_min=0).starts) < 300
    assert len(plan("btcperp_1min_2022jan").starts) == 428
