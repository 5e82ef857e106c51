"""A file of bars becomes a series, goes on with one, or leaves nothing behind."""

from __future__ import annotations

import json
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import pytest

from moola.bars import BarStore
from moola.cli import main
from moola.exceptions import ImportRefused, StoreError
from moola.importing import import_bars
from moola.store import LabelStore
from moola.vendors import Answers
from tests.toy_bars import toy_bars

BARS = toy_bars(600)


class Room(NamedTuple):
    store: LabelStore
    bars: BarStore
    folder: Path

    def state(self) -> tuple[object, ...]:
        """Everything an import could leave behind."""
        files = sorted(path.name for path in self.bars.folder.glob("*"))
        return files, self.store.series(), self.store.events()

    def file(self, bars: pd.DataFrame, name: str = "NQ.csv") -> Path:
        path = self.folder / name
        bars.to_csv(path, index=False)
        return path


@pytest.fixture
def room(tmp_path: Path) -> Room:
    url = f"sqlite:///{tmp_path / 'moola.db'}"
    return Room(LabelStore.open(url), BarStore(tmp_path / "bars"), tmp_path)


@pytest.fixture
def started(room: Room) -> Room:
    """Return a room with the first 400 bars as the series NQ."""
    import_bars(room.file(BARS.head(400)), room.store, room.bars)
    return room


def refused(room: Room, bars: pd.DataFrame) -> ImportRefused:
    path, before = room.file(bars), room.state()
    with pytest.raises(ImportRefused) as caught:
        import_bars(path, room.store, room.bars)
    assert room.state() == before, "nothing half-imported stays behind"
    return caught.value


# a series goes on


def test_a_newer_file_that_overlaps_extends_the_series(started: Room) -> None:
    (before,) = started.store.series()
    report = import_bars(started.file(BARS.iloc[300:]), started.store, started.bars)
    (after,) = started.store.series()
    assert (report.n_added, report.n_conflicts, report.already_there) == (200, 0, False)
    assert after.series_id == before.series_id
    assert (after.n_bars, after.end_ts) == (600, BARS["timestamp"].iloc[-1])
    assert after.start_ts == before.start_ts
    pd.testing.assert_frame_equal(started.bars.read(after.content_hash), BARS)


def test_an_extension_has_the_hash_of_the_whole(started: Room, room: Room, tmp_path: Path) -> None:
    import_bars(started.file(BARS.iloc[300:]), started.store, started.bars)
    (extended,) = started.store.series()
    assert BarStore(tmp_path / "other").write(BARS) == extended.content_hash


def test_the_newer_file_twice_changes_nothing_more(started: Room) -> None:
    newer = started.file(BARS.iloc[300:], "newer.csv")
    import_bars(newer, started.store, started.bars, name="NQ")
    before = started.state()
    again = import_bars(newer, started.store, started.bars, name="NQ")
    older = import_bars(started.folder / "NQ.csv", started.store, started.bars)
    assert again.already_there
    assert older.already_there
    assert started.state() == before


def test_bars_that_differ_are_named_and_the_old_ones_kept(started: Room) -> None:
    newer = BARS.iloc[300:].copy()
    newer.loc[[310, 320], "high"] += 5.0
    report = import_bars(started.file(newer), started.store, started.bars)
    assert (report.n_added, report.n_conflicts) == (200, 2)
    assert [row.row for row in report.conflicts] == [11, 21]
    assert "in the file and" in report.conflicts[0].reason
    assert "2 bars differ" in str(report)
    (series,) = started.store.series()
    pd.testing.assert_frame_equal(started.bars.read(series.content_hash), BARS)


def test_an_unfinished_last_bar_of_the_series_is_pointed_at(room: Room) -> None:
    unfinished = BARS.head(400).copy()
    unfinished.loc[399, "close"] = unfinished.loc[399, "open"]
    import_bars(room.file(unfinished), room.store, room.bars)
    report = import_bars(room.file(BARS.iloc[300:]), room.store, room.bars)
    assert report.n_conflicts == 1
    assert "exported unfinished" in str(report)


def test_bars_between_those_of_the_series_are_left_out_and_counted(room: Room) -> None:
    gappy = BARS.head(400).drop(index=[350, 351])
    import_bars(room.file(gappy), room.store, room.bars)
    report = import_bars(room.file(BARS.iloc[300:]), room.store, room.bars)
    assert any("2 bars lie between" in note for note in report.repaired)
    assert room.store.series()[0].n_bars == 598


def test_a_file_that_begins_right_after_the_series_goes_on_with_it(started: Room) -> None:
    report = import_bars(started.file(BARS.iloc[400:]), started.store, started.bars)
    assert report.n_added == 200
    assert any("nothing shows that the prices fit" in note for note in report.repaired)


def test_a_file_far_behind_the_series_is_a_series_of_its_own(started: Room) -> None:
    later = BARS.assign(timestamp=BARS["timestamp"] + pd.Timedelta(days=30))
    report = import_bars(started.file(later), started.store, started.bars)
    assert report.n_added is None
    assert len(started.store.series()) == 2


def test_a_file_that_begins_before_the_series_is_refused_with_a_way_out(room: Room) -> None:
    import_bars(room.file(BARS.iloc[200:]), room.store, room.bars)
    message = str(refused(room, BARS))
    assert "should not begin before the series" in message
    assert "--name" in message
    import_bars(room.file(BARS), room.store, room.bars, name="NQ-long")
    assert len(room.store.series()) == 2


def test_prices_of_another_adjustment_are_refused(started: Room) -> None:
    adjusted = BARS.iloc[300:].copy()
    adjusted[["open", "high", "low", "close"]] += 12.25
    error = refused(started, adjusted)
    assert "100 of 100" in str(error)
    assert len(error.rows) == 20


def test_other_lengths_and_names_never_extend(started: Room) -> None:
    fives = BARS.assign(timestamp=pd.date_range("2024-03-04 14:30", periods=600, freq="5min",
                                                tz="UTC"))  # fmt: skip
    import_bars(started.file(fives), started.store, started.bars)
    import_bars(started.file(BARS.iloc[300:], "ES.csv"), started.store, started.bars)
    assert sorted(item.symbol for item in started.store.series()) == ["ES", "NQ", "NQ"]


def test_a_failed_extension_leaves_the_series_as_it_was(
    started: Room, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_args: object, **_options: object) -> None:
        raise StoreError("disk full")

    monkeypatch.setattr(LabelStore, "extend_series", fail)
    path, before = started.file(BARS.iloc[300:]), started.state()
    with pytest.raises(StoreError, match="disk full"):
        import_bars(path, started.store, started.bars)
    assert started.state() == before


# rows at fault


def test_refused_rows_block_the_import_unless_left_out(room: Room) -> None:
    bad = BARS.copy()
    bad.loc[[10, 20], "high"] = np.nan
    assert [row.row for row in refused(room, bad).rows] == [11, 21]
    report = import_bars(room.file(bad), room.store, room.bars, leave_out_refused=True)
    assert report.n_rows == 598
    assert report.preview is not None
    assert report.preview.refused_by_reason == {"high is missing": 2}


def test_rows_out_of_order_and_twice_are_counted_apart(room: Room) -> None:
    shuffled = pd.concat([BARS.iloc[:50], BARS.iloc[49:60], BARS.iloc[20:22], BARS.iloc[60:]])
    report = import_bars(room.file(shuffled), room.store, room.bars, leave_out_refused=True)
    assert report.preview is not None
    assert (report.preview.n_duplicates, report.preview.n_out_of_order) == (1, 2)
    pd.testing.assert_frame_equal(room.bars.read(room.store.series()[0].content_hash), BARS)


def test_bars_that_look_made_up_are_refused_even_if_rows_may_be_left_out(room: Room) -> None:
    made_up = BARS.copy()
    made_up.loc[::4, "high"] = made_up.loc[::4, "close"] - 0.25
    made_up.loc[::4, "low"] = made_up.loc[::4, "high"] - 9
    path, before = room.file(made_up), room.state()
    with pytest.raises(ImportRefused, match="these look made up"):
        import_bars(path, room.store, room.bars, leave_out_refused=True)
    assert room.state() == before


# the command line


def run(room: Room, *args: object) -> int:
    return main(["import", *map(str, args), "--workspace", str(room.folder)])


def test_an_import_prints_what_the_file_holds(
    room: Room, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(room, room.file(BARS)) == 0
    out = capsys.readouterr().out
    for part in ("600 rows: 600 ok, 0 refused", "bar 1min", "tick 0.25", "as series NQ-"):
        assert part in out


def test_a_dry_run_writes_nothing(room: Room, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(room, room.file(BARS), "--dry-run") == 0
    assert "Nothing was written" in capsys.readouterr().out
    assert room.store.series() == []
    assert run(room, room.file(BARS), "--dry-run", "--json") == 0
    shown = json.loads(capsys.readouterr().out)
    assert (shown["n_ok"], len(shown["head"]), shown["bar"]) == (600, 20, "1min")


def test_a_dry_run_of_rows_at_fault_ends_with_2_unless_they_may_be_left_out(
    room: Room, capsys: pytest.CaptureFixture[str]
) -> None:
    bad = BARS.copy()
    bad.loc[41, "close"] = np.nan
    assert run(room, room.file(bad), "--dry-run", "--json") == 2
    assert json.loads(capsys.readouterr().out)["n_ok"] == 599
    assert run(room, room.file(bad), "--dry-run") == 2
    assert "Found 1 of 600 at fault" in capsys.readouterr().out
    assert run(room, room.file(bad), "--dry-run", "--leave-out-refused") == 0
    assert room.store.series() == []


def test_a_dry_run_lists_what_the_file_does_not_say(
    room: Room, capsys: pytest.CaptureFixture[str]
) -> None:
    naive = BARS.assign(timestamp=BARS["timestamp"].dt.strftime("%Y%m%d %H%M%S"))
    path = room.folder / "NQ.txt"
    naive.to_csv(path, sep=";", header=False, index=False)
    assert run(room, path, "--dry-run") == 2, "an import would ask"
    out = capsys.readouterr().out
    for part in ("NinjaTrader or HistData", "--tz:", "--stamp:", "end (NinjaTrader stamps the end"):
        assert part in out


def test_open_questions_are_answered_by_flags(
    room: Room, capsys: pytest.CaptureFixture[str]
) -> None:
    naive = BARS.assign(timestamp=BARS["timestamp"].dt.strftime("%d/%m/%Y %H:%M"))
    path = room.file(naive.rename(columns={"timestamp": "Date"}))
    flags: list[str] = []
    for flag, answer in (("--date-order", "dmy"), ("--tz", "UTC"), ("--stamp", "start")):
        assert run(room, path, *flags) == 2
        assert flag in capsys.readouterr().err
        flags += [flag, answer]
    assert run(room, path, *flags) == 0
    (series,) = room.store.series()
    pd.testing.assert_frame_equal(room.bars.read(series.content_hash), BARS)


def test_the_zone_of_the_exchange_is_kept_with_the_series(room: Room) -> None:
    run(room, room.file(BARS), "--exchange-tz", "America/Chicago")
    assert room.store.series()[0].tz_exchange == "America/Chicago"


def test_a_zone_that_is_none_is_one_sentence(
    room: Room, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(room, room.file(BARS), "--exchange-tz", "Mars/Base") == 2
    assert "Found 'Mars/Base'" in capsys.readouterr().err


def test_stamps_at_the_end_are_moved_to_the_start(room: Room) -> None:
    ends = BARS.assign(timestamp=BARS["timestamp"].dt.tz_localize(None) + pd.Timedelta("1min"))
    answers = Answers(tz="UTC", stamp="end")
    import_bars(room.file(ends), room.store, room.bars, answers=answers)
    pd.testing.assert_frame_equal(room.bars.read(room.store.series()[0].content_hash), BARS)
