"""The Data page's labels and exports: tried out, listed, imported, written, released."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from moola import exports
from moola.bars import BarStore
from moola.importing import import_bars, import_labels
from moola.label_file import write_label_file
from moola.store import LabelStore
from moola.ui import incoming
from moola.workspace import Workspace
from tests.label_room import FEED
from tests.pages.conftest import OpenPage, shown_text
from tests.toy_bars import label_row, ohlc_of

OHLC = ohlc_of(FEED)


def section(app: AppTest, name: str) -> AppTest:
    app.segmented_control(key="data_section").set_value(name).run()
    assert not app.exception
    return app


def open_labels(app: AppTest, path: Path) -> AppTest:
    section(app, "Labels")
    app.segmented_control(key="labels_source").set_value(incoming.PATH).run()
    app.text_input(key="labels_path_0").set_value(str(path)).run()
    assert not app.exception
    return app


@pytest.fixture
def desk(empty: Workspace, tmp_path: Path) -> Workspace:
    FEED.to_parquet(tmp_path / "NQ.parquet")
    store = LabelStore.open(empty.store_url)
    import_bars(tmp_path / "NQ.parquet", store, BarStore(empty.bars_dir))
    return empty


def test_labels_are_tried_out_then_imported_into_a_layer(
    open_page: OpenPage, desk: Workspace, tmp_path: Path
) -> None:
    path = tmp_path / "labels.parquet"
    write_label_file(path, [label_row(1, OHLC, name="w0", first=500)])
    import_labels(path, LabelStore.open(desk.store_url), BarStore(desk.bars_dir), layer="ann")
    write_label_file(path, [label_row(1, OHLC, name="w1", first=40)])
    app = open_labels(open_page(desk, "data"), path)
    assert {item.label: item.value for item in app.metric}["Ok"] == "1"
    store = LabelStore.open(desk.store_url)
    before = store.version()
    app.selectbox(key="labels_layer").set_value("ann").run()
    app.button(key="labels_import").click().run()
    assert not app.exception
    assert store.version() == before + 1
    assert [len(view.spans) for view in store.views(annotator="ann")] == [1, 1]
    assert [len(view.spans) for view in store.views()] == [0, 0]
    assert "1 spans in 1 windows" in app.success[0].value


def test_contradictions_are_listed_and_block_the_button(
    open_page: OpenPage, desk: Workspace, tmp_path: Path
) -> None:
    path = tmp_path / "labels.parquet"
    rows = [label_row(1, OHLC, name="0_exp_1"), label_row(2, OHLC, name="0_exp_2", type="reversal")]
    write_label_file(path, rows)
    app = open_labels(open_page(desk, "data"), path)
    assert "Contradictions" in shown_text(app)
    assert app.dataframe[0].value["against"].tolist() == ["row 1"]
    assert app.button(key="labels_import").disabled


def test_a_mended_file_is_tried_out_anew(
    open_page: OpenPage, desk: Workspace, tmp_path: Path
) -> None:
    path = tmp_path / "labels.parquet"
    write_label_file(path, [label_row(1, OHLC, name="0_exp_1", end=300)])
    app = open_labels(open_page(desk, "data"), path)
    assert app.button(key="labels_import").disabled
    write_label_file(path, [label_row(1, OHLC, name="0_exp_1")])
    app.run()
    assert not app.button(key="labels_import").disabled


def test_a_log_rebuilds_the_store_of_a_workspace_that_nobody_has_used(
    open_page: OpenPage, empty: Workspace, sample: Workspace, tmp_path: Path
) -> None:
    path = tmp_path / "log.jsonl"
    with closing(LabelStore.open(sample.store_url)) as store:
        exports.export(exports.EVENTS, path, store, BarStore(sample.bars_dir))
        rows = store.sizes()
    app = open_labels(open_page(empty, "data"), path)
    app.button(key="labels_restore").click().run()
    assert not app.exception
    assert "every table rebuilt" in app.success[0].value
    with closing(LabelStore.open(empty.store_url)) as store:
        assert store.sizes() == rows


def test_labels_go_into_the_layer_of_whoever_works_here(
    open_page: OpenPage, desk: Workspace, tmp_path: Path
) -> None:
    path = tmp_path / "labels.parquet"
    write_label_file(path, [label_row(1, OHLC, name="w1", first=40)])
    app = open_page(desk, "data")
    app.session_state["annotator"] = "ann"
    app = open_labels(app, path)
    app.button(key="labels_import").click().run()
    with closing(LabelStore.open(desk.store_url)) as store:
        assert store.layers() == ["ann"]


def test_a_file_of_bars_is_sent_to_the_bars(
    open_page: OpenPage, desk: Workspace, tmp_path: Path
) -> None:
    app = open_labels(open_page(desk, "data"), tmp_path / "NQ.parquet")
    assert "bars belong in the Bars section" in app.error[0].value


def test_labels_are_written_and_offered_for_download(
    open_page: OpenPage, sample: Workspace
) -> None:
    app = section(open_page(sample, "data"), "Export")
    app.selectbox(key="export_format").set_value("source").run()
    app.button(key="export_write").click().run()
    assert not app.exception
    assert "Download moola_source.parquet" in str(app.get("download_button")[0].proto.label)
    assert (sample.root / "exports" / "moola_source.parquet").exists()


def test_a_release_is_made_listed_and_offered_to_a_run(
    open_page: OpenPage, sample: Workspace
) -> None:
    app = section(open_page(sample, "data"), "Export")
    app.text_input(key="release_name").set_value("v1").run()
    app.button(key="release_make").click().run()
    assert not app.exception
    assert app.dataframe[0].value["name"].tolist() == ["v1"]
    fine = open_page(sample, "finetune")
    options = fine.selectbox(key="finetune_release").options
    assert options[1:] == ["releases/v1"]
    app.button(key="release_make").click().run()
    assert "never changes" in app.error[0].value
