"""The Windows page: what is shown, and what each action writes to the store."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from moola.bars import BarStore
from moola.label_import import import_labels
from moola.runs import list_runs
from moola.store import LabelStore, WindowView
from moola.ui import span_chart
from moola.workspace import Workspace
from tests.pages.conftest import OpenPage, component_data, shown_text


def store_of(workspace: Workspace) -> LabelStore:
    return LabelStore.open(workspace.store_url)


def stored(workspace: Workspace, uid: str) -> WindowView:
    return store_of(workspace).window(uid)


def current(app: AppTest) -> str:
    return component_data(app, "bars")["id"]


def click(app: AppTest, key: str) -> AppTest:
    app.button(key=f"windows_{key}").click().run()
    assert not app.exception
    return app


@pytest.fixture
def dragging(monkeypatch: pytest.MonkeyPatch) -> Callable[[AppTest, dict[str, Any]], AppTest]:
    """Send an edit as the chart does; AppTest cannot drag."""
    sent: dict[str, Any] = {}
    mount = span_chart.mount

    def with_button(data: span_chart.ChartData, *, on_edit, **options: Any) -> None:
        mount(data, on_edit=on_edit, **options)
        st.button("drag", key="test_drag", on_click=lambda: on_edit(sent))

    monkeypatch.setattr(span_chart, "mount", with_button)

    def drag(app: AppTest, edit: dict[str, Any]) -> AppTest:
        chart = component_data(app.run(), "bars")
        own = {"id": chart["id"], "rev": chart["rev"], "op": "edit-1", "key": chart["active"]}
        sent.update(own | edit)
        return app.button(key="test_drag").click().run()

    return drag


def test_the_first_window_of_the_queue_is_drawn_with_its_span(
    open_page: OpenPage, sample: Workspace
) -> None:
    app = open_page(sample)
    view = stored(sample, current(app))
    chart = component_data(app, "bars")
    assert [len(column) for column in chart["bars"].values()] == [105] * 4
    assert [(s["start"], s["end"], s["type"]) for s in chart["spans"]] == [
        (s.start, s.end, s.type) for s in view.spans
    ]
    assert chart["editable"]
    assert len(chart["times"]) == 105
    assert app.query_params["window"] == view.window_uid


def test_a_deep_link_opens_a_window_by_id_or_alias(open_page: OpenPage, sample: Workspace) -> None:
    row = store_of(sample).windows()[20]
    assert row.alias
    assert current(open_page(sample, window=row.window_uid)) == row.window_uid
    assert current(open_page(sample, window=row.alias)) == row.window_uid


def test_an_unknown_deep_link_says_so_and_shows_the_queue(
    open_page: OpenPage, sample: Workspace
) -> None:
    app = open_page(sample, window="no-such-window")
    assert not app.exception
    assert "no-such-window" in app.error[0].value
    assert current(app) == store_of(sample).windows()[0].window_uid


def test_dragging_an_edge_saves_the_span_at_once(
    open_page: OpenPage, sample: Workspace, dragging
) -> None:
    app = dragging(open_page(sample), {"start": 10, "end": 21})
    view = stored(sample, current(app))
    assert [(span.start, span.end) for span in view.spans] == [(10, 21)]
    assert view.state == "edited"
    assert "Saved span 10 – 21" in shown_text(app)
    chart = component_data(app, "bars")
    assert (chart["ack"], chart["rev"]) == ("edit-1", view.rev)


def test_a_drag_of_another_window_is_dropped(
    open_page: OpenPage, sample: Workspace, dragging
) -> None:
    app = open_page(sample)
    before = stored(sample, current(app))
    dragging(app, {"id": "0" * 16, "start": 1, "end": 2})
    assert stored(sample, before.window_uid).spans == before.spans


def test_a_span_outside_the_window_is_refused_in_one_sentence(
    open_page: OpenPage, sample: Workspace, dragging
) -> None:
    app = open_page(sample)
    before = stored(sample, current(app))
    dragging(app, {"start": 90, "end": 105})
    assert "0..104" in app.error[0].value
    assert stored(sample, before.window_uid).spans == before.spans


def test_accept_verifies_and_goes_on(open_page: OpenPage, sample: Workspace) -> None:
    app = open_page(sample)
    uid, following = (row.window_uid for row in store_of(sample).windows()[:2])
    click(app, "accept")
    assert stored(sample, uid).state == "verified"
    assert current(app) == following
    assert "Accepted" in shown_text(app)


def test_reject_writes_the_reason(open_page: OpenPage, sample: Workspace) -> None:
    app = open_page(sample)
    first, second = (row.window_uid for row in store_of(sample).windows()[:2])
    click(app, "reject")
    assert (stored(sample, first).state, stored(sample, first).reason) == (
        "rejected",
        "no_expansion",
    )
    assert current(app) == second


def test_flag_and_undo(open_page: OpenPage, sample: Workspace) -> None:
    app = open_page(sample)
    before = stored(sample, current(app))
    click(app, "flag")
    assert stored(sample, before.window_uid).state == "flagged"
    click(app, "undo")
    after = stored(sample, before.window_uid)
    assert (after.state, after.spans) == (before.state, before.spans)
    assert current(app) == before.window_uid


def test_undo_without_a_change_says_so(open_page: OpenPage, sample: Workspace) -> None:
    assert "nothing to undo" in shown_text(click(open_page(sample), "undo"))


def test_type_keys_change_the_active_span(open_page: OpenPage, sample: Workspace) -> None:
    app = open_page(sample)
    uid = current(app)
    click(app, "reversal")
    assert {span.type for span in stored(sample, uid).spans[:1]} == {"reversal"}
    assert current(app) == uid


def test_a_note_is_saved_when_the_field_is_left(open_page: OpenPage, sample: Workspace) -> None:
    app = open_page(sample)
    uid = current(app)
    app.text_input(key=f"windows_note_{uid}").input("late start?").run()
    assert stored(sample, uid).note == "late start?"


def test_a_note_and_a_decision_of_one_click_do_not_conflict(
    open_page: OpenPage, sample: Workspace
) -> None:
    app = open_page(sample)
    uid = current(app)
    app.text_input(key=f"windows_note_{uid}").input("clear")
    click(app, "accept")
    assert not app.warning
    assert (stored(sample, uid).note, stored(sample, uid).state) == ("clear", "verified")


def test_a_change_from_another_tab_is_shown_and_not_overwritten(
    open_page: OpenPage, sample: Workspace
) -> None:
    app = open_page(sample)
    view = stored(sample, current(app))
    store_of(sample).flag(view.window_uid, rev=view.rev, op_id="the-other-tab")
    click(app, "accept")
    assert "flagged" in app.warning[0].value
    assert stored(sample, view.window_uid).state == "flagged"
    assert current(app) == view.window_uid


def test_previous_and_next_decide_nothing(open_page: OpenPage, sample: Workspace) -> None:
    app = open_page(sample)
    n_events = len(store_of(sample).events())
    uids = [row.window_uid for row in store_of(sample).windows()[:3]]
    seen = [current(app)]
    seen += [current(click(app, key)) for key in ("next", "next", "previous")]
    assert seen == [uids[0], uids[1], uids[2], uids[1]]
    assert len(store_of(sample).events()) == n_events


def test_the_queue_can_be_filtered_by_state_and_type(
    open_page: OpenPage, sample: Workspace
) -> None:
    app = click(open_page(sample), "flag")
    app.session_state["windows_filter_state"] = ["flagged"]
    app.run()
    assert len(component_data(app, "rows")["rows"]) == 1
    app.session_state["windows_filter_state"] = []
    app.session_state["windows_filter_type"] = ["reversal"]
    app.run()
    n_reversals = sum("reversal" in row.types for row in store_of(sample).windows())
    assert f"{n_reversals} windows in the queue" in shown_text(app)


def test_windows_that_a_run_reads_otherwise_come_worst_first(
    open_page: OpenPage, sample: Workspace
) -> None:
    app = open_page(sample)
    (run,) = list_runs(sample.runs_dir)
    app.selectbox(key="windows_filter_run").set_value(run.id).run()
    assert not app.exception
    rows = component_data(app, "rows")["rows"]
    assert [row["detail"].split(" · ")[-1] for row in rows] == ["no match"]


def test_proposals_are_drafts_until_they_are_accepted(
    open_page: OpenPage, sample: Workspace
) -> None:
    app = click(open_page(sample), "propose")
    chart = component_data(app, "bars")
    uid = chart["id"]
    assert stored(sample, uid).state == "proposed"
    drafts = [span for span in chart["spans"] if span["draft"]]
    assert drafts
    assert chart["active"] == drafts[0]["key"]
    click(app, "accept")
    view = stored(sample, uid)
    assert view.state == "verified"
    assert {(s.start, s.end) for s in view.spans} >= {(d["start"], d["end"]) for d in drafts}


def test_a_window_without_any_span_cannot_be_accepted(
    open_page: OpenPage, sample: Workspace
) -> None:
    app = open_page(sample)
    uid = current(app)
    for _ in stored(sample, uid).spans:
        click(app, "remove_span")
    click(app, "accept")
    assert "draw a span or reject" in app.error[0].value
    assert current(app) == uid


def test_another_filter_shows_its_first_window(open_page: OpenPage, sample: Workspace) -> None:
    app = click(open_page(sample), "next")
    app.multiselect(key="windows_filter_type").set_value(["reversal"]).run()
    rows = [row for row in store_of(sample).windows() if "reversal" in row.types]
    assert current(app) == rows[0].window_uid


def test_a_window_imported_alone_is_marked_cold_and_needs_no_times(
    open_page: OpenPage, sample: Workspace, empty: Workspace
) -> None:
    import_labels(sample.label_file, store_of(empty), BarStore(empty.bars_dir))
    app = open_page(empty)
    assert not app.exception
    assert "cold" in shown_text(app)
    assert "no time stamps" in shown_text(app)
    assert component_data(app, "bars")["times"] is None
