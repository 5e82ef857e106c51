"""The Windows page: who works on which queue, and what the desk in the browser is started with."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from moola.bars import BarStore
from moola.desk import Desk, Query
from moola.importing import import_labels
from moola.runs import list_runs
from moola.store import LabelStore
from moola.ui import state
from moola.workspace import Workspace
from tests.desk.conftest import Office
from tests.pages.conftest import APP, TIMEOUT_S, OpenPage, component_data, shown_text


def store_of(workspace: Workspace) -> LabelStore:
    return LabelStore.open(workspace.store_url)


def desk_of(app: AppTest) -> dict[str, Any]:
    """Return what the page handed to the desk in the browser."""
    assert not app.exception
    return component_data(app, "annotator")


def test_the_desk_opens_at_once_for_one_person(open_page: OpenPage, sample: Workspace) -> None:
    found = desk_of(open_page(sample))
    assert (found["annotator"], found["mode"], found["filters"]) == ("local", "all", {})
    assert found["window"] is None
    assert str(sample.root) not in str(found)  # where the store lies is no page's business


def open_typing(monkeypatch: pytest.MonkeyPatch, workspace: Workspace, name: str) -> AppTest:
    """Open the page with a name typed into its field; AppTest itself can only pick."""
    monkeypatch.setenv("MOOLA_WORKSPACE", str(workspace.root))
    app = AppTest.from_file(str(APP), default_timeout=TIMEOUT_S)
    app.session_state["windows_name"] = name
    return app.run()


def test_a_name_is_typed_and_kept(monkeypatch: pytest.MonkeyPatch, sample: Workspace) -> None:
    app = open_typing(monkeypatch, sample, "Ann Lee")
    assert desk_of(app)["annotator"] == "Ann Lee"
    cookies = [element.proto.body for element in app.get("html") if "cookie" in element.proto.body]
    assert f"{state.NAME_COOKIE}=Ann%20Lee" in cookies[0]
    assert app.session_state["annotator"] == "Ann Lee"


@pytest.mark.parametrize("name", ["~gold", "ann~repeat", "x" * 61])
def test_a_name_that_is_a_layer_or_too_long_is_refused_in_a_sentence(
    monkeypatch: pytest.MonkeyPatch, sample: Workspace, name: str
) -> None:
    app = open_typing(monkeypatch, sample, name)
    assert "A name should have" in app.error[0].value
    assert desk_of(app)["annotator"] == "local"


def test_what_is_left_to_decide_comes_first(
    monkeypatch: pytest.MonkeyPatch, sample: Workspace
) -> None:
    assert desk_of(open_typing(monkeypatch, sample, "newcomer"))["mode"] == "unlabelled"


def test_people_who_have_labelled_are_there_to_be_picked(
    open_page: OpenPage, sample: Workspace
) -> None:
    store = store_of(sample)
    store.flag(store.windows()[0].window_uid, rev=0, op_id="b", annotator="bob")
    app = open_page(sample)
    assert app.selectbox(key="windows_name").options == ["bob", "local"]


def test_queue_and_filters_reach_the_desk(open_page: OpenPage, sample: Workspace) -> None:
    app = open_page(sample)
    app.selectbox(key="windows_mode").set_value("random").run()
    assert desk_of(app)["mode"] == "random"
    assert "control arm" in shown_text(app)
    app.multiselect(key="windows_filter_states").set_value(["verified", "flagged"])
    app.selectbox(key="windows_filter_hours").set_value("open").run()
    assert desk_of(app)["filters"] == {"states": "verified,flagged", "hours": "open"}


def test_a_deep_link_opens_a_window_by_id_or_alias(open_page: OpenPage, sample: Workspace) -> None:
    row = store_of(sample).windows()[20]
    assert row.alias
    for name in (row.window_uid, row.alias):
        assert desk_of(open_page(sample, window=name))["window"] == row.window_uid


def test_a_linked_window_belongs_to_the_queue_it_was_opened_with(
    open_page: OpenPage, sample: Workspace
) -> None:
    uid = store_of(sample).windows()[20].window_uid
    app = open_page(sample, window=uid)
    assert desk_of(app.run())["window"] == uid
    app.selectbox(key="windows_mode").set_value("random").run()
    assert desk_of(app)["window"] is None


def test_an_unknown_deep_link_says_so_and_shows_the_queue(
    open_page: OpenPage, sample: Workspace
) -> None:
    app = open_page(sample, window="no-such-window")
    assert "no-such-window" in app.error[0].value
    assert desk_of(app)["window"] is None


def test_a_link_chooses_queue_and_filters_once(open_page: OpenPage, sample: Workspace) -> None:
    app = open_page(sample, mode="blind", hours="open", volatility="wild", month="2001-02")
    asked = desk_of(app)
    assert asked["mode"] == "blind"
    assert asked["filters"] == {"hours": "open", "volatility": "wild", "month": "2001-02"}
    app.selectbox(key="windows_mode").set_value("all").run()
    assert desk_of(app)["mode"] == "all"


def test_a_link_that_asks_for_nothing_known_is_no_error(
    open_page: OpenPage, sample: Workspace
) -> None:
    asked = desk_of(open_page(sample, mode="newest", series="ES", hours="noon"))
    assert (asked["mode"], asked["filters"]) == ("all", {})


def test_windows_that_a_run_reads_otherwise_are_a_queue(
    open_page: OpenPage, sample: Workspace
) -> None:
    (run,) = list_runs(sample.runs_dir)
    asked = desk_of(open_page(sample, mode="run", run=run.id))
    assert (asked["mode"], asked["filters"]) == ("run", {"run": run.id})
    desk = Desk(sample, store_of(sample))
    (item,) = desk.queue(Query(annotator="local", mode="run", run=run.id))["items"]
    # the run that these tests write misses one window altogether
    assert item["model"]["start"] is None
    assert len(item["model"]["binary"]) == len(item["model"]["countdown"]) == 105


def test_without_a_run_there_is_no_queue_of_one(open_page: OpenPage, sample: Workspace) -> None:
    (run,) = list_runs(sample.runs_dir)
    (run.path / "predictions.parquet").unlink()
    app = open_page(sample, mode="run")
    assert "Disagrees with a run" not in app.selectbox(key="windows_mode").options
    assert desk_of(app)["mode"] == "all"


def test_found_proposals_are_the_next_queue(open_page: OpenPage, sample: Workspace) -> None:
    app = open_page(sample)
    app.button(key="windows_propose").click().run()
    asked = desk_of(app)
    assert asked["mode"] == "proposals"
    assert "new proposals" in shown_text(app)
    store = store_of(sample)
    proposed = store.windows(states=["proposed"], series_id=asked["filters"]["series"])
    assert proposed
    found = Desk(sample, store).queue(Query(annotator="local", mode="proposals"))
    assert found["total"] == len(proposed)


def test_the_rule_stands_beside_the_chart(open_page: OpenPage, sample: Workspace) -> None:
    text = shown_text(open_page(sample))
    assert "a surge of price" in text
    assert "most bars of a span" in text


def test_a_new_rule_says_what_it_breaks_and_marks_only_that(
    open_page: OpenPage, sample: Workspace
) -> None:
    app = open_page(sample)
    app.button(key="windows_rule_edit").click().run()
    app.number_input(key="rule_bars_max").set_value(5).run()
    store = store_of(sample)
    spans = {v.window_uid: v.spans for v in store.views() if v.spans}
    too_long = {uid for uid, found in spans.items() if any(s.length_bars > 5 for s in found)}
    assert 0 < len(too_long) < len(spans)
    assert f"in {len(too_long)} windows to be looked at again" in shown_text(app)
    before = store.current_rule()
    assert before is not None
    assert before.rule_version == "r1"
    app.button(key="rule_save").click().run()
    assert not app.exception
    rule = store.current_rule()
    assert rule is not None
    assert (rule.rule_version, rule.params["bars_max"], rule.author) == ("r2", 5, "local")
    assert {row.window_uid for row in store.windows(states=["stale"])} == too_long
    assert "The rule (r2)" in [block.label for block in app.expander]
    assert f"{len(too_long)} decisions to look at again" in shown_text(app)
    stale = Desk(sample, store).queue(Query(annotator="local", mode="stale", n=100))
    assert {item["uid"] for item in stale["items"]} <= too_long
    assert all(item["spans"][0]["broken"] for item in stale["items"])


def test_a_limit_that_makes_no_sense_is_a_sentence(open_page: OpenPage, sample: Workspace) -> None:
    app = open_page(sample)
    app.button(key="windows_rule_edit").click().run()
    app.number_input(key="rule_bars_min").set_value(40).run()
    assert "bars_min should not be greater than bars_max" in app.error[0].value
    assert not [button for button in app.button if button.key == "rule_save"]


def test_windows_imported_alone_are_told_to_be_cold_and_need_no_times(
    open_page: OpenPage, sample: Workspace, empty: Workspace
) -> None:
    import_labels(sample.label_file, store_of(empty), BarStore(empty.bars_dir))
    assert desk_of(open_page(empty))["annotator"] == "local"
    item = Desk(empty, store_of(empty)).queue(Query(annotator="local", mode="all"))["items"][0]
    assert item["facts"]["cold"]
    assert "no time stamps" in item["facts"]["text"]
    assert item["times"] is None


def test_bars_without_a_window_lead_to_the_search(open_page: OpenPage, empty: Workspace) -> None:
    office = Office(empty.root)
    with office.store._engine.begin() as connection:
        connection.exec_driver_sql("DELETE FROM window")
    app = open_page(Workspace(Path(empty.root)))
    assert "find proposals in the sidebar" in shown_text(app)
    assert app.button(key="windows_propose")
