"""An import is whole or leaves nothing: neither rows nor bars files."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import pytest

from moola.bars import BarStore
from moola.exceptions import ImportRefused, StoreError
from moola.importing import import_bars, import_file
from moola.label_file import LabelRow, write_label_file
from moola.label_import import import_labels
from moola.placing import place_rows
from moola.store import LabelStore
from moola.vendors import Answers
from tests.toy_bars import label_row, ohlc_of, toy_bars

FEED = toy_bars(400)
OHLC = ohlc_of(FEED)
ELSEWHERE = ohlc_of(toy_bars(400, seed=2))


class Room(NamedTuple):
    store: LabelStore
    bars: BarStore
    folder: Path

    def state(self) -> tuple[object, ...]:
        """Everything an import could leave behind."""
        files = sorted(path.name for path in self.bars.folder.glob("*"))
        return files, self.store.series(), self.store.views(), self.store.events()


@pytest.fixture
def room(tmp_path: Path) -> Room:
    url = f"sqlite:///{tmp_path / 'moola.db'}"
    return Room(LabelStore.open(url), BarStore(tmp_path / "bars"), tmp_path)


@pytest.fixture
def feed_file(tmp_path: Path) -> Path:
    path = tmp_path / "NQ.parquet"
    FEED.to_parquet(path)
    return path


def labels_of(tmp_path: Path, rows: Sequence[LabelRow], name: str = "labels.parquet") -> Path:
    write_label_file(tmp_path / name, rows)
    return tmp_path / name


# bars


def test_bars_become_a_feed_with_its_facts(room: Room, feed_file: Path) -> None:
    report = import_bars(feed_file, room.store, room.bars)
    series = room.store.get_series(report.series_ids[0])
    assert (report.kind, report.n_rows, report.already_there) == ("bars", 400, False)
    assert (series.symbol, series.kind, series.bar) == ("NQ", "feed", "1min")
    assert (series.tick_size, series.n_bars, series.source) == (0.25, 400, "NQ.parquet")
    assert series.series_id == f"NQ-{series.content_hash[:8]}"
    assert series.start_ts == FEED["timestamp"].iloc[0]
    assert series.end_ts == FEED["timestamp"].iloc[-1]
    assert series.start_ts is not None
    assert series.start_ts.tzinfo is not None
    np.testing.assert_array_equal(room.bars.ohlc(series.content_hash), OHLC)


def test_importing_bars_twice_changes_nothing(room: Room, feed_file: Path) -> None:
    first = import_bars(feed_file, room.store, room.bars)
    before = room.state()
    again = import_bars(feed_file, room.store, room.bars)
    assert again.already_there
    assert again.series_ids == first.series_ids
    assert room.state() == before


def test_the_same_bars_under_another_name_stay_one_series(room: Room, feed_file: Path) -> None:
    first = import_bars(feed_file, room.store, room.bars, name="NQ")
    again = import_bars(feed_file, room.store, room.bars, name="MNQ")
    assert again.series_ids == first.series_ids
    assert again.repaired == ("the same bars were imported before, as NQ",)


def test_importing_again_heals_a_lost_bars_file(room: Room, feed_file: Path) -> None:
    report = import_bars(feed_file, room.store, room.bars)
    key = room.store.get_series(report.series_ids[0]).content_hash
    room.bars.path(key).unlink()
    import_bars(feed_file, room.store, room.bars)
    assert len(room.bars.read(key)) == 400


def test_a_series_shorter_than_one_window_is_refused(room: Room, tmp_path: Path) -> None:
    FEED.head(104).to_parquet(tmp_path / "short.parquet")
    before = room.state()
    with pytest.raises(ImportRefused, match=r"at least 105 bars.*Found 104"):
        import_bars(tmp_path / "short.parquet", room.store, room.bars)
    assert room.state() == before


def test_naive_stamps_are_read_in_the_zone_that_is_named(room: Room, tmp_path: Path) -> None:
    naive = FEED.assign(timestamp=FEED["timestamp"].dt.tz_localize(None))
    naive.to_csv(tmp_path / "naive.csv.gz", index=False)
    with pytest.raises(ImportRefused, match="--tz"):
        import_file(tmp_path / "naive.csv.gz", room.store, room.bars)
    answers = Answers(tz="America/New_York", stamp="start")
    import_file(tmp_path / "naive.csv.gz", room.store, room.bars, answers=answers)
    start = room.store.find_series("naive").start_ts
    assert start is not None
    assert start.hour == 19


# labels


def test_windows_are_found_in_the_feed_by_their_bars(
    room: Room, feed_file: Path, tmp_path: Path
) -> None:
    import_bars(feed_file, room.store, room.bars)
    rows = [label_row(1, OHLC, first=40), label_row(2, ELSEWHERE, first=7)]
    report = import_labels(labels_of(tmp_path, rows), room.store, room.bars)
    assert (report.n_windows, report.n_matched, report.n_cold) == (2, 1, 1)
    found = room.store.window(room.store.resolve("window_1"))
    alone = room.store.window(room.store.resolve("window_2"))
    assert (found.series_id[:3], found.bar_start, found.state) == ("NQ-", 40, "verified")
    assert found.start_ts == FEED["timestamp"].iloc[40]
    assert (alone.series_id[:2], alone.bar_start, alone.state) == ("W-", 0, "verified")
    assert alone.start_ts is None, "a window without time is given none"
    for view in (found, alone):
        assert [(span.start, span.end, span.type) for span in view.spans] == [
            (50, 65, "consolidation")
        ]


def test_importing_labels_twice_changes_nothing(room: Room, tmp_path: Path) -> None:
    path = labels_of(tmp_path, [label_row(1, OHLC), label_row(2, ELSEWHERE)])
    first = import_labels(path, room.store, room.bars)
    before = room.state()
    again = import_labels(path, room.store, room.bars)
    assert again.already_there
    assert not first.already_there
    assert (again.n_windows, again.n_spans) == (first.n_windows, first.n_spans)
    assert room.state() == before


def test_importing_again_never_undoes_what_a_person_changed(room: Room, tmp_path: Path) -> None:
    path = labels_of(tmp_path, [label_row(1, OHLC)])
    import_labels(path, room.store, room.bars)
    view = room.store.window(room.store.resolve("window_1"))
    edited = room.store.save_span(
        view.window_uid, 40, 55, rev=view.rev, op_id="edit", span_id=view.spans[0].span_id
    )
    import_labels(path, room.store, room.bars)
    assert room.store.window(view.window_uid) == edited


def test_the_same_labels_in_another_file_add_only_their_names(room: Room, tmp_path: Path) -> None:
    import_labels(labels_of(tmp_path, [label_row(1, OHLC)]), room.store, room.bars)
    other = labels_of(tmp_path, [label_row(1, OHLC, name="0_exp_1")], "other.parquet")
    import_labels(other, room.store, room.bars)
    (view,) = room.store.views()
    assert view.aliases == ("0_exp_1", "window_1")
    assert len(view.spans) == 1


def test_a_name_may_mean_another_window_in_another_file(room: Room, tmp_path: Path) -> None:
    import_labels(labels_of(tmp_path, [label_row(1, OHLC)]), room.store, room.bars)
    import_labels(labels_of(tmp_path, [label_row(1, ELSEWHERE)]), room.store, room.bars)
    with pytest.raises(StoreError, match="should mean one window"):
        room.store.resolve("window_1")


def test_siblings_meet_in_one_window_despite_rounding_noise(room: Room, tmp_path: Path) -> None:
    rows = [
        label_row(1, OHLC, name="X_exp_1"),
        label_row(2, OHLC * (1 + 1e-13), name="X_exp_2", start=66, end=70, type="reversal"),
    ]
    report = import_labels(labels_of(tmp_path, rows), room.store, room.bars)
    (view,) = room.store.views()
    assert (report.n_windows, report.n_spans) == (1, 2)
    assert view.aliases == ("X_exp_1", "X_exp_2")
    assert [(span.start, span.end) for span in view.spans] == [(50, 65), (66, 70)]


def test_a_row_that_repeats_another_is_taken_once_and_told(room: Room, tmp_path: Path) -> None:
    rows = [label_row(1, OHLC, name="a"), label_row(2, OHLC, name="b")]
    report = import_labels(labels_of(tmp_path, rows), room.store, room.bars)
    assert report.repaired == ("row 2 repeats row 1; it was taken once",)
    assert (report.n_rows, report.n_spans) == (2, 1)


def test_overlapping_windows_share_their_spans(room: Room, feed_file: Path, tmp_path: Path) -> None:
    import_bars(feed_file, room.store, room.bars)
    rows = [label_row(1, OHLC, first=0), label_row(2, OHLC, first=30, start=20, end=35)]
    report = import_labels(labels_of(tmp_path, rows), room.store, room.bars)
    assert (report.n_windows, report.n_spans, report.repaired) == (2, 1, ())
    one, two = room.store.views()
    assert one.spans[0].span_id == two.spans[0].span_id


def refused_labels(room: Room, path: Path) -> ImportRefused:
    before = room.state()
    with pytest.raises(ImportRefused) as caught:
        import_labels(path, room.store, room.bars)
    assert room.state() == before, "nothing half-imported stays behind"
    return caught.value


def test_overlapping_windows_that_contradict_are_refused_by_row(
    room: Room, feed_file: Path, tmp_path: Path
) -> None:
    import_bars(feed_file, room.store, room.bars)
    rows = [
        label_row(1, OHLC, first=0),
        label_row(2, OHLC, first=30, start=20, end=36),
        label_row(3, OHLC, first=10, start=40, end=55, type="reversal"),
        label_row(4, OHLC, first=200),
    ]
    error = refused_labels(room, labels_of(tmp_path, rows))
    assert [row.row for row in error.rows] == [2, 3]
    assert "contradicts the span 20..35 consolidation of row 1" in error.rows[0].reason


def test_labels_that_contradict_the_store_are_refused_by_row(room: Room, tmp_path: Path) -> None:
    import_labels(labels_of(tmp_path, [label_row(1, OHLC)]), room.store, room.bars)
    rows = [label_row(1, ELSEWHERE, name="new"), label_row(2, OHLC, type="reversal")]
    error = refused_labels(room, labels_of(tmp_path, rows, "other.parquet"))
    assert [row.row for row in error.rows] == [2]
    assert "in the store already" in error.rows[0].reason


def test_labels_never_revive_a_window_that_was_rejected(room: Room, tmp_path: Path) -> None:
    import_labels(labels_of(tmp_path, [label_row(1, OHLC)]), room.store, room.bars)
    (view,) = room.store.views()
    room.store.reject(view.window_uid, reason="chop", rev=view.rev, op_id="reject")
    other = labels_of(tmp_path, [label_row(1, OHLC, start=5, end=9)], "other.parquet")
    assert "rejected before (chop)" in refused_labels(room, other).rows[0].reason


def test_one_bad_row_keeps_the_good_ones_out(room: Room, tmp_path: Path) -> None:
    bars = OHLC.copy()
    bars[3, 1] = np.nan
    rows = [label_row(1, ELSEWHERE), label_row(2, bars)]
    assert [row.row for row in refused_labels(room, labels_of(tmp_path, rows)).rows] == [2]


@pytest.mark.parametrize("error", [StoreError("disk full"), KeyboardInterrupt()])
def test_bars_files_go_again_when_the_rows_cannot_be_written(
    room: Room, feed_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def fail(*_args: object, **_options: object) -> None:
        raise error

    for name in ("add_series", "import_labels"):
        monkeypatch.setattr(LabelStore, name, fail)
    before = room.state()
    with pytest.raises(type(error)):
        import_bars(feed_file, room.store, room.bars)
    with pytest.raises(type(error)):
        import_labels(labels_of(tmp_path, [label_row(1, OHLC)]), room.store, room.bars)
    assert room.state() == before


def test_a_failed_import_keeps_bars_that_others_use(
    room: Room, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import_labels(labels_of(tmp_path, [label_row(1, OHLC)]), room.store, room.bars)
    before = room.state()
    rows = [label_row(1, OHLC, start=1, end=2), label_row(2, ELSEWHERE)]

    def fail(*_args: object, **_options: object) -> None:
        raise StoreError("disk full")

    monkeypatch.setattr(LabelStore, "import_labels", fail)
    with pytest.raises(StoreError, match="disk full"):
        import_labels(labels_of(tmp_path, rows, "other.parquet"), room.store, room.bars)
    assert room.state() == before


def test_an_unwritable_bars_folder_imports_nothing(room: Room, feed_file: Path) -> None:
    room.bars.folder.write_text("a file where the folder should be")
    with pytest.raises(StoreError, match="folder one can write to"):
        import_bars(feed_file, room.store, room.bars)
    assert room.store.series() == []


# telling the kinds apart


def test_files_are_told_apart_by_their_columns(room: Room, feed_file: Path, tmp_path: Path) -> None:
    assert import_file(feed_file, room.store, room.bars).kind == "bars"
    labels = labels_of(tmp_path, [label_row(1, OHLC)])
    assert import_file(labels, room.store, room.bars).kind == "labels"


def test_a_table_of_something_else_is_refused(room: Room, tmp_path: Path) -> None:
    pd.DataFrame({"x": [1], "y": [2]}).to_csv(tmp_path / "other.csv", index=False)
    with pytest.raises(ImportRefused, match=r"none of the four prices .* has x, y"):
        import_file(tmp_path / "other.csv", room.store, room.bars)


def test_reports_read_as_sentences(room: Room, feed_file: Path, tmp_path: Path) -> None:
    bars = import_file(feed_file, room.store, room.bars)
    labels = import_file(labels_of(tmp_path, [label_row(1, OHLC)]), room.store, room.bars)
    again = import_file(feed_file, room.store, room.bars)
    assert str(bars) == f"400 bars as series {bars.series_ids[0]}"
    assert str(labels) == "1 rows: 1 spans in 1 windows, 1 in imported bars and 0 alone"
    assert str(again).endswith("all of it was there already")


def test_a_window_keeps_its_place_when_its_feed_arrives_later(
    room: Room, feed_file: Path, tmp_path: Path
) -> None:
    rows = [label_row(1, OHLC, first=40), label_row(2, OHLC, first=200)]
    import_labels(labels_of(tmp_path, rows[:1]), room.store, room.bars)
    import_bars(feed_file, room.store, room.bars)
    places = place_rows(rows, room.store, room.bars)
    assert [place.is_alone for place in places] == [True, False]
    assert places[1].bar_start == 200


@pytest.mark.real_bars
@pytest.mark.parametrize("name", ["nq_1min_2022jan", "btcperp_1min_2022jan", "eurusd_1min_2017h1"])
def test_real_bars_are_imported_once(room: Room, real_bars_dir: Path, name: str) -> None:
    path = real_bars_dir / f"{name}.parquet"
    assert not import_file(path, room.store, room.bars).already_there
    before = room.state()
    assert import_file(path, room.store, room.bars).already_there
    assert room.state() == before


@pytest.mark.real_bars
def test_windows_of_real_bars_are_found_again(
    room: Room, real_bars_dir: Path, tmp_path: Path
) -> None:
    import_bars(real_bars_dir / "eurusd_1min_2017h1.parquet", room.store, room.bars)
    ohlc = room.bars.ohlc(room.store.series()[0].content_hash)
    firsts = list(range(0, len(ohlc) - 105, 1_100))
    rows = [label_row(i, ohlc, first=first) for i, first in enumerate(firsts, start=1)]
    report = import_labels(labels_of(tmp_path, rows), room.store, room.bars)
    assert (report.n_matched, report.n_cold) == (len(firsts), 0)
    assert [view.bar_start for view in room.store.views()] == firsts
