"""The Agreement page: nobody, one person, two people, and what an adjudicator writes."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from itertools import count
from pathlib import Path
from typing import Any

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from moola.second_look import GOLD
from moola.store import LabelStore, WindowView
from moola.ui import span_chart
from moola.workspace import Workspace
from tests.dispute import REFUSED, SHIFTED, TYPED, decide, write_dispute
from tests.pages.conftest import OpenPage, component_data, shown_text

Disputed = tuple[Workspace, list[str]]
numbers = count()


def store_of(workspace: Workspace) -> LabelStore:
    return LabelStore.open(workspace.store_url)


@pytest.fixture(scope="session")
def written_dispute(tmp_path_factory: pytest.TempPathFactory) -> Disputed:
    workspace = Workspace(tmp_path_factory.mktemp("dispute"))
    return workspace, write_dispute(workspace)


@pytest.fixture
def disputed(written_dispute: Disputed, tmp_path: Path) -> Disputed:
    written, uids = written_dispute
    shutil.copytree(written.root, tmp_path / "dispute")
    return Workspace(tmp_path / "dispute"), uids


def show_disputes(app: AppTest) -> AppTest:
    app.segmented_control(key="agreement_view").set_value("Disputed windows").run()
    assert not app.exception
    return app


def go_to(app: AppTest, uid: str) -> AppTest:
    while component_data(app, "bars")["id"] != uid:
        app.button(key="agreement_next").click().run()
    return app


def letter_of(app: AppTest, start: int, end: int) -> str:
    """The letter under which the chart shows the version with this span."""
    lanes = component_data(app, "bars")["lanes"]
    return next(
        lane["name"] for lane in lanes
        if any((s["start"], s["end"]) == (start, end) for s in lane["spans"])
    )  # fmt: skip


def gold(workspace: Workspace, uid: str) -> WindowView:
    return store_of(workspace).window(uid, annotator=GOLD)


def test_an_empty_store_says_how_a_second_person_joins(
    open_page: OpenPage, empty: Workspace
) -> None:
    text = shown_text(open_page(empty, "agreement"))
    assert "Nobody has decided a window yet" in text
    assert "How a second person joins" in text


def test_one_person_is_listed_and_told_that_there_is_nobody_to_agree_with(
    open_page: OpenPage, sample: Workspace
) -> None:
    app = open_page(sample, "agreement")
    text = shown_text(app)
    assert not app.exception
    assert "Only local has decided windows so far" in text
    assert "| **local** |" in text
    assert not app.get("plotly_chart")
    assert "Trust checks" in text


def test_two_people_are_compared_with_figures_and_numbers(
    open_page: OpenPage, disputed: Disputed
) -> None:
    app = open_page(disputed[0], "agreement")
    assert not app.exception
    text = shown_text(app)
    assert "12 windows: 0 decided by one person alone · 9 agreed · 3 disputed" in text
    # Anna drew 4 spans, Ben 3; two of them pair off.
    assert f"| **F1 of expansions** | {2 * 2 / 7:.2f} |" in text
    assert "| Same type | 50% |" in text
    assert len(app.get("plotly_chart")) == 3
    assert "| chop | 8 | 1 | 0 | 0% | 1 |" in text


def test_trust_shows_repeats_trials_and_time(open_page: OpenPage, disputed: Disputed) -> None:
    text = shown_text(open_page(disputed[0], "agreement"))
    rows = [line for line in text.splitlines() if line.startswith("| **") and "of 10" in line]
    anna, ben = (next(row for row in rows if f"**{name}**" in row) for name in ("anna", "ben"))
    assert "| 1.00 |" in anna
    assert "| 1 window |" in anna
    assert "1 of 1 (21% – 100%)" in ben
    assert "2.0 (9 of 10 ≤ 2.0)" in ben


def test_the_disputed_windows_are_listed_with_what_differs(
    open_page: OpenPage, disputed: Disputed
) -> None:
    workspace, uids = disputed
    app = show_disputes(open_page(workspace, "agreement"))
    rows = {row["id"]: row["detail"] for row in component_data(app, "rows")["rows"]}
    assert rows == {
        uids[SHIFTED]: "2 spans without a partner",
        uids[REFUSED]: "kept against rejected",
        uids[TYPED]: "reversal against retracement",
    } or rows == {
        uids[SHIFTED]: "2 spans without a partner",
        uids[REFUSED]: "rejected against kept",
        uids[TYPED]: "retracement against reversal",
    }


def test_both_versions_are_drawn_without_names_until_they_are_shown(
    open_page: OpenPage, disputed: Disputed
) -> None:
    workspace, uids = disputed
    app = go_to(show_disputes(open_page(workspace, "agreement")), uids[REFUSED])
    chart = component_data(app, "bars")
    assert [lane["name"] for lane in chart["lanes"]] == ["A", "B"]
    assert {lane["note"] for lane in chart["lanes"]} == {"kept", "rejected: chop"}
    assert "anna" not in shown_text(app)
    app.toggle(key="agreement_blind").set_value(False).run()
    assert {lane["name"] for lane in component_data(app, "bars")["lanes"]} == {"anna", "ben"}


def test_taking_a_version_writes_it_as_gold_and_goes_on(
    open_page: OpenPage, disputed: Disputed
) -> None:
    workspace, uids = disputed
    app = go_to(show_disputes(open_page(workspace, "agreement")), uids[SHIFTED])
    app.button(key=f"agreement_take_{letter_of(app, 36, 45)}").click().run()
    assert not app.exception
    view = gold(workspace, uids[SHIFTED])
    assert [(span.start, span.end) for span in view.spans] == [(36, 45)]
    assert component_data(app, "bars")["id"] != uids[SHIFTED]
    assert "which was ben" in shown_text(app)
    assert {row["id"] for row in component_data(app, "rows")["rows"]} == {
        uids[REFUSED], uids[TYPED],
    }  # fmt: skip
    event = store_of(workspace).events(limit=1)[0]
    assert (event.kind, event.payload["layer"], event.window_uid) == (
        "adopt", GOLD, uids[SHIFTED],
    )  # fmt: skip


def test_undo_takes_the_adjudication_back_and_shows_its_window(
    open_page: OpenPage, disputed: Disputed
) -> None:
    workspace, uids = disputed
    app = go_to(show_disputes(open_page(workspace, "agreement")), uids[SHIFTED])
    app.button(key="agreement_take_A").click().run()
    app.button(key="agreement_undo").click().run()
    assert "Undone in" in shown_text(app)
    assert component_data(app, "bars")["id"] == uids[SHIFTED]
    assert gold(workspace, uids[SHIFTED]).state in ("unseen", "proposed")
    assert len(component_data(app, "rows")["rows"]) == 3
    app.button(key="agreement_undo").click().run()
    assert "There is nothing to undo here" in shown_text(app)


def test_a_change_made_in_the_desk_is_not_undone_from_here(
    open_page: OpenPage, disputed: Disputed
) -> None:
    workspace, uids = disputed
    decide(store_of(workspace), uids[SHIFTED], "flag", "local")
    app = show_disputes(open_page(workspace, "agreement"))
    app.button(key="agreement_undo").click().run()
    assert "made in the desk" in shown_text(app)
    assert store_of(workspace).window(uids[SHIFTED]).state == "flagged"


@pytest.fixture
def dragging(monkeypatch: pytest.MonkeyPatch) -> Callable[..., AppTest]:
    """Send an edit as the chart does; AppTest cannot drag."""
    sent: dict[str, Any] = {}
    mount = span_chart.mount

    def with_button(data: span_chart.ChartData, *, on_edit, **options: Any) -> None:
        mount(data, on_edit=on_edit, **options)
        st.button("drag", key="test_drag", on_click=lambda: on_edit(sent))

    monkeypatch.setattr(span_chart, "mount", with_button)

    def drag(app: AppTest, **edit: Any) -> AppTest:
        chart = component_data(app.run(), "bars")
        own = {"id": chart["id"], "rev": chart["rev"], "op": f"drag-{next(numbers)}"}
        sent.update(own | {"key": None} | edit)
        app.button(key="test_drag").click().run()
        assert not app.exception
        return app

    return drag


def test_a_span_of_ones_own_becomes_gold_and_can_be_moved_typed_and_removed(
    open_page: OpenPage, disputed: Disputed, dragging
) -> None:
    workspace, uids = disputed
    app = go_to(show_disputes(open_page(workspace, "agreement")), uids[TYPED])
    dragging(app, start=52, end=64)
    (span,) = gold(workspace, uids[TYPED]).spans
    assert (span.start, span.end) == (52, 64)
    assert span.type in ("reversal", "retracement")  # that of a version it lies on
    closes = component_data(app, "bars")["bars"]
    assert span.direction == ("up" if closes["c"][64] >= closes["o"][52] else "down")
    chart = component_data(app, "bars")
    assert (chart["id"], chart["active"]) == (uids[TYPED], span.span_id)  # it stays in view
    dragging(app, key=span.span_id, start=50, end=64)
    app.button(key="agreement_consolidation").click().run()
    (span,) = gold(workspace, uids[TYPED]).spans
    assert (span.start, span.end, span.type) == (50, 64, "consolidation")
    app.button(key="agreement_remove_span").click().run()
    assert gold(workspace, uids[TYPED]).spans == ()
    assert len(component_data(app, "rows")["rows"]) == 3  # disputed again


def test_a_conflict_is_said_and_the_window_shown_as_it_stands(
    open_page: OpenPage, disputed: Disputed
) -> None:
    workspace, uids = disputed
    app = go_to(show_disputes(open_page(workspace, "agreement")), uids[SHIFTED])
    decide(store_of(workspace), uids[SHIFTED], "reject", "cleo", GOLD, reason="chop")
    app.button(key="agreement_take_A").click().run()
    assert "was changed meanwhile" in shown_text(app)
    assert gold(workspace, uids[SHIFTED]).state == "rejected"


def test_gold_can_be_compared_with_the_people(open_page: OpenPage, disputed: Disputed) -> None:
    workspace, uids = disputed
    decide(store_of(workspace), uids[SHIFTED], "adopt", "cleo", GOLD, layer="ben")
    app = open_page(workspace, "agreement")
    options = app.selectbox(key="agreement_pair").options
    assert options == [
        "anna and ben (12 windows decided by both)",
        "anna and adjudicated (1 window decided by both)",
        "ben and adjudicated (1 window decided by both)",
    ]
    app.selectbox(key="agreement_pair").select_index(2).run()
    assert not app.exception
    assert "| **F1 of expansions** | 1.00 | – |" in shown_text(app)
    assert "Too few windows for an interval" in shown_text(app)
