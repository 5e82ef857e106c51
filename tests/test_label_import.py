"""A label file is tried out before it is taken: counts, contradictions, places and shifts."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from moola.bars import BarStore
from moola.cli import main
from moola.exceptions import ImportRefused
from moola.importing import import_bars, import_file
from moola.label_file import write_label_file
from moola.label_import import LabelPlan, import_labels, plan_labels
from moola.store import LabelStore
from tests.label_room import ELSEWHERE, FEED, LabelRoom, empty_room
from tests.toy_bars import label_row, ohlc_of

OHLC = ohlc_of(FEED)


@pytest.fixture
def room(tmp_path: Path) -> LabelRoom:
    return empty_room(tmp_path)


def parquet(room: LabelRoom, *rows: tuple, name: str = "labels.parquet") -> Path:
    """Write rows of (name, first bar, start, end, type)."""
    path = room.folder / name
    write_label_file(
        path,
        [
            label_row(i, OHLC, name=window, first=first, start=start, end=end, type=kind)
            for i, (window, first, start, end, kind) in enumerate(rows, start=1)
        ],
    )
    return path


def plan(room: LabelRoom, path: Path, **options: str) -> LabelPlan:
    return plan_labels(path, room.store, room.bars, **options)


def test_a_dry_run_writes_nothing_and_says_what_an_import_then_does(room: LabelRoom) -> None:
    path = parquet(
        room,
        ("a", 40, 50, 65, "reversal"),
        ("a", 40, 50, 65, "reversal"),
        ("b", 300, 10, 10, "retracement"),
    )
    before = room.store.version(), sorted(room.bars.folder.iterdir())
    found = plan(room, path)
    assert (found.n_ok, found.n_repaired, found.n_refused) == (2, 1, 0)
    assert (len(found.windows), found.summary.n_new_spans, found.n_cold) == (2, 2, 0)
    assert (room.store.version(), sorted(room.bars.folder.iterdir())) == before
    report = import_labels(path, room.store, room.bars)
    assert (report.n_windows, report.n_spans) == (2, 2)
    again = plan(room, path)
    assert again.summary.already_there


def test_siblings_that_say_otherwise_are_listed_and_block(room: LabelRoom) -> None:
    path = parquet(
        room,
        ("0_exp_1", 40, 61, 65, "consolidation"),
        ("0_exp_2", 40, 61, 65, "retracement"),
        ("x", 300, 10, 20, "reversal"),
        ("x", 301, 40, 50, "reversal"),
    )
    found = plan(room, path)
    assert [(row.row, row.against) for row in found.contradictions] == [(2, 1), (4, 3)]
    assert "retracement contradicts row 1: consolidation" in str(found)
    assert "names other bars in row 3" in str(found)
    with pytest.raises(ImportRefused, match="2 of 4 at fault"):
        import_labels(path, room.store, room.bars)
    assert room.store.views() == []


def test_what_contradicts_the_store_is_found_by_the_dry_run(room: LabelRoom) -> None:
    import_labels(parquet(room, ("a", 40, 50, 65, "reversal")), room.store, room.bars)
    other = parquet(room, ("b", 60, 30, 45, "retracement"), name="other.parquet")
    found = plan(room, other)
    assert [(row.row, row.against) for row in found.contradictions] == [(1, 0)]
    assert "in the store already" in found.refused[0].reason
    assert plan(room, other, layer="ann").n_refused == 0, "another person may see it otherwise"


def test_shifts_are_told_in_bars(room: LabelRoom) -> None:
    import_labels(parquet(room, ("w1", 100, 50, 65, "reversal")), room.store, room.bars)
    recut = parquet(
        room,
        ("w1_offset+52", 152, 5, 8, "reversal"),
        ("w2", 107, 70, 75, "reversal"),
        ("w3", 500, 70, 75, "reversal"),
        name="recut.parquet",
    )
    shifts = [str(window.shift) for window in plan(room, recut).windows]
    assert shifts == ["+52 bars from w1", "+7 bars from w1", "None"]


def batch(name: str, bars: list, position: int, **more: object) -> dict[str, object]:
    expansion = {"type": "reversal", "start_bar": 40, "end_bar": 45}
    window = {"window_id": name, "window_quality": "A", "features": bars, "symbol": "NQ"}
    return window | {"raw_start_idx": position, "expansions": [expansion]} | more


def test_bars_decide_and_the_files_position_is_told_as_shift(room: LabelRoom) -> None:
    windows = [
        batch(f"w{i}", OHLC[first : first + 105].tolist(), first - 7)
        for i, first in enumerate((100, 250, 400))
    ]
    (room.folder / "batch.json").write_text(json.dumps(windows))
    found = plan(room, room.folder / "batch.json")
    assert [window.place.bar_start for window in found.windows] == [100, 250, 400]
    assert "3 of 3 shifted windows lie +7 bars from where expected" in str(found)


def test_a_blacklist_finds_windows_by_name_recut_and_position(room: LabelRoom) -> None:
    import_labels(parquet(room, ("w1", 100, 50, 65, "reversal")), room.store, room.bars)
    rows = (
        "window_id,raw_start_idx,raw_end_idx,reason,date\n"
        "w1_offset+52,,,chop,2025-10-18\n"
        "gone,400,504,looks odd,2025-10-18\n"
        "lost,,,chop,\n"
    )
    path = room.folder / "blacklist.csv"
    path.write_text(rows)
    found = plan(room, path, series="NQ")
    assert [window.place.bar_start for window in found.windows] == [152, 400]
    assert [row.row for row in found.refused] == [3]
    assert "should name a window of the store" in found.refused[0].reason
    path.write_text(rows.rsplit("lost", 1)[0])
    import_labels(path, room.store, room.bars, series="NQ")
    states = {view.bar_start: (view.state, view.reason) for view in room.store.views()}
    assert states == {
        100: ("verified", None), 152: ("rejected", "chop"), 400: ("rejected", "other"),
    }  # fmt: skip


def test_a_rejection_never_overrules_a_label(room: LabelRoom) -> None:
    import_labels(parquet(room, ("w1", 100, 50, 65, "reversal")), room.store, room.bars)
    path = room.folder / "blacklist.csv"
    path.write_text("window_id,raw_start_idx,raw_end_idx,reason,date\nw1,,,chop,\n")
    assert "contradicts the window in the store: verified" in str(plan(room, path))
    with pytest.raises(ImportRefused):
        import_labels(path, room.store, room.bars)
    assert room.store.views()[0].state == "verified"


def test_a_doubtful_label_is_flagged_and_keeps_its_span(room: LabelRoom) -> None:
    import_labels(parquet(room, ("w1", 100, 50, 65, "reversal")), room.store, room.bars)
    path = room.folder / "issues.csv"
    path.write_text("window_id,label_score,is_label_issue\nw1,0.1,True\n")
    import_labels(path, room.store, room.bars)
    (view,) = room.store.views()
    assert (view.state, view.note, len(view.spans)) == ("flagged", "label issue, score 0.1", 1)


def test_spans_in_bars_of_a_series_keep_their_bars_at_its_end(room: LabelRoom) -> None:
    path = room.folder / "spans.csv"
    path.write_text(
        "symbol,seq_start,seq_end,type,grade\nNQ,795,799,reversal,A\nNQ,3,5,reversal,\n"
    )
    import_labels(path, room.store, room.bars)
    found = [
        (view.bar_start + span.start, view.bar_start + span.end, span.grade)
        for view in room.store.views()
        for span in view.spans
    ]
    assert sorted(found) == [(3, 5, None), (795, 799, "A")]


def test_no_rule_is_claimed_that_the_file_does_not_name(room: LabelRoom) -> None:
    room.store.add_rule("r1", "Three ATR.", {}, author="ann", op_id="rule")
    import_labels(parquet(room, ("w1", 100, 50, 65, "reversal")), room.store, room.bars)
    assert room.store.views()[0].spans[0].rule_version is None


def test_the_command_line_tries_out_and_then_imports(
    room: LabelRoom, capsys: pytest.CaptureFixture[str]
) -> None:
    path = parquet(room, ("a", 40, 50, 65, "reversal"))
    where = ["--workspace", str(room.folder)]
    assert main(["import", str(path), "--dry-run", "--layer", "ann", *where]) == 0
    assert "1 ok, 0 repaired, 0 refused" in capsys.readouterr().out
    assert main(["import", str(path), "--dry-run", "--json", *where]) == 0
    assert json.loads(capsys.readouterr().out)["windows"][0]["bar_start"] == 40
    assert room.store.views() == []
    wrong = parquet(room, ("a", 40, 50, 165, "reversal"))
    assert main(["import", str(wrong), "--dry-run", "--json", *where]) == 2
    assert json.loads(capsys.readouterr().out)["n_refused"] == 1
    path = parquet(room, ("a", 40, 50, 65, "reversal"))
    assert main(["import", str(path), "--layer", "ann", *where]) == 0
    assert len(room.store.views(annotator="ann")[0].spans) == 1
    log = room.folder / "log.jsonl"
    assert main(["export", "events", "--out", str(log), *where]) == 0
    assert main(["import", str(log), "--dry-run", *where]) == 0
    assert "an event log of" in capsys.readouterr().out


def test_windows_move_home_when_their_feed_arrives(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    room = empty_room(tmp_path, with_feed=False)
    path = parquet(room, ("a", 40, 50, 65, "reversal"))
    import_labels(path, room.store, room.bars)
    FEED.to_parquet(tmp_path / "NQ.parquet")
    import_bars(tmp_path / "NQ.parquet", room.store, room.bars)
    where = ["--workspace", str(room.folder)]
    assert main(["rehome", "--dry-run", *where]) == 0
    assert "begins at bar 40 of NQ-" in capsys.readouterr().out
    assert main(["rehome", *where]) == 0
    (view,) = [view for view in room.store.views() if view.spans]
    assert (view.series_id, view.bar_start) == (room.feed_id, 40)
    assert main(["rehome", *where]) == 0
    assert "No window that came alone" in capsys.readouterr().out


@pytest.mark.real_bars
def test_real_windows_are_found_by_bars_whatever_the_file_says(
    tmp_path: Path, real_bars_dir: Path
) -> None:
    store, bars = LabelStore.open(f"sqlite:///{tmp_path / 'm.db'}"), BarStore(tmp_path / "bars")
    import_file(real_bars_dir / "nq_1min_2022jan.parquet", store, bars)
    feed = store.series()[0]
    ohlc = bars.ohlc(feed.content_hash)
    firsts = range(0, len(ohlc) - 105, 400)
    windows = [
        batch(f"batch_{i}", ohlc[first : first + 105].round(10).tolist(), first - 7,
              series=feed.series_id)
        for i, first in enumerate(firsts)
    ]  # fmt: skip
    (tmp_path / "batch.json").write_text(json.dumps(windows))
    found = plan_labels(tmp_path / "batch.json", store, bars)
    assert [window.place.bar_start for window in found.windows] == list(firsts)
    assert {window.shift.bars for window in found.windows if window.shift} == {7}
    assert found.n_refused == found.n_cold == 0


def test_bars_that_stand_twice_in_a_feed_leave_the_window_alone(room: LabelRoom) -> None:
    assert room.store.series()[0].kind == "feed"
    path = room.folder / "l.parquet"
    write_label_file(path, [label_row(1, ELSEWHERE, name="w")])
    assert plan(room, path).n_cold == 1
