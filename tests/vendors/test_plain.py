"""Plain tables of named columns: what is read, what is asked, and which rows are refused."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from moola.bars import content_hash
from moola.exceptions import ConfigError, ImportRefused
from tests.toy_bars import toy_bars
from tests.vendors import reading

HEADER = "timestamp,open,high,low,close,volume\n"
GOOD_LINES = [f"2024-03-04T14:{minute}:00Z,10,12,9,11,100\n" for minute in range(30, 35)]


def read_bars(path: Path, tz: str | None = None) -> pd.DataFrame:
    return reading.read_bars(path, tz=tz, stamp="start", bar="1min")


def refusal(path: Path, tz: str | None = None) -> ImportRefused:
    return reading.refusal(path, tz=tz, stamp="start", bar="1min")


def csv(tmp_path: Path, text: str, name: str = "bars.csv") -> Path:
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    return path


# what is read


@pytest.mark.parametrize("name", ["bars.parquet", "bars.csv", "bars.csv.gz"])
def test_the_same_bars_have_the_same_hash_from_every_format(tmp_path: Path, name: str) -> None:
    frame, path = toy_bars(), tmp_path / name
    frame.to_parquet(path) if name.endswith("parquet") else frame.to_csv(path, index=False)
    read = read_bars(path)
    pd.testing.assert_frame_equal(read, frame)
    assert content_hash(read) == content_hash(frame)


def test_columns_are_found_by_name_in_any_order_and_case(tmp_path: Path) -> None:
    frame = toy_bars(5)
    path = tmp_path / "shuffled.csv"
    shuffled = frame[["close", "volume", "low", "timestamp", "high", "open"]].assign(VWAP=1.0)
    shuffled.rename(columns={"close": "Close", "timestamp": " Timestamp"}).to_csv(path, index=False)
    pd.testing.assert_frame_equal(read_bars(path), frame)


def test_times_in_the_index_of_a_parquet_are_a_column_like_any_other(tmp_path: Path) -> None:
    frame = toy_bars(5)
    frame.set_index("timestamp").to_parquet(tmp_path / "indexed.parquet")
    pd.testing.assert_frame_equal(read_bars(tmp_path / "indexed.parquet"), frame)


def test_volume_may_be_absent_or_missing(tmp_path: Path) -> None:
    toy_bars(5).drop(columns="volume").to_parquet(tmp_path / "bars.parquet")
    assert read_bars(tmp_path / "bars.parquet")["volume"].isna().all()
    lines = [line.replace(",100\n", ",\n") for line in GOOD_LINES]
    assert read_bars(csv(tmp_path, HEADER + "".join(lines)))["volume"].isna().all()


@pytest.mark.parametrize(
    "stamp",
    [
        "2024-03-04T14:30:00Z",
        "2024-03-04 14:30:00+00:00",
        "2024-03-04T09:30:00-05:00",
        "2024-03-04T09:30:00.000-0500",
        "2024-03-04T20:00+05:30",
        "2024-03-04 14:30:00 UTC",
    ],
)
def test_a_stamp_with_an_offset_is_read_as_utc(tmp_path: Path, stamp: str) -> None:
    frame = read_bars(csv(tmp_path, f"{HEADER}{stamp},10,12,9,11,1\n"))
    assert frame["timestamp"].tolist() == [pd.Timestamp("2024-03-04T14:30", tz="UTC")]
    assert str(frame["timestamp"].dtype) == "datetime64[ns, UTC]"


def test_an_offset_that_changes_inside_the_file_is_followed(tmp_path: Path) -> None:
    lines = "2024-03-10T01:59:00-05:00,10,12,9,11,1\n2024-03-10T03:00:00-04:00,10,12,9,11,1\n"
    times = read_bars(csv(tmp_path, HEADER + lines))["timestamp"]
    assert (times.iloc[1] - times.iloc[0]).total_seconds() == 60


@pytest.mark.parametrize("name", ["naive.csv", "naive.parquet"])
def test_naive_stamps_need_a_named_zone(tmp_path: Path, name: str) -> None:
    frame, path = toy_bars(5), tmp_path / name
    naive = frame.assign(timestamp=frame["timestamp"].dt.tz_localize(None))
    naive.to_parquet(path) if name.endswith("parquet") else naive.to_csv(path, index=False)
    assert "zone" in str(refusal(path))
    assert read_bars(path, tz="America/New_York")["timestamp"].iloc[0].hour == 19


def test_dates_alone_carry_no_zone(tmp_path: Path) -> None:
    assert "zone" in str(refusal(csv(tmp_path, HEADER + "2024-03-04,10,12,9,11,1\n")))


def test_stamps_with_and_without_a_zone_do_not_mix(tmp_path: Path) -> None:
    mixed = GOOD_LINES[0] + GOOD_LINES[1].replace("Z", "")
    assert "row 2 has none" in str(refusal(csv(tmp_path, HEADER + mixed), tz="UTC"))


@pytest.mark.parametrize("hour", ["2024-03-10 02:30", "2024-11-03 01:30"], ids=["never", "twice"])
def test_a_time_that_the_clock_shows_never_or_twice_is_refused(tmp_path: Path, hour: str) -> None:
    path = csv(tmp_path, f"{HEADER}{hour}:00,10,12,9,11,1\n")
    assert [row.row for row in refusal(path, tz="America/New_York").rows] == [1]


def test_an_unknown_zone_is_named(tmp_path: Path) -> None:
    path = csv(tmp_path, HEADER + "2024-03-04 14:30:00,10,12,9,11,1\n")
    with pytest.raises(ConfigError, match="'Mars/Base'"):
        read_bars(path, tz="Mars/Base")


# what is refused


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("2024-03-04T14:32:00Z,10,,9,11,1", "high is missing (NaN)"),
        ("2024-03-04T14:32:00Z,10,12,9,x,1", "close should be a number, found 'x'"),
        ("2024-03-04T14:32:00Z,10,8,9,11,1", "high 8 is below low 9"),
        ("2024-03-04T14:32:00Z,10,10.5,9,11,1", "high 10.5 is below open or close 11"),
        ("2024-03-04T14:32:00Z,10,12,10.5,11,1", "low 10.5 is above open or close 10"),
        ("2024-03-04T14:32:00Z,10,12,0,11,1", "low should be a finite price above 0, found 0"),
        ("2024-03-04T14:32:00Z,10,inf,9,11,1", "high should be a finite price above 0, found inf"),
        ("2024-03-04T14:32:00Z,10,12,9,11,-1", "volume should not be -1"),
        ("2024-03-04T14:31:00Z,10,12,9,11,1", "repeats that of a row before"),
        ("2024-03-04T14:29:00Z,10,12,9,11,1", "is earlier than that of a row before"),
        (",10,12,9,11,1", "timestamp is missing"),
        ("04/03/2024 2pm,10,12,9,11,1", "found '04/03/2024 2pm'"),
    ],
)
def test_a_bad_row_is_named_with_its_number_and_reason(
    tmp_path: Path, line: str, reason: str
) -> None:
    lines = [*GOOD_LINES[:2], line + "\n", *GOOD_LINES[3:]]
    error = refusal(csv(tmp_path, HEADER + "".join(lines)))
    assert [row.row for row in error.rows] == [3]
    assert reason in error.rows[0].reason
    assert f"row 3: {error.rows[0].reason}" in str(error)


def test_every_bad_row_is_listed_and_the_message_names_the_first_twenty(tmp_path: Path) -> None:
    frame = toy_bars(100)
    frame.loc[10:59, "low"] = np.nan
    frame.to_parquet(tmp_path / "bars.parquet")
    error = refusal(tmp_path / "bars.parquet")
    assert [row.row for row in error.rows] == list(range(11, 61))
    assert "50 of 100" in str(error)
    assert "row 30: " in str(error)
    assert "row 31: " not in str(error)
    assert "and 30 more" in str(error)


def test_a_newest_first_file_is_read_from_its_end(tmp_path: Path) -> None:
    frame = toy_bars(50)
    frame[::-1].to_csv(tmp_path / "bars.csv", index=False)
    pd.testing.assert_frame_equal(read_bars(tmp_path / "bars.csv"), frame)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "Found an empty file"),
        (b"timestamp,open,high,low,close\n", "at least one bar"),
        (b"timestamp,open,high,low\n2024-03-04T14:30:00Z,1,1,1\n", "Found no close"),
        (b"TIMESTAMP,BID,ASK\n1,2,3\n", "Found quotes, bid and ask"),
        (b"timestamp,open,high,low,close\n2024-03-04T14:30:00Z,1,1,1,1,5,6\n", "header line"),
        (b"timestamp,open,high,low,close,Close\n2024-03-04T14:30:00Z,1,1,1,1,1\n", "close twice"),
        (b"\x89PNG\r\n\x1a\n\x00\xff\xfe", "Found other content"),
        (b"\x1f\x8b\x08\x00broken", "should be a file one can read"),
    ],
)
def test_a_file_that_is_no_table_of_bars_is_refused(
    tmp_path: Path, content: bytes, message: str
) -> None:
    path = tmp_path / "bars.csv"
    path.write_bytes(content)
    assert message in str(refusal(path))


@pytest.mark.parametrize("content", [b"open,high\n1,2\n", b"PAR1 and then nothing of Parquet"])
def test_a_file_that_only_says_it_is_parquet_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "bars.parquet").write_bytes(content)
    assert "bars.parquet should be a" in str(refusal(tmp_path / "bars.parquet"))


def test_a_missing_file_and_a_folder_are_refused(tmp_path: Path) -> None:
    assert "No such file" in str(refusal(tmp_path / "none.csv"))
    assert "Is a directory" in str(refusal(tmp_path))


def test_epoch_numbers_are_not_guessed_at(tmp_path: Path) -> None:
    toy_bars(5).assign(timestamp=range(5)).to_parquet(tmp_path / "bars.parquet")
    assert "ISO 8601" in str(refusal(tmp_path / "bars.parquet"))


def test_a_damaged_gzip_is_refused(tmp_path: Path) -> None:
    whole = gzip.compress((HEADER + "".join(GOOD_LINES)).encode())
    (tmp_path / "bars.csv.gz").write_bytes(whole[:-15])
    refusal(tmp_path / "bars.csv.gz")
