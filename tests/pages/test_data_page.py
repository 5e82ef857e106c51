"""The Data page's bars: from a file to windows, with every question asked and nothing guessed."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from streamlit.testing.v1 import AppTest

from moola import fetching
from moola.bars import BarStore
from moola.importing import import_bars, import_labels
from moola.label_file import write_label_file
from moola.store import LabelStore
from moola.ui import bar_import, incoming, jobs
from moola.vendors import Answers
from moola.workspace import Workspace
from tests.pages.conftest import OpenPage, shown_text
from tests.toy_bars import label_row, ohlc_of, toy_bars
from tests.vendors.yahoo_chart import N_MINUTES, Recorded, chart, session


def open_file(app: AppTest, path: Path) -> AppTest:
    app.segmented_control(key="data_source").set_value(incoming.PATH).run()
    app.text_input(key="data_path_0").set_value(str(path)).run()
    assert not app.exception
    return app


def written(path: Path, frame: pd.DataFrame) -> Path:
    frame.to_csv(path, index=False)
    return path


def series_of(workspace: Workspace) -> list:
    return LabelStore.open(workspace.store_url).series()


def n_windows(workspace: Workspace) -> int:
    return len(LabelStore.open(workspace.store_url).windows())


def button(app: AppTest, label: str):
    return next(item for item in app.button if item.label.startswith(label))


def by_key(elements, prefix: str):
    return next(item for item in elements if (item.key or "").startswith(prefix))


def test_the_sample_lists_its_series_with_what_is_in_them(
    open_page: OpenPage, sample: Workspace
) -> None:
    text = shown_text(open_page(sample, "data"))
    assert "SAMPLE-L" in text
    assert "26,000 bars" in text
    assert "174 windows, 174 decided, 174 kept" in text
    assert "no window cut yet" in text  # SAMPLE-U


def test_a_file_that_says_everything_is_previewed_and_imported(
    open_page: OpenPage, empty: Workspace, tmp_path: Path
) -> None:
    path = written(tmp_path / "toy.csv", toy_bars(400).assign(timestamp=_iso(toy_bars(400))))
    app = open_file(open_page(empty, "data"), path)
    shown = shown_text(app)
    assert "400 bars ok" in shown
    assert "0 rows refused" in shown
    assert len(app.dataframe[0].value) == 20
    assert app.get("plotly_chart")
    assert series_of(empty) == []  # a preview writes nothing
    button(app, "Import 400 bars").click().run()
    assert not app.exception
    (series,) = series_of(empty)
    assert (series.symbol, series.n_bars, series.bar) == ("toy", 400, "1min")
    assert "**Imported** 400 bars" in shown_text(app)
    stored = BarStore(empty.bars_dir).read(series.content_hash)
    np.testing.assert_array_equal(stored["close"], toy_bars(400)["close"])


def _iso(frame: pd.DataFrame) -> pd.Series:
    return frame["timestamp"].dt.strftime("%Y-%m-%dT%H:%M:%SZ")


NINJA_OR_HISTDATA = "%Y%m%d %H%M%S"


def ninja_file(path: Path, frame: pd.DataFrame) -> Path:
    """Write the layout that NinjaTrader and HistData share."""
    stamps = frame["timestamp"].dt.strftime(NINJA_OR_HISTDATA)
    lines = frame.assign(timestamp=stamps, volume=frame["volume"].astype(int))
    lines.to_csv(path, sep=";", header=False, index=False)
    return path


def test_what_a_file_does_not_say_is_asked_and_nothing_is_read_before(
    open_page: OpenPage, empty: Workspace, tmp_path: Path
) -> None:
    app = open_file(open_page(empty, "data"), ninja_file(tmp_path / "X.txt", toy_bars(300)))
    text = shown_text(app)
    assert "NinjaTrader or HistData" in text
    assert "What the file does not say" in text
    assert "2 answers to go" in text
    assert not [item for item in app.button if item.label.startswith("Import ")]
    stamp = by_key(app.radio, "data_ask_stamp")
    assert stamp.value is None
    by_key(app.selectbox, "data_ask_tz").set_value("America/New_York").run()
    assert "1 answer to go" in shown_text(app)
    by_key(app.radio, "data_ask_stamp").set_value("end").run()
    assert "300 bars ok" in shown_text(app)
    button(app, "Import 300 bars").click().run()
    (series,) = series_of(empty)
    # 14:30 on New York's wall is 19:30 UTC in winter, and the stamp was the end of its minute
    assert f"{series.start_ts:%H:%M}" == "19:29"


def test_refused_rows_are_named_and_block_until_they_may_be_left_out(
    open_page: OpenPage, empty: Workspace, tmp_path: Path
) -> None:
    bars = toy_bars(300).assign(timestamp=_iso(toy_bars(300)))
    bars.loc[41, "high"] = bars.loc[41, "low"] - 1
    bars.loc[77, "close"] = np.nan
    app = open_file(open_page(empty, "data"), written(tmp_path / "bad.csv", bars))
    assert "2 rows refused" in shown_text(app)
    refused = app.dataframe[1].value
    assert refused["row"].tolist() == [42, 78]
    assert button(app, "Import 298 bars").disabled
    by_key(app.checkbox, "data_leave_out").check().run()
    assert not button(app, "Import 298 bars").disabled
    button(app, "Import 298 bars").click().run()
    assert series_of(empty)[0].n_bars == 298


def test_too_few_bars_and_made_up_ones_are_shown_but_not_imported(
    open_page: OpenPage, empty: Workspace, tmp_path: Path
) -> None:
    few = toy_bars(60).assign(timestamp=_iso(toy_bars(60)))
    app = open_file(open_page(empty, "data"), written(tmp_path / "few.csv", few))
    assert button(app, "Import 60 bars").disabled
    assert "at least 105 bars" in shown_text(app)
    made_up = toy_bars(400).assign(timestamp=_iso(toy_bars(400)))
    made_up.loc[::3, "high"] = made_up.loc[::3, ["open", "close"]].max(axis=1) - 0.25
    app = open_file(open_page(empty, "data"), written(tmp_path / "odd.csv", made_up))
    assert "look made up" in shown_text(app)
    assert button(app, "Import").disabled


def test_the_same_file_again_changes_nothing_and_a_newer_one_extends_the_series(
    open_page: OpenPage, empty: Workspace, tmp_path: Path
) -> None:
    bars = toy_bars(500).assign(timestamp=_iso(toy_bars(500)))
    for n, frame in enumerate((bars[:300], bars[:300], bars[200:])):
        app = open_page(empty, "data")
        open_file(app, written(tmp_path / "NQ.csv", frame))
        button(app, f"Import {len(frame)} bars").click().run()
        assert not app.exception
        assert ("was there already" in shown_text(app)) == (n == 1)
    assert "200 bars added to series" in shown_text(app)
    (series,) = series_of(empty)
    assert series.n_bars == 500


REFUSED = {
    "quotes.csv": ("TIMESTAMP,BID,ASK\n2020-01-01T00:00:00Z,1,2\n", "bid and ask"),
    "empty.csv": ("", "empty"),
    "prose.txt": ("This is no table of bars at all.\n", "should"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_file_that_holds_no_bars_is_refused_in_one_sentence(
    name: str, open_page: OpenPage, empty: Workspace, tmp_path: Path
) -> None:
    content, word = REFUSED[name]
    (tmp_path / name).write_text(content)
    app = open_file(open_page(empty, "data"), tmp_path / name)
    assert word in app.error[0].value
    assert len(app.error) == 1
    assert not app.dataframe


def test_a_file_of_labels_is_sent_to_its_own_section(
    open_page: OpenPage, sample: Workspace
) -> None:
    app = open_file(open_page(sample, "data"), sample.label_file)
    assert "bring it in under Labels" in app.error[0].value


def test_a_path_without_a_file_is_a_sentence(
    open_page: OpenPage, empty: Workspace, tmp_path: Path
) -> None:
    app = open_file(open_page(empty, "data"), tmp_path / "nowhere.csv")
    assert "should be a file on this machine. Found nothing there." in app.error[0].value
    app = open_file(open_page(empty, "data"), tmp_path)
    assert "Found a folder there." in app.error[0].value


def test_an_upload_is_laid_down_and_read(
    open_page: OpenPage, empty: Workspace, tmp_path: Path
) -> None:
    bars = toy_bars(200).assign(timestamp=_iso(toy_bars(200)))
    app = open_page(empty, "data")
    content = bars.to_csv(index=False).encode()
    app.file_uploader(key="data_upload_0").upload("mine.csv", content, "text/csv").run()
    assert not app.exception
    assert "200 bars ok" in shown_text(app)
    button(app, "Import 200 bars").click().run()
    assert series_of(empty)[0].symbol == "mine"


def test_windows_are_cut_with_the_options_of_the_page(
    open_page: OpenPage, sample: Workspace
) -> None:
    app = open_page(sample, "data")
    before = n_windows(sample)
    (unlabelled,) = [s for s in series_of(sample) if s.symbol == "SAMPLE-U"]
    key = f"data_cut_list_{unlabelled.series_id}"
    app.number_input(key=f"{key}_stride").set_value(210)
    app.button(key=f"{key}_go").click().run()
    assert not app.exception
    made = n_windows(sample) - before
    assert made > 30
    assert f"{made} new windows" in shown_text(app)
    app.button(key=f"{key}_go").click().run()
    assert n_windows(sample) == before + made
    assert "0 new windows" in shown_text(app)


def test_a_cut_that_finds_nothing_says_so_in_one_sentence(
    open_page: OpenPage, sample: Workspace
) -> None:
    app = open_page(sample, "data")
    key = f"data_cut_list_{series_of(sample)[0].series_id}"
    app.text_input(key=f"{key}_session").set_value("09:30-09:45")
    app.button(key=f"{key}_go").click().run()
    assert "lie outside them" in app.error[0].value
    app.text_input(key=f"{key}_session").set_value("half past nine")
    app.button(key=f"{key}_go").click().run()
    assert "like 09:30-16:00" in app.error[0].value


def test_an_import_that_another_tab_began_is_followed_to_its_end(
    open_page: OpenPage, empty: Workspace, tmp_path: Path
) -> None:
    store, bars = LabelStore.open(empty.store_url), BarStore(empty.bars_dir)
    path = written(tmp_path / "NQ.csv", toy_bars(5000).assign(timestamp=_iso(toy_bars(5000))))
    jobs.start(
        f"{bar_import.job_prefix(empty)}NQ.csv",
        lambda tell: import_bars(path, store, bars, answers=Answers(stamp="start"), progress=tell),
    )
    text = shown_text(open_page(empty, "data"))
    assert "**Imported** 5,000 bars" in text
    assert series_of(empty)[0].n_bars == 5000
    assert "**Imported**" not in shown_text(open_page(empty, "data"))  # told once


def test_a_failed_import_is_a_sentence_and_can_be_tried_again(
    open_page: OpenPage, empty: Workspace, tmp_path: Path
) -> None:
    bars = toy_bars(300).assign(timestamp=_iso(toy_bars(300)))
    app = open_file(open_page(empty, "data"), written(tmp_path / "NQ.csv", bars))
    (tmp_path / "NQ.csv").unlink()
    button(app, "Import 300 bars").click().run()
    assert not app.exception
    assert "should be a file" in app.error[0].value
    written(tmp_path / "NQ.csv", bars)
    app.run()
    button(app, "Import 300 bars").click().run()
    assert "**Imported** 300 bars" in shown_text(app)


def test_bars_are_fetched_previewed_and_imported(
    open_page: OpenPage, empty: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    yfinance = pytest.importorskip("yfinance", reason="the extra fetch is not installed")
    yfinance.set_tz_cache_location(str(tmp_path / "cache"))
    monkeypatch.setattr(yfinance.data.YfData, "_instances", {})
    # yfinance itself, on a recorded answer: the network of a test is no part of it
    recorded = partial(fetching.fetch, session=session(Recorded(chart())))
    monkeypatch.setattr(fetching, "fetch", recorded)
    app = open_page(empty, "data")
    app.segmented_control(key="data_source").set_value(incoming.YAHOO).run()
    app.button(key="data_yahoo_0_go").click().run()
    assert "A symbol should be named" in app.error[0].value
    app.text_input(key="data_yahoo_0_symbol").set_value("NQ=F").run()
    app.button(key="data_yahoo_0_go").click().run()
    assert not app.exception
    assert f"{N_MINUTES - 1} bars ok" in shown_text(app)
    button(app, f"Import {N_MINUTES - 1} bars").click().run()
    (series,) = series_of(empty)
    assert (series.symbol, series.tz_exchange) == ("NQ=F", "America/New_York")


def test_windows_that_came_alone_are_offered_their_feed(
    open_page: OpenPage, empty: Workspace, tmp_path: Path
) -> None:
    store, bars = LabelStore.open(empty.store_url), BarStore(empty.bars_dir)
    rows = [label_row(n, ohlc_of(toy_bars(400)), first=80 * n) for n in (1, 2)]
    write_label_file(tmp_path / "labels.parquet", rows)
    import_labels(tmp_path / "labels.parquet", store, bars)
    assert "2 windows that came alone, without time" in shown_text(open_page(empty, "data"))
    feed = toy_bars(400).assign(timestamp=_iso(toy_bars(400)))
    app = open_file(open_page(empty, "data"), written(tmp_path / "NQ.csv", feed))
    button(app, "Import 400 bars").click().run()
    assert "2 windows that came alone stand in NQ." in shown_text(app)
    app.button(key="data_move_home").click().run()
    assert not app.exception
    assert "2 windows moved to their feeds with 2 spans" in shown_text(app)
    assert [row.bar_start for row in store.windows()] == [80, 160]
    assert "came alone" not in shown_text(app)


@pytest.mark.real_bars
def test_a_real_export_goes_from_the_page_to_windows(
    open_page: OpenPage, empty: Workspace, real_bars_dir: Path
) -> None:
    path = real_bars_dir / "raw" / "tradingview_NQ_1min_indicators.csv"
    app = open_file(open_page(empty, "data"), path)
    assert "TradingView" in shown_text(app)
    assert "1,055 bars ok" in shown_text(app)
    app.text_input(key=f"data_name_{incoming.file_id(path)}").set_value("NQ").run()
    button(app, "Import 1,055 bars").click().run()
    (series,) = series_of(empty)
    assert (series.symbol, series.bar, series.tick_size) == ("NQ", "1min", 0.25)
    app.button(key=f"data_cut_next_{series.series_id}_go").click().run()
    assert not app.exception
    assert "10 new windows" in shown_text(app)
    assert n_windows(empty) == 10
    app.switch_page("pages/coverage.py").run()
    assert not app.exception
    assert "10 windows in the store" in shown_text(app)
