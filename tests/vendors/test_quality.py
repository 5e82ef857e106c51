"""What a preview counts, on bars whose faults are known."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from moola.importing import holds_labels
from moola.vendors import Preview, preview, reading
from moola.vendors.ticks import TickCounter
from tests.toy_bars import ohlc_of, toy_bars
from tests.vendors.made import SHAPES

BARS = toy_bars(300)
PRICES = ["open", "high", "low", "close"]


def looked_at(tmp_path: Path, bars: pd.DataFrame, **options: str) -> Preview:
    bars.to_csv(tmp_path / "bars.csv", index=False)
    return preview(tmp_path / "bars.csv", **options)  # pyright: ignore[reportArgumentType]


def test_gaps_are_counted_and_the_longest_told(tmp_path: Path) -> None:
    found = looked_at(tmp_path, BARS.drop(index=[10, 50, 51, 52]))
    assert (found.n_gaps, found.longest_gap) == (2, timedelta(minutes=4))


def test_whole_bars_have_no_gap(tmp_path: Path) -> None:
    found = looked_at(tmp_path, BARS)
    assert (found.n_gaps, found.longest_gap, found.breaks) == (0, None, ())
    assert found.first_ts == BARS["timestamp"].iloc[0]
    assert found.last_ts == BARS["timestamp"].iloc[-1]


def test_flat_and_off_tick_bars_are_counted(tmp_path: Path) -> None:
    bars = BARS.copy()
    bars.loc[:4, PRICES] = 15_000.0
    bars.loc[100, "high"] += 0.1
    found = looked_at(tmp_path, bars)
    n_flat = int((BARS["high"] == BARS["low"]).iloc[5:].sum()) + 5
    assert (found.n_flat, found.n_off_tick, found.tick_size) == (n_flat, 1, 0.25)


def test_reasons_are_counted_and_the_first_twenty_rows_named(tmp_path: Path) -> None:
    bars = BARS.copy()
    bars.loc[10:40, "close"] = np.nan
    bars.loc[50, "low"] = -1.0
    bars["volume"] = bars["volume"].astype(object)
    bars.loc[60, "volume"] = "many"
    found = looked_at(tmp_path, bars)
    assert found.refused_by_reason == {
        "close is missing": 31,
        "low is no price above 0": 1,
        "volume is not a number": 1,
    }
    assert [row.row for row in found.refused] == list(range(11, 31))
    assert (found.n_refused, found.n_ok) == (33, 267)


@pytest.mark.parametrize(("every", "synthetic"), [(2, True), (40, False)])
def test_many_highs_below_the_close_betray_made_up_bars(
    tmp_path: Path, every: int, synthetic: bool
) -> None:
    bars = BARS.copy()
    bars.loc[::every, "high"] = np.maximum(bars["open"], bars["close"])[::every] - 0.25
    bars.loc[::every, "low"] = bars.loc[::every, "high"] - 100
    assert looked_at(tmp_path, bars).looks_synthetic is synthetic


def test_counts_do_not_depend_on_where_a_file_is_cut_into_parts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bars = pd.concat([BARS.iloc[:99], BARS.iloc[98:150], BARS.iloc[160:]])
    whole = looked_at(tmp_path, bars)
    monkeypatch.setattr("moola.vendors.text.CHUNK_ROWS", 7)
    parts = looked_at(tmp_path, bars)
    pd.testing.assert_frame_equal(whole.sample, parts.sample)
    pd.testing.assert_frame_equal(whole.head, parts.head)
    assert str(whole) == str(parts)
    assert (whole.n_duplicates, whole.n_gaps) == (1, 1)


def test_a_newest_first_file_is_read_backwards_across_its_parts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("moola.vendors.text.CHUNK_ROWS", 7)
    bars = BARS[::-1].copy()
    bars.loc[3, "low"] = np.nan  # stands in row 297
    found = looked_at(tmp_path, bars)
    assert [row.row for row in found.refused] == [297]
    assert found.n_ok == 299
    pd.testing.assert_frame_equal(found.head, BARS.assign(low=bars["low"].sort_index()).head(20))


def test_breaks_are_told_in_local_time_through_the_change_of_clocks(tmp_path: Path) -> None:
    # Globex pauses 16:00-17:00 in Chicago; clocks change on 10 March 2024
    times = pd.date_range("2024-03-03 17:00", "2024-03-15 15:59", freq="5min", tz="America/Chicago")
    open_hours = times[times.hour != 16]
    n_bars = len(open_hours)
    bars = toy_bars(n_bars).assign(timestamp=open_hours.tz_convert("UTC"))
    (found,) = looked_at(tmp_path, bars, tz_exchange="America/Chicago").breaks
    assert (found.start, found.end, found.zone) == ("16:00", "17:00", "America/Chicago")


def test_a_sample_covers_the_whole_file_with_its_extremes(tmp_path: Path) -> None:
    bars = toy_bars(5_000)
    sample = looked_at(tmp_path, bars).sample
    assert 250 <= len(sample) <= 600
    assert sample["high"].max() == bars["high"].max()
    assert sample["low"].min() == bars["low"].min()
    assert sample["open"].iloc[0] == bars["open"].iloc[0]
    assert sample["close"].iloc[-1] == bars["close"].iloc[-1]
    assert sample["volume"].sum() == bars["volume"].sum()


@pytest.mark.parametrize(
    ("scale", "tick"), [(1.0, 0.25), (4.0, 1.0), (0.04, 0.01), (4e-9, 1e-9), (0.125, 1 / 32)]
)
def test_the_tick_is_found_at_every_scale(scale: float, tick: float) -> None:
    counter = TickCounter()
    prices = np.rint(ohlc_of(BARS) * 4)
    for part in np.array_split(prices * (scale / 4), 3):
        counter.add(part)
    found, n_off = counter.result()
    if tick < 1e-8:
        assert found is None, "eight decimals are as fine as prices get"
    else:
        assert (found, n_off) == (pytest.approx(tick), 0)


def test_prices_that_need_more_digits_later_lower_the_tick() -> None:
    counter = TickCounter()
    counter.add(ohlc_of(BARS))
    counter.add(ohlc_of(BARS) + 0.05)
    assert counter.result() == (0.05, 0)


@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: f"{shape.format}-{shape.name}")
def test_bars_are_never_taken_for_labels(shape: object, tmp_path: Path) -> None:
    write: Callable[[Path], None] = shape.write  # pyright: ignore
    path = tmp_path / shape.name  # pyright: ignore
    write(path)
    assert not holds_labels(path)


def test_open_questions_are_those_without_an_answer(tmp_path: Path) -> None:
    shape = next(item for item in SHAPES if item.format == "ninjatrader_histdata")
    shape.write(tmp_path / shape.name)
    found = reading.open_file(tmp_path / shape.name).recognition
    assert reading.open_questions(found, shape.answers) == []
