"""Labels of other tools come in as neutral records, or every row at fault is named."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from moola import label_formats
from moola.exceptions import ImportRefused
from moola.label_file import write_label_file
from moola.label_formats import LabelFile, split_offset
from tests.toy_bars import label_row, ohlc_of, toy_bars

FRAME = toy_bars(300)
OHLC = ohlc_of(FRAME)
V3 = {
    "window_id": "batch_202510182107_010",
    "window_quality": "A",
    "expansions": [
        {
            "expansion_id": 1,
            "type": "consolidation",
            "start_bar": 50,
            "end_bar": 65,
            "quality": "B",
            "start_point": {"bar": 50, "price": 15000.25},
            "end_point": {"bar": 65, "price": 15010.0},
        }
    ],
}
V3_OTHER = {
    "window_id": "batch_202510182107_010",
    "quality_grade": "A",
    "expansions": [
        {
            "expansion_type": "consolidation",
            "start_index": 50,
            "end_index": 65,
            "quality_grade": "B",
        }
    ],
}
V23 = {
    "version": "2.3",
    "windows": [
        {
            "window_id": 123,
            "features": OHLC[:105].tolist(),
            "expansions": [{"label": 0, "expansion_start": 50, "expansion_end": 65}],
        }
    ],
}


def read(path: Path, content: Any) -> LabelFile:
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return label_formats.read(path)


def changed(**values: Any) -> dict[str, Any]:
    """Return the v3 window with other values in its only expansion."""
    return {**V3, "expansions": [{**V3["expansions"][0], **values}]}


def spans(file: LabelFile) -> list[tuple[int, int, str]]:
    return [(s.start, s.end, s.type) for window in file.windows for s in window.spans]


@pytest.mark.parametrize("document", [V3, V3_OTHER, [V3], {"windows": [V3]}])
def test_both_sets_of_names_of_a_v3_batch_say_the_same(tmp_path: Path, document: Any) -> None:
    file = read(tmp_path / "batch_1.json", document)
    (window,) = file.windows
    assert (file.format, window.name) == ("batch", "batch_202510182107_010")
    assert spans(file) == [(50, 65, "consolidation")]
    assert window.spans[0].grade == "B"


def test_whole_numbers_of_a_v23_batch_are_ids_and_classes(tmp_path: Path) -> None:
    file = read(tmp_path / "batch_1.json", V23)
    (window,) = file.windows
    assert window.name == "123"
    assert spans(file) == [(50, 65, "consolidation")]
    assert window.ohlc is not None
    np.testing.assert_array_equal(window.ohlc, OHLC[:105])


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ({"type": "breakout"}, "found 'breakout'"),
        ({"type": None}, "should have type or expansion_type"),
        ({"start_bar": 50.5}, "start_bar should be a whole number, found 50.5"),
        ({"start_bar": float("nan")}, "should have start_bar"),
        ({"end_bar": 105}, "expansion_end should be in 0..104, found 105"),
        ({"start_bar": 66, "start_point": None}, "not come before"),
        ({"start_point": {"bar": 57}}, "start_point should lie on bar 50, found bar 57"),
        ({"quality": "E"}, "quality should be one of A, B, C, D, found 'E'"),
    ],
)
def test_a_bad_expansion_refuses_its_window_by_number(
    tmp_path: Path, values: dict[str, Any], reason: str
) -> None:
    file = read(tmp_path / "batch.json", [V3, changed(**values)])
    assert [row.row for row in file.refused] == [2]
    assert reason in file.refused[0].reason
    assert len(file.windows) == 1


def test_an_expansion_of_one_bar_is_kept(tmp_path: Path) -> None:
    window = changed(start_bar=40, end_bar=40, start_point=None, end_point=None)
    assert spans(read(tmp_path / "b.json", window)) == [(40, 40, "consolidation")]


def test_grade_d_is_rejected_and_with_spans_wants_a_second_look(tmp_path: Path) -> None:
    empty = {"window_id": "1", "window_quality": "D", "expansions": [], "reason": "chop"}
    full = {**V3, "window_quality": "D", "window_id": "2"}
    rejected, flagged = read(tmp_path / "b.json", [empty, full]).windows
    assert (rejected.state, rejected.reason, rejected.note) == ("rejected", "chop", "chop")
    assert (flagged.state, flagged.reason, flagged.note) == ("flagged", None, "grade D")
    assert flagged.spans[0].grade == "B"


def test_a_window_without_an_expansion_gets_no_decision(tmp_path: Path) -> None:
    file = read(tmp_path / "b.json", {**V3, "expansions": []})
    assert file.windows[0].state is None
    assert "without a decision" in file.repaired[0]


@pytest.mark.parametrize(
    "header", ["window_id,window_quality,num_expansions", "window_id,quality_grade,expansion_count"]
)
def test_both_master_indexes_read_the_batches_beside_them(tmp_path: Path, header: str) -> None:
    (tmp_path / "batch_1.json").write_text(json.dumps(V3))
    rows = f"{header}\n{V3['window_id']},A,1\nwindow_9,D,0\n"
    file = read(tmp_path / "master_index.csv", rows)
    assert spans(file) == [(50, 65, "consolidation")]
    assert [window.state for window in file.windows] == [None, "rejected"]


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ("w_missing,B,2", "should stand in a JSON file beside the index"),
        (f"{V3['window_id']},A,2", "number of expansions in the JSON file, found 2 and 1"),
        (f"{V3['window_id']},B,1", "grade in the JSON file, found B and A"),
        (f"{V3['window_id']},A,1.0", "whole number, found '1.0'"),
    ],
)
def test_an_index_that_disagrees_with_its_batches_is_refused(
    tmp_path: Path, row: str, reason: str
) -> None:
    (tmp_path / "batch_1.json").write_text(json.dumps(V3))
    rows = f"window_id,window_quality,num_expansions\n{row}\n"
    file = read(tmp_path / "master_index.csv", rows)
    assert [row.row for row in file.refused] == [1]
    assert reason in file.refused[0].reason


def test_an_index_with_another_header_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ImportRefused, match=r"Found window_id, quality, n \(master_index.csv\)"):
        read(tmp_path / "master_index.csv", "window_id,quality,n\nw,A,1\n")


def test_a_blacklist_becomes_rejected_windows_with_their_reason(tmp_path: Path) -> None:
    rows = (
        "window_id,raw_start_idx,raw_end_idx,reason,date\n"
        "102_exp_1,1000,1104,chop,2025-10-18\n"
        "batch_202510182107_010,2000,2105,looks odd,\n"
    )
    first, second = read(tmp_path / "blacklist.csv", rows).windows
    assert (first.state, first.reason, first.note) == ("rejected", "chop", "blacklisted 2025-10-18")
    assert (second.reason, second.note) == ("other", "looks odd")
    assert first.position is not None
    assert first.position.bar_start == 1000


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ("w,1000,1104,,2025-10-18", "reason should say why"),
        ("w,1000,1100,chop,", "105 bars apart, found 1000 and 1100"),
        ("w,1e3,1104,chop,", "raw_start_idx should be a whole number, found '1e3'"),
    ],
)
def test_a_bad_row_of_a_blacklist_is_refused(tmp_path: Path, row: str, reason: str) -> None:
    rows = f"window_id,raw_start_idx,raw_end_idx,reason,date\n{row}\n"
    assert reason in read(tmp_path / "black.csv", rows).refused[0].reason


def test_doubtful_labels_become_flagged_windows(tmp_path: Path) -> None:
    rows = (
        "window_id,given_label,predicted_label,label_score,is_label_issue\n"
        "w1,consolidation,retracement,0.12,True\nw2,reversal,reversal,0.9,False\n"
    )
    file = read(tmp_path / "issues.csv", rows)
    (window,) = file.windows
    assert (window.name, window.state) == ("w1", "flagged")
    assert window.note == ("label issue, consolidation given, retracement suggested, score 0.12")
    assert file.repaired == ("1 rows are no issue and change nothing",)


def test_spans_stand_in_bars_of_a_window_or_of_a_series(tmp_path: Path) -> None:
    in_window = "window_id,start,end,type,grade,direction\nw,50,65,reversal,A,up\nw,70,80,0,,\n"
    (window,) = read(tmp_path / "a.csv", in_window).windows
    assert [(s.start, s.end, s.grade, s.direction) for s in window.spans] == [
        (50, 65, "A", "up"),
        (70, 80, None, None),
    ]
    in_series = "symbol,seq_start,seq_end,type\nNQ,1000,1015,reversal\n"
    (window,) = read(tmp_path / "b.csv", in_series).windows
    assert window.position is not None
    assert window.position.bar_start + window.spans[0].start == 1000
    assert window.position.bar_start + window.spans[0].end == 1015


def test_a_spans_grade_d_flags_its_window(tmp_path: Path) -> None:
    file = read(tmp_path / "a.csv", "window_id,start,end,type,grade\nw,50,65,reversal,D\n")
    assert file.windows[0].state == "flagged"
    assert file.windows[0].spans[0].grade is None


def trainset(name: str, n_bars: int, labels: dict[int, str]) -> str:
    rows = [
        f"{name},{FRAME['timestamp'][i].isoformat()},{FRAME['close'][i]},{labels.get(i, '')}"
        for i in range(n_bars)
    ]
    return "\n".join(["series,timestamp,value,label", *rows]) + "\n"


def test_runs_of_trainset_labels_are_spans(tmp_path: Path) -> None:
    labels = dict.fromkeys(range(50, 66), "reversal") | {66: "consolidation"}
    file = read(tmp_path / "t.csv", trainset("w", 105, labels))
    assert spans(file) == [(50, 65, "reversal"), (66, 66, "consolidation")]
    assert file.windows[0].clock is not None
    assert file.windows[0].clock.times[0] == FRAME["timestamp"][0]


def test_a_long_trainset_series_gives_each_span_a_window(tmp_path: Path) -> None:
    labels = dict.fromkeys(range(2, 5), "reversal") | dict.fromkeys(range(290, 300), "retracement")
    first, second = read(tmp_path / "t.csv", trainset("NQ", 300, labels)).windows
    assert first.clock is not None
    assert second.clock is not None
    assert first.clock.times[first.spans[0].start] == FRAME["timestamp"][2]
    assert second.clock.times[second.spans[0].end] == FRAME["timestamp"][299]


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        (",reversal\n", ",breakout\n", "found 'breakout'"),
        ("+00:00", "", "should carry a zone"),
        (f",{FRAME['close'][50]},", ",nan,", "value should be a price above 0"),
    ],
)
def test_a_bad_row_of_trainset_is_refused(tmp_path: Path, old: str, new: str, reason: str) -> None:
    text = trainset("w", 105, {50: "reversal"})
    lines = text.splitlines(keepends=True)
    lines[51] = lines[51].replace(old, new)
    file = read(tmp_path / "t.csv", "".join(lines))
    assert file.refused[0].row == 51
    assert reason in file.refused[0].reason


def task(**more: Any) -> dict[str, Any]:
    region = {
        "id": "abc",
        "from_name": "label",
        "to_name": "ts",
        "type": "timeserieslabels",
        "value": {"start": 50, "end": 65.0, "timeserieslabels": ["reversal"]},
    }
    grade = {"id": "abc", "from_name": "grade", "type": "choices", "value": {"choices": ["A"]}}
    columns = dict(zip(("open", "high", "low", "close"), OHLC[:105].T.tolist(), strict=True))
    return {
        "data": {"window_id": "w1", "ts": {"bar": list(range(105)), **columns}},
        "annotations": [{"result": [region, grade]}],
        **more,
    }


def test_tasks_of_label_studio_are_windows_and_regions_spans(tmp_path: Path) -> None:
    file = read(tmp_path / "ls.json", [task()])
    (window,) = file.windows
    assert (file.format, window.name, window.state) == ("label-studio", "w1", None)
    assert spans(file) == [(50, 65, "reversal")]
    assert window.spans[0].grade == "A"
    np.testing.assert_array_equal(window.ohlc, OHLC[:105])


def test_a_region_may_stand_at_the_times_of_bars_but_at_no_other_time(tmp_path: Path) -> None:
    columns = {**task()["data"]["ts"], "time": [1_700_000_000 + 60 * i for i in range(105)]}
    region = task()["annotations"][0]["result"][0]
    at = {**region, "value": {**region["value"], "start": 1_700_003_000, "end": 1_700_003_060}}
    late = {**region, "value": {**region["value"], "start": 1_700_003_001, "end": 1_700_003_060}}
    tasks = [
        task(data={"window_id": "w", "ts": columns}, annotations=[{"result": [item]}])
        for item in (at, late)
    ]
    file = read(tmp_path / "ls.json", tasks)
    assert spans(file) == [(50, 51, "reversal")]
    assert [row.row for row in file.refused] == [2]


@pytest.mark.parametrize(
    ("more", "reason"),
    [
        ({"annotations": [{"result": []}, {"result": []}]}, "one annotation"),
        (
            {"annotations": [{"result": [{"type": "choices", "from_name": "decision",
                                          "value": {"choices": ["maybe"]}}]}]},
            "found 'maybe'",
        ),
        ({"data": None}, "should have data"),
    ],
)  # fmt: skip
def test_a_bad_task_is_refused_by_number(tmp_path: Path, more: dict[str, Any], reason: str) -> None:
    file = read(tmp_path / "ls.json", [task(), task(**more)])
    assert [row.row for row in file.refused] == [2]
    assert reason in file.refused[0].reason


def test_the_source_parquet_gives_one_window_with_all_its_spans(tmp_path: Path) -> None:
    rows = [label_row(1, OHLC, name="X"), label_row(2, OHLC, name="X", start=70, end=72)]
    write_label_file(tmp_path / "labels.parquet", rows)
    file = label_formats.read(tmp_path / "labels.parquet")
    assert (file.format, len(file.windows)) == ("source", 1)
    assert spans(file) == [(50, 65, "consolidation"), (70, 72, "consolidation")]


@pytest.mark.parametrize(
    "content",
    [
        "timestamp,open,high,low,close\n2024-01-01T00:00Z,1,1,1,1\n",
        "20170201 000000;1.1;1.1;1.1;1.1;0\n",
        "[]",
        '[{"date": "2024-01-01", "open": 1, "high": 1, "low": 1, "close": 1}]',
    ],
)
def test_files_of_bars_are_no_labels(tmp_path: Path, content: str) -> None:
    (tmp_path / "bars.csv").write_text(content)
    assert label_formats.recognise(tmp_path / "bars.csv") is None


@pytest.mark.real_bars
def test_no_vendor_file_is_taken_for_labels(real_bars_dir: Path) -> None:
    paths = [path for path in real_bars_dir.rglob("*") if path.is_file()]
    found = {path.name: label_formats.recognise(path) for path in paths if path.suffix != ".md"}
    assert len(found) > 30
    assert set(found.values()) == {None}


@pytest.mark.parametrize(
    ("name", "parts"),
    [
        ("102_exp_1", ("102_exp_1", 0)),
        ("102_exp_1_offset+52", ("102_exp_1", 52)),
        ("batch_202510182107_010_offset-7", ("batch_202510182107_010", -7)),
        ("123", ("123", 0)),
    ],
)
def test_a_recut_says_its_offset_in_bars(name: str, parts: tuple[str, int]) -> None:
    assert split_offset(name) == parts
