"""Bars are checked row by row and kept under the hash of their content."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from moola.bar_rules import BAR_COLUMNS
from moola.bars import (
    BarStore,
    content_hash,
    tick_size,
)
from moola.exceptions import StoreError
from tests.toy_bars import ohlc_of, toy_bars

# facts about bars


@pytest.mark.parametrize(
    ("prices", "tick"),
    [
        ([15616.75, 15653.25, 15616.0, 15630.5], 0.25),
        ([1.05155, 1.05197, 1.05150, 1.0519], 0.00001),
        ([2.80e-5, 2.85e-5, 2.70e-5, 2.75e-5], 5e-7),
        ([35856.0, 35901.0, 35853.0, 35868.0], 3.0),
        ([10.0, 10.0, 10.0, 10.0], None),
        ([np.pi, np.e, np.sqrt(2), np.sqrt(3)], None),
    ],
)
def test_tick_size_is_the_greatest_common_step(prices: list[float], tick: float | None) -> None:
    assert tick_size(np.array([prices])) == tick


@given(st.integers(0, 99), st.sampled_from(BAR_COLUMNS))
def test_content_hash_changes_with_any_value(row: int, column: str) -> None:
    frame, changed = toy_bars(100), toy_bars(100)
    step = pd.Timedelta("1s") if column == "timestamp" else 0.25
    changed.loc[row, column] = changed.loc[row, column] + step
    assert content_hash(frame) != content_hash(changed)


def test_content_hash_does_not_see_how_times_are_stored() -> None:
    frame = toy_bars(10)
    other = frame.assign(timestamp=frame["timestamp"].dt.as_unit("s").dt.tz_convert("Asia/Tokyo"))
    assert content_hash(other) == content_hash(frame)


# the bar store


def test_bars_come_back_as_they_were_written(tmp_path: Path) -> None:
    store, frame = BarStore(tmp_path / "bars"), toy_bars()
    key = store.write(frame)
    pd.testing.assert_frame_equal(store.read(key), frame)
    np.testing.assert_array_equal(store.ohlc(key), ohlc_of(frame))
    assert not store.ohlc(key).flags.writeable


def test_the_same_bars_are_one_file_and_nothing_temporary_stays(tmp_path: Path) -> None:
    store = BarStore(tmp_path)
    key = store.write(toy_bars())
    assert store.write(toy_bars()) == key
    assert [path.name for path in tmp_path.iterdir()] == [f"{key}.parquet"]


def test_what_a_killed_import_left_is_removed_a_day_later(tmp_path: Path) -> None:
    abandoned, running = tmp_path / ".bars-old.tmp", tmp_path / ".bars-new.tmp"
    for path in (abandoned, running):
        path.write_bytes(b"half a file")
    two_days_ago = running.stat().st_mtime - 2 * 86_400
    os.utime(abandoned, (two_days_ago, two_days_ago))
    BarStore(tmp_path).write(toy_bars())
    assert not abandoned.exists()
    assert running.exists()


def test_parts_have_the_hash_of_the_whole_and_are_found_by_time(tmp_path: Path) -> None:
    store, frame = BarStore(tmp_path), toy_bars(300)
    with store.writer() as writer:
        for first in range(0, 300, 70):
            writer.add(frame.iloc[first : first + 70])
        key = writer.finish()
        writer.keep(key)
    assert key == content_hash(frame)
    times = frame["timestamp"]
    found = store.between(key, times[65], times[150]).reset_index(drop=True)
    pd.testing.assert_frame_equal(found, frame.iloc[65:151].reset_index(drop=True))


def test_bars_are_kept_on_a_disk_without_hard_links(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_paths: object) -> None:
        raise OSError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(os, "link", refuse)
    store, frame = BarStore(tmp_path), toy_bars(300)
    key = store.write(frame)
    assert [path.name for path in tmp_path.iterdir()] == [f"{key}.parquet"]
    pd.testing.assert_frame_equal(store.read(key), frame, check_dtype=False)


def test_missing_bars_say_so(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="import them again"):
        BarStore(tmp_path).read("0" * 64)


@pytest.mark.parametrize("damage", [b"", b"PAR1 nonsense"])
def test_a_damaged_bars_file_says_so(tmp_path: Path, damage: bytes) -> None:
    store = BarStore(tmp_path)
    key = store.write(toy_bars())
    store.path(key).write_bytes(damage)
    with pytest.raises(StoreError, match="should hold bars"):
        store.ohlc(key)


def test_other_bars_under_a_hash_are_noticed(tmp_path: Path) -> None:
    store = BarStore(tmp_path)
    key, other = store.write(toy_bars(seed=1)), store.write(toy_bars(seed=2))
    store.path(other).rename(store.path(key))
    with pytest.raises(StoreError, match="Found others"):
        store.read(key)


def test_an_unwritable_folder_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "bars").write_text("a file where the folder should be")
    with pytest.raises(StoreError, match="folder one can write to"):
        BarStore(tmp_path / "bars").write(toy_bars())


@pytest.mark.real_bars
@pytest.mark.parametrize(
    ("name", "n_bars", "tick"),
    [
        ("nq_1min_2022jan", 13_560, 0.25),
        ("eurusd_1min_2017h1", 186_348, 0.00001),
        ("fxy_1min_2023_2025", 78_974, 0.000001),
    ],
)
def test_real_bars_are_read_whole(real_bars_dir: Path, name: str, n_bars: int, tick: float) -> None:
    frame = pd.read_parquet(real_bars_dir / f"{name}.parquet")
    assert len(frame) == n_bars
    assert tick_size(ohlc_of(frame)) == tick
