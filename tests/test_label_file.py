"""A label file comes in whole, or every row at fault is named."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from moola.exceptions import ImportRefused, StoreError
from moola.label_file import LabelRow, read_label_file, write_label_file
from moola.schema import SPAN_TYPES
from tests.toy_bars import label_row, ohlc_of, toy_bars

OHLC = ohlc_of(toy_bars(500))
BARS = OHLC[:105].tolist()
GOOD = {
    "window_id": "w1",
    "label": "consolidation",
    "expansion_start": 50,
    "expansion_end": 65,
    "features": BARS,
}


def label_file(tmp_path: Path, *rows: dict[str, Any]) -> Path:
    path = tmp_path / "labels.parquet"
    pd.DataFrame(list(rows)).to_parquet(path)
    return path


def refusal(path: Path) -> ImportRefused:
    with pytest.raises(ImportRefused) as caught:
        read_label_file(path)
    assert "\n" not in str(caught.value), "one sentence on one line"
    return caught.value


def same(one: LabelRow, other: LabelRow) -> bool:
    facts = [(r.row, r.window_id, r.type, r.start, r.end) for r in (one, other)]
    return facts[0] == facts[1] and np.array_equal(one.ohlc, other.ohlc)


def test_rows_come_back_as_they_were_written(tmp_path: Path) -> None:
    rows = [
        label_row(1, OHLC, first=0, start=0, end=104, type="reversal"),
        label_row(2, OHLC, first=52, start=3, end=3, type="retracement"),
        label_row(3, OHLC, first=395, name="102_exp_1_offset+52"),
    ]
    write_label_file(tmp_path / "deep" / "labels.parquet", rows)
    read = read_label_file(tmp_path / "deep" / "labels.parquet")
    assert all(same(one, other) for one, other in zip(rows, read, strict=True))


@given(st.integers(0, 104), st.integers(0, 104), st.sampled_from(SPAN_TYPES))
def test_every_legal_span_makes_the_round_trip(
    tmp_path_factory: pytest.TempPathFactory, one: int, other: int, kind: Any
) -> None:
    start, end = sorted((one, other))
    path = tmp_path_factory.getbasetemp() / "round_trip.parquet"
    write_label_file(path, [label_row(1, OHLC, start=start, end=end, type=kind)])
    row = read_label_file(path)[0]
    assert (row.start, row.end, row.type) == (start, end, kind)


def test_class_ids_and_whole_number_window_ids_are_read(tmp_path: Path) -> None:
    rows = [
        {**GOOD, "window_id": i, "label": i, "features": OHLC[i : i + 105].tolist()}
        for i in range(3)
    ]
    read = read_label_file(label_file(tmp_path, *rows))
    assert [row.type for row in read] == list(SPAN_TYPES)
    assert [row.window_id for row in read] == ["0", "1", "2"]


def test_several_spans_of_one_window_are_several_rows(tmp_path: Path) -> None:
    later = {**GOOD, "window_id": "w1_exp_2", "expansion_start": 66, "expansion_end": 70}
    assert len(read_label_file(label_file(tmp_path, GOOD, later))) == 2, "touching bars are fine"


def test_a_repeated_row_is_left_to_the_import(tmp_path: Path) -> None:
    assert len(read_label_file(label_file(tmp_path, GOOD, GOOD))) == 2


def spoilt(bar: int, column: int, value: float) -> list[list[float]]:
    bars = [list(row) for row in BARS]
    bars[bar][column] = value
    return bars


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"label": "breakout"}, "label should be one of consolidation, retracement, reversal"),
        ({"label": None}, "found None"),
        ({"label": ""}, "found ''"),
        ({"expansion_start": -1}, "expansion_start should be in 0..104, found -1"),
        ({"expansion_end": 105}, "expansion_end should be in 0..104, found 105"),
        ({"expansion_start": 65, "expansion_end": 50}, "not come before expansion_start"),
        ({"window_id": None}, "window_id should be a name"),
        ({"window_id": "  "}, "window_id should be a name"),
        ({"features": BARS[:104]}, "features should hold 105 bars, found 104"),
        ({"features": [bar[:3] for bar in BARS]}, "shape (105, 4), found (105, 3)"),
        ({"features": [*BARS[:104], BARS[0][:3]]}, "105 lists of open, high, low and close"),
        ({"features": None}, "features should"),
        ({"features": spoilt(17, 1, np.nan)}, "bar 17 of features: high is missing (NaN)"),
        ({"features": spoilt(17, 1, 1.0)}, "bar 17 of features: high 1 is below low"),
        ({"features": spoilt(0, 2, -5.0)}, "bar 0 of features: low should be a finite price"),
    ],
)
def test_a_bad_row_is_named_with_its_number_and_reason(
    tmp_path: Path, change: dict[str, Any], reason: str
) -> None:
    good = {**GOOD, "window_id": "w2", "features": OHLC[200:305].tolist()}
    error = refusal(label_file(tmp_path, good, {**GOOD, **change}))
    assert [row.row for row in error.rows] == [2]
    assert reason in error.rows[0].reason
    assert "1 of 2" in str(error)


@pytest.mark.parametrize(
    ("column", "values", "reason"),
    [
        ("expansion_start", [50.0, 50.5], "expansion_start should be a whole number, found 50.0"),
        ("expansion_end", ["65", "65"], "expansion_end should be a whole number, found '65'"),
        ("expansion_start", [True, False], "expansion_start should be a whole number, found True"),
        ("label", [3, -1], "found 3"),
        ("label", [0.0, 1.0], "found 0.0"),
        ("window_id", [1.0, 2.0], "window_id should be a name or a whole number, found 1.0"),
    ],
)
def test_a_column_of_the_wrong_kind_refuses_every_row(
    tmp_path: Path, column: str, values: list[Any], reason: str
) -> None:
    other = {**GOOD, "window_id": "w2", "features": OHLC[200:305].tolist()}
    rows = [{**row, column: value} for row, value in zip((GOOD, other), values, strict=True)]
    error = refusal(label_file(tmp_path, *rows))
    assert [row.row for row in error.rows] == [1, 2]
    assert reason in str(error)


@pytest.mark.parametrize(
    ("sibling", "reason"),
    [
        ({"label": "reversal"}, "reversal contradicts row 1: consolidation for the same bars"),
        ({"expansion_end": 66}, "bars 50..66 overlap 50..65 of row 1"),
        ({"expansion_start": 65, "expansion_end": 70}, "bars 65..70 overlap 50..65 of row 1"),
        ({"features": OHLC[52:157].tolist()}, "window_id 'w1' names other bars in row 1"),
    ],
)
def test_rows_that_contradict_one_another_are_refused(
    tmp_path: Path, sibling: dict[str, Any], reason: str
) -> None:
    error = refusal(label_file(tmp_path, GOOD, {**GOOD, **sibling}))
    assert [row.row for row in error.rows] == [2]
    assert reason in error.rows[0].reason


@pytest.mark.parametrize("column", list(GOOD))
def test_a_missing_column_is_named(tmp_path: Path, column: str) -> None:
    row = {name: value for name, value in GOOD.items() if name != column}
    assert f"Found no {column}" in str(refusal(label_file(tmp_path, row)))


def test_other_names_of_the_columns_are_not_guessed(tmp_path: Path) -> None:
    names = {"label": "expansion_type", "expansion_start": "start_index"}
    row = {names.get(name, name): value for name, value in GOOD.items()}
    assert "Found no label, expansion_start" in str(refusal(label_file(tmp_path, row)))


def test_a_file_without_rows_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "labels.parquet"
    pd.DataFrame([GOOD]).head(0).to_parquet(path)
    assert "at least one labelled window" in str(refusal(path))


@pytest.mark.parametrize("content", [b"", b"window_id,label\n", b"PAR1 broken PAR1"])
def test_a_file_that_is_no_parquet_is_refused(tmp_path: Path, content: bytes) -> None:
    for name in ("labels.parquet", "labels.csv"):
        (tmp_path / name).write_bytes(content)
        assert name in str(refusal(tmp_path / name))


def test_writing_into_an_unwritable_folder_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    with pytest.raises(StoreError, match="folder one can write to"):
        write_label_file(tmp_path / "file" / "labels.parquet", [label_row(1, OHLC)])


def test_a_failed_write_leaves_the_old_file_and_nothing_temporary(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "labels.parquet"
    write_label_file(path, [label_row(1, OHLC)])
    before = path.read_bytes()

    def full_disk(*_args: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("moola.tables.pq.write_table", full_disk)
    with pytest.raises(StoreError, match="No space left on device"):
        write_label_file(path, [label_row(1, OHLC, start=1)])
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]
