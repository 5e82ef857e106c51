"""The sample fills a fresh workspace once, and never touches anything that is not its own."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from moola.bars import BarStore
from moola.exceptions import StoreError
from moola.importing import import_bars
from moola.label_file import read_label_file
from moola.sample import LABELLED, UNLABELLED, build_sample, read_marker, write_sample
from moola.schema import PRICE_COLUMNS
from moola.store import LabelStore
from moola.synthetic import generate_bars
from moola.workspace import Workspace

Opened = tuple[Workspace, LabelStore, BarStore]
Open = Callable[[str], Opened]


def opened_at(root: Path) -> Opened:
    workspace = Workspace(root)
    root.mkdir(exist_ok=True)
    return workspace, LabelStore.open(workspace.store_url), BarStore(workspace.bars_dir)


@pytest.fixture
def open_workspace(tmp_path: Path) -> Open:
    return lambda name: opened_at(tmp_path / name)


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Opened:
    """A workspace with the default sample, for tests that only read it."""
    opened = opened_at(tmp_path_factory.mktemp("sample"))
    write_sample(*opened)
    return opened


def files_of(workspace: Workspace) -> dict[str, bytes]:
    """Return every file but the database, whose pages move without a change of content."""
    return {
        str(path.relative_to(workspace.root)): path.read_bytes()
        for path in sorted(workspace.root.rglob("*"))
        if path.is_file() and not path.name.startswith("moola.db")
    }


def test_sample_holds_unlabelled_bars_and_174_verified_windows(written: Opened) -> None:
    _, store, _ = written
    assert store.counts()["verified"] == 174
    symbols = {series.symbol: series for series in store.series()}
    assert set(symbols) == {UNLABELLED, LABELLED}
    assert symbols[UNLABELLED].n_bars == 10_000
    assert all(series.kind == "feed" for series in store.series())
    labelled_feed = symbols[LABELLED].series_id
    assert {window.series_id for window in store.windows()} == {labelled_feed}


def test_windows_of_the_sample_have_their_time_and_show_the_labelled_bars(
    written: Opened,
) -> None:
    workspace, store, bar_store = written
    for row in read_label_file(workspace.label_file)[::20]:
        view = store.window(store.resolve(row.window_id))
        series = store.get_series(view.series_id)
        frame = bar_store.read(series.content_hash)
        shown = frame.iloc[view.bar_start : view.bar_start + 105]
        np.testing.assert_array_equal(shown[list(PRICE_COLUMNS)], row.ohlc)
        assert view.start_ts == shown["timestamp"].iloc[0].to_pydatetime()
        assert [(s.start, s.end, s.type) for s in view.spans] == [(row.start, row.end, row.type)]


def test_label_file_has_the_columns_of_the_source_notes(written: Opened) -> None:
    table = pd.read_parquet(written[0].label_file)
    assert list(table.columns) == [
        "window_id",
        "label",
        "expansion_start",
        "expansion_end",
        "features",
    ]
    assert len(table) == 174


def test_marker_says_that_the_bars_are_generated(open_workspace: Open) -> None:
    workspace, store, bar_store = open_workspace("fresh")
    assert read_marker(workspace) is None
    report = write_sample(workspace, store, bar_store, seed=9)
    marker = json.loads(workspace.sample_marker.read_text())
    assert marker["generated"] is True
    assert marker["seed"] == 9
    assert set(marker["series"]) == {series.series_id for series in store.series()}
    assert read_marker(workspace) == report


def test_writing_twice_changes_nothing(written: Opened) -> None:
    workspace, store, bar_store = written
    before, events = files_of(workspace), store.events(limit=1_000)
    again = write_sample(workspace, store, bar_store)
    assert again.already_there
    assert files_of(workspace) == before
    assert store.events(limit=1_000) == events


def test_labels_that_a_person_edited_stay(open_workspace: Open) -> None:
    workspace, store, bar_store = open_workspace("fresh")
    write_sample(workspace, store, bar_store)
    view = store.window(store.windows()[0].window_uid)
    span = view.spans[0]
    edited = store.save_span(
        view.window_uid, span.start, span.end + 1, rev=view.rev, op_id="e", span_id=span.span_id
    )
    write_sample(workspace, store, bar_store)
    assert store.window(view.window_uid) == edited


def test_same_seed_writes_the_same_bytes_in_another_workspace(
    open_workspace: Open, written: Opened
) -> None:
    other = open_workspace("other")
    write_sample(*other)
    assert files_of(other[0]) == files_of(written[0])


def test_other_seeds_give_other_bars() -> None:
    one, two = build_sample(1), build_sample(2)
    assert not np.array_equal(one.unlabelled["close"], two.unlabelled["close"])
    assert not np.array_equal(one.rows[0].ohlc, two.rows[0].ohlc)


def test_the_two_feeds_share_no_minute() -> None:
    sample = build_sample(7)
    assert sample.unlabelled["timestamp"].max() < sample.labelled["timestamp"].min()


def test_an_interrupted_sample_is_completed(
    open_workspace: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened = open_workspace("cut off")

    def break_off(*_args: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("moola.sample.import_labels", break_off)
        with pytest.raises(KeyboardInterrupt):
            write_sample(*opened)
    assert read_marker(opened[0]) is None
    assert not write_sample(*opened).already_there
    assert opened[1].counts()["verified"] == 174


def test_a_lost_database_is_filled_again_from_the_files(open_workspace: Open) -> None:
    workspace, store, bar_store = open_workspace("fresh")
    write_sample(workspace, store, bar_store)
    lost = LabelStore.open(f"sqlite:///{workspace.root / 'new.db'}")
    assert not write_sample(workspace, lost, bar_store).already_there
    assert lost.counts()["verified"] == 174


def test_the_sample_of_another_seed_is_refused(open_workspace: Open) -> None:
    opened = open_workspace("fresh")
    write_sample(*opened, seed=1)
    before = files_of(opened[0])
    with pytest.raises(StoreError, match="the sample of seed 1"):
        write_sample(*opened, seed=2)
    assert files_of(opened[0]) == before


def test_a_workspace_with_bars_of_somebodys_own_is_refused(
    open_workspace: Open, tmp_path: Path
) -> None:
    workspace, store, bar_store = open_workspace("own")
    path = tmp_path / "mine.parquet"
    generate_bars(300, seed=99).frame.to_parquet(path)
    import_bars(path, store, bar_store)
    before = files_of(workspace)
    with pytest.raises(StoreError, match=r"the series mine-\w+ in .*; choose another folder"):
        write_sample(workspace, store, bar_store)
    assert files_of(workspace) == before


def test_a_label_file_of_somebodys_own_is_never_overwritten(open_workspace: Open) -> None:
    workspace, store, bar_store = open_workspace("own")
    workspace.label_file.parent.mkdir(parents=True)
    workspace.label_file.write_bytes(b"mine")
    with pytest.raises(StoreError, match=r"processed/labeled/train_latest\.parquet"):
        write_sample(workspace, store, bar_store)
    assert files_of(workspace) == {"processed/labeled/train_latest.parquet": b"mine"}
    assert store.series() == []


def test_a_workspace_page_may_lie_beside_the_sample(open_workspace: Open) -> None:
    workspace, store, bar_store = open_workspace("git")
    (workspace.root / "README.md").write_text("columns, units")
    write_sample(workspace, store, bar_store)
    assert (workspace.root / "README.md").read_text() == "columns, units"


def test_a_folder_that_cannot_be_written_is_named(open_workspace: Open, tmp_path: Path) -> None:
    _, store, bar_store = open_workspace("store")
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="file should be a folder one can write to"):
        write_sample(Workspace(tmp_path / "file"), store, bar_store)
    assert store.series() == []


def test_a_damaged_marker_is_named(open_workspace: Open) -> None:
    workspace, store, bar_store = open_workspace("fresh")
    workspace.sample_marker.write_text("{")
    with pytest.raises(StoreError, match=r"sample\.json should describe the sample"):
        write_sample(workspace, store, bar_store)


def test_progress_names_every_step(open_workspace: Open) -> None:
    steps: list[str] = []
    write_sample(*open_workspace("fresh"), progress=steps.append)
    assert steps == [
        "Generating bars",
        "Writing files",
        "Importing SAMPLE-U",
        "Importing SAMPLE-L",
        "Importing train_latest.parquet",
    ]
