"""The Coverage page: the map of what was looked at, and the way to what was not."""

from __future__ import annotations

from typing import Any

from streamlit.testing.v1 import AppTest

from moola.store import LabelStore
from moola.workspace import Workspace
from tests.pages.conftest import OpenPage, component_data, shown_text


def the_map(app: AppTest) -> dict[str, Any]:
    return component_data(app, "cells")


def test_the_map_shows_months_hours_and_volatility(open_page: OpenPage, sample: Workspace) -> None:
    app = open_page(sample, "coverage")
    found = the_map(app)
    assert found["months"] == ["Jan 2001", "Feb 2001"]
    assert found["hours"][0] == "overnight"
    assert len(found["volatilities"]) == 3
    assert all("bars looked at" in cell["title"] for cell in found["cells"])
    assert "174 of 174 decided kept (100%, 95 %: 98% – 100%)" in shown_text(app)


def test_the_rate_of_kept_windows_stands_with_its_counts(
    open_page: OpenPage, sample: Workspace
) -> None:
    store = LabelStore.open(sample.store_url)
    for row in store.windows()[:60]:
        store.reject(row.window_uid, rev=store.window(row.window_uid).rev, op_id=row.window_uid)
    app = open_page(sample, "coverage")
    app.button_group(key="coverage_shown").set_value("kept").run()
    assert not app.exception
    counted = [cell["text"].split("/") for cell in the_map(app)["cells"] if "/" in cell["text"]]
    decided = [row for row in store.windows() if row.state in ("verified", "edited", "rejected")]
    assert sum(int(of) for _, of in counted) == len(decided)
    assert sum(int(n) for n, _ in counted) == sum(row.state != "rejected" for row in decided)


def test_windows_are_cut_in_the_cell_to_label_next_and_lead_to_the_desk(
    open_page: OpenPage, sample: Workspace
) -> None:
    app = open_page(sample, "coverage")
    before = len(LabelStore.open(sample.store_url).windows())
    app.button(key="coverage_cut").click().run()
    assert not app.exception
    new = [row for row in LabelStore.open(sample.store_url).windows() if row.state == "unseen"]
    assert len(new) == len(LabelStore.open(sample.store_url).windows()) - before > 0
    assert f"Cut {len(new)} window" in shown_text(app)
    # AppTest keeps no query string that it would follow, so look at the link itself
    (link,) = [item for item in app.get("page_link") if item.proto.label == "Label here next"]
    assert any(row.window_uid in link.proto.query_string for row in new)


def test_another_clock_redraws_the_map(open_page: OpenPage, sample: Workspace) -> None:
    app = open_page(sample, "coverage")
    app.selectbox(key="coverage_zone_America/New_York").set_value("UTC").run()
    assert not app.exception
    assert the_map(app)["hours"][:2] == ["asia", "london"]


def test_a_chosen_cell_is_told_in_words(open_page: OpenPage, sample: Workspace) -> None:
    app = open_page(sample, "coverage")
    cell = next(cell for cell in the_map(app)["cells"] if cell["m"] == 1)
    app.session_state["coverage_cell"] = (1, *divmod(cell["c"], 3))
    app.run()
    assert the_map(app)["current"] == {"m": 1, "c": cell["c"]}
    assert cell["title"].split(":")[0] in shown_text(app)


def test_a_link_chooses_the_series(open_page: OpenPage, sample: Workspace) -> None:
    (unlabelled,) = [s for s in LabelStore.open(sample.store_url).series() if "-U" in s.series_id]
    app = open_page(sample)
    app.query_params["series"] = unlabelled.series_id
    app.switch_page("pages/coverage.py").run()
    assert app.selectbox(key="coverage_series").value == unlabelled.series_id
    assert "0 windows in the store" in shown_text(app)


def test_the_rate_of_windows_with_a_proposal_stands_apart(
    open_page: OpenPage, sample: Workspace
) -> None:
    text = shown_text(open_page(sample, "coverage"))
    assert "with a proposal none decided yet; without one 174 of 174 decided kept" in text


def test_all_series_of_one_clock_share_the_map(open_page: OpenPage, sample: Workspace) -> None:
    app = open_page(sample, "coverage")
    assert app.selectbox(key="coverage_series").value is None
    both = sum(int(cell["m"] >= 0) for cell in the_map(app)["cells"])
    (labelled,) = [s for s in LabelStore.open(sample.store_url).series() if "-L" in s.series_id]
    app.selectbox(key="coverage_series").set_value(labelled.series_id).run()
    assert not app.exception
    assert 0 < len(the_map(app)["cells"]) <= both


def test_the_map_is_that_of_the_person_who_works_in_the_tab(
    open_page: OpenPage, sample: Workspace
) -> None:
    store = LabelStore.open(sample.store_url)
    for row in store.windows()[:10]:
        store.reject(row.window_uid, rev=0, op_id=f"ann-{row.window_uid}", annotator="ann")
    app = open_page(sample, "coverage")
    assert "174 of 174 decided kept" in shown_text(app)
    app.session_state["annotator"] = "ann"
    app.run()
    assert "0 of 10 decided kept" in shown_text(app)
