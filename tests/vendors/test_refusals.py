"""A file that holds no bars of one instrument and one length is refused in one sentence."""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tests.toy_bars import toy_bars
from tests.vendors.reading import read_bars, refusal

BARS = toy_bars(200)
CSV = BARS.to_csv(index=False)


def written(tmp_path: Path, text: str | bytes, name: str = "bars.csv") -> Path:
    path = tmp_path / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def zipped(tmp_path: Path, members: dict[str, str]) -> Path:
    path = tmp_path / "bars.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for name, text in members.items():
            archive.writestr(name, text)
    return path


def every(minutes: int, bars: pd.DataFrame = BARS) -> str:
    times = pd.date_range("2024-03-05 10:00", periods=len(bars), freq=f"{minutes}min", tz="UTC")
    return bars.assign(timestamp=times).to_csv(index=False)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("time,bid,ask\n2024-03-04T14:30:00Z,1,2\n", "Found quotes, bid and ask"),
        ("time,open,high,low\n2024-03-04T14:30:00Z,1,2,1,1.5\n", "4 names for 5 fields"),
        ("time,price,size\n2024-03-04T14:30:00Z,1,2\n", "none of the four prices"),
        ("time,open,high,close\n2024-03-04T14:30:00Z,1,2,1\n", "Found no low"),
        ("open,high,low,close\n1,2,1,1.5\n", "Found no time"),
        ("time,open,high,low,close,Close\n2024-03-04T14:30:00Z,1,2,1,1,1\n", "close twice"),
        ("time,open,high,low,close\n", "at least one bar"),
        ("time,open,high,low,close\nyesterday,1,2,1,1.5\n", "Found 'yesterday'"),
        ("[]", "Found an empty list"),
        ('[[1,2],[3,4]]', "Found 2 values"),
        ('{"chart": {"error": null}}', "none of the four prices"),
        ('[{"date": "2024-03-04"', "should be a JSON list of bars"),
        ("14:30,1,2,1,1.5\n", "Found '14:30'"),
        ("1;2;3\n4;5;6\n", "without a header line"),
        ("only words here\nand here\n", "none of the four prices"),
    ],
)  # fmt: skip
def test_what_is_no_table_of_bars_is_refused(tmp_path: Path, text: str, message: str) -> None:
    assert message in str(refusal(written(tmp_path, text)))


def test_rows_longer_than_the_first_are_refused(tmp_path: Path) -> None:
    lines = CSV.splitlines()
    lines[150] += ",7"
    assert "same number of fields" in str(refusal(written(tmp_path, "\n".join(lines))))


def test_dates_alone_are_refused_where_bars_are_minutes(tmp_path: Path) -> None:
    dates = BARS.assign(timestamp=BARS["timestamp"].dt.strftime("%Y-%m-%d")).to_csv(index=False)
    assert "Found only dates" in str(refusal(written(tmp_path, dates), tz="UTC"))


@pytest.mark.parametrize("n_days", [25, 60])
def test_days_before_minutes_in_one_file_are_refused(tmp_path: Path, n_days: int) -> None:
    days = toy_bars(n_days)
    days["timestamp"] = pd.bdate_range(end="2024-03-01", periods=n_days, tz="UTC")
    both = pd.concat([days, BARS])
    message = str(refusal(written(tmp_path, both.to_csv(index=False))))
    assert "bars of one length" in message
    assert "1d beside 1min" in message or "1min beside 1d" in message


def test_five_minutes_after_minutes_in_one_file_are_refused(tmp_path: Path) -> None:
    message = str(refusal(written(tmp_path, CSV + every(5).split("\n", 1)[1])))
    assert "Found 5min beside 1min" in message


def test_two_lengths_in_one_archive_are_refused(tmp_path: Path) -> None:
    message = str(refusal(zipped(tmp_path, {"NQ_1d.csv": every(1_440), "NQ_1m.csv": CSV})))
    assert "NQ_1d (1d), NQ_1m (1min)" in message


def test_an_archive_of_several_instruments_asks_for_one(tmp_path: Path) -> None:
    other = toy_bars(200, seed=2)
    path = zipped(tmp_path, {"ES.csv": other.to_csv(index=False), "NQ.csv": CSV})
    assert "--symbol" in str(refusal(path))
    pd.testing.assert_frame_equal(read_bars(path, symbol="NQ"), BARS)
    pd.testing.assert_frame_equal(read_bars(path, symbol="ES"), other)


def test_rows_of_an_archive_are_counted_in_their_own_file(tmp_path: Path) -> None:
    bad = BARS.copy()
    bad.loc[4, "low"] = np.nan
    path = zipped(tmp_path, {"ES.csv": CSV, "NQ.csv": bad.to_csv(index=False)})
    assert [row.row for row in refusal(path, symbol="NQ").rows] == [5]


def test_a_second_instrument_far_inside_a_file_is_refused(tmp_path: Path) -> None:
    bars = toy_bars(3_000).assign(symbol=["NQH4"] * 2_900 + ["NQM4"] * 100)
    assert "Found NQH4 and NQM4" in str(refusal(written(tmp_path, bars.to_csv(index=False))))


def test_an_empty_archive_and_a_nameless_one_are_refused(tmp_path: Path) -> None:
    assert "empty archive" in str(refusal(zipped(tmp_path, {})))
    assert "should hold bars" in str(refusal(written(tmp_path, b"")))


def test_a_locked_archive_is_refused(tmp_path: Path) -> None:
    path = zipped(tmp_path, {"NQ.csv": CSV})
    data = bytearray(path.read_bytes())
    for signature, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        data[data.index(signature) + offset] |= 1  # says that the member needs a password
    path.write_bytes(bytes(data))
    assert "password" in str(refusal(path))


def test_feather_of_the_first_version_is_refused(tmp_path: Path) -> None:
    assert "version 1" in str(refusal(written(tmp_path, b"FEA1" + bytes(200), "old.feather")))
