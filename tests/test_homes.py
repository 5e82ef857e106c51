"""Windows that came before their feed are found in it by their bars, and moved as they are."""

from __future__ import annotations

from pathlib import Path

import pytest

from moola.bars import BarStore
from moola.homes import Home, find_homes, move_home
from moola.importing import import_bars, import_labels
from moola.label_file import write_label_file
from moola.store import LabelStore
from moola.vendors import Answers
from tests.toy_bars import label_row, ohlc_of, toy_bars

STORE = tuple[LabelStore, BarStore]


@pytest.fixture
def labelled_first(tmp_path: Path) -> STORE:
    """Three labelled windows came alone; then the feed of two of them arrived."""
    store, bars = LabelStore.open(f"sqlite:///{tmp_path}/moola.db"), BarStore(tmp_path / "bars")
    feed, other = toy_bars(400), toy_bars(400, seed=9)
    rows = [
        label_row(1, ohlc_of(feed), first=100, start=50, end=60),
        label_row(2, ohlc_of(feed), first=250, start=10, end=14, type="reversal"),
        label_row(3, ohlc_of(other), first=7, start=50, end=60),
    ]
    write_label_file(tmp_path / "labels.parquet", rows)
    import_labels(tmp_path / "labels.parquet", store, bars)
    assert find_homes(store, bars) == []  # there is no feed yet
    feed.to_parquet(tmp_path / "NQ.parquet")
    import_bars(tmp_path / "NQ.parquet", store, bars, answers=Answers(stamp="start"))
    return store, bars


def where(homes: list[Home]) -> list[tuple[str, int]]:
    return sorted((home.feed.symbol, home.bar_start) for home in homes)


def test_windows_are_found_in_the_feed_that_came_later(labelled_first: STORE) -> None:
    told: list[float] = []
    homes = find_homes(*labelled_first, progress=told.append)
    assert where(homes) == [("NQ", 100), ("NQ", 250)]
    assert told[-1] == 1.0
    first = next(home for home in homes if home.bar_start == 100)
    assert f"{first.start_ts:%H:%M}" == "16:10"  # the feed begins at 14:30


def test_moved_windows_keep_their_spans_and_are_offered_no_more(labelled_first: STORE) -> None:
    store, bars = labelled_first
    report = move_home(find_homes(store, bars), store, op_id="home")
    assert (report.n_moved, report.n_spans, report.stayed) == (2, 2, ())
    moved = {view.bar_start: view for view in store.views() if view.series_id.startswith("NQ")}
    assert [(s.start, s.end, s.type) for s in moved[250].spans] == [(10, 14, "reversal")]
    assert moved[250].state == "verified"
    assert find_homes(store, bars) == []
    assert [item.kind for item in store.series()].count("window") == 1
    assert store.find_damage() == []


def test_what_contradicts_the_feed_stays_and_says_why(labelled_first: STORE) -> None:
    store, bars = labelled_first
    homes = find_homes(store, bars)
    nq = store.find_series("NQ")
    store.add_windows(nq.series_id, [100], op_id="cut")
    uid = store.windows(series_id=nq.series_id)[0].window_uid
    store.reject(uid, rev=0, op_id="no")
    report = move_home(homes, store, op_id="home")
    assert report.n_moved == 1
    assert len(report.stayed) == 1
    assert "stays: " in str(report)
