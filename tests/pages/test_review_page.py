"""The Review page: targets, windows by error, one window bar by bar."""

from __future__ import annotations

import shutil

import pandas as pd
import pytest
from streamlit.testing.v1 import AppTest

from moola.audit import read_sent
from moola.confidence import stored_abstention
from moola.examples import Examples
from moola.labels import create_expansion_labels
from moola.learning import CURVE_FILE
from moola.runs import RunFolder, list_runs
from moola.store import Decision, LabelStore
from moola.ui.review.success import NO_BREAK
from moola.workspace import Workspace
from tests.pages.conftest import OpenPage, component_data, shown_text
from tests.test_learning import curve


@pytest.fixture
def run(sample: Workspace) -> RunFolder:
    (found,) = list_runs(sample.runs_dir)
    return found


def row_of(examples: Examples, uid: str) -> int:
    return examples.window_uid.tolist().index(uid)


def test_the_success_table_shows_every_target_with_its_verdict(
    open_page: OpenPage, sample: Workspace
) -> None:
    app = open_page(sample, "review")
    (table,) = (element.value for element in app.markdown if "| Verdict |" in element.value)
    assert table.count("\n") == 9
    assert "of 8 targets met" in shown_text(app)
    assert ":green-badge[met]" in table


def test_the_countdown_read_off_the_start_stands_beside_the_heads_and_is_no_target(
    open_page: OpenPage, sample: Workspace, run: RunFolder
) -> None:
    path = run.path / "predictions.parquet"
    table = pd.read_parquet(path)
    table.assign(start_prob=(table["bar"] == 50) * 1.0).to_parquet(path)
    (run.path / "success.json").unlink(missing_ok=True)
    app = open_page(sample, "review")
    (shown,) = (element.value for element in app.markdown if "| Verdict |" in element.value)
    rows = [row.replace(NO_BREAK, " ") for row in shown.splitlines()]
    at = [row.startswith("| Countdown MAE") for row in rows].index(True)
    assert rows[at + 1].startswith("| Countdown MAE, read off the start |")
    assert "badge[no target]" in rows[at + 1]
    assert "of 8 targets met" in shown_text(app)


def test_the_list_holds_held_out_windows_worst_first(
    open_page: OpenPage, sample: Workspace, run: RunFolder
) -> None:
    app = open_page(sample, "review")
    listed = component_data(app, "rows", label="Windows of the run")["rows"]
    examples = run.examples()
    assert all(examples.is_val[row_of(examples, row["id"])] for row in listed)
    assert listed[0]["detail"].startswith("missed")
    assert len(listed) == len(set(examples.window_uid[examples.is_val].tolist()))


def test_one_window_shows_predictions_beside_their_targets(
    open_page: OpenPage, sample: Workspace, run: RunFolder
) -> None:
    app = open_page(sample, "review")
    app.button(key="review_next").click().run()
    assert not app.exception
    chart = component_data(app, "bars")
    examples = run.examples()
    row = row_of(examples, chart["id"])
    start, end = int(examples.start[row]), int(examples.end[row])
    mask, countdown = create_expansion_labels(start, end)
    probability, count = chart["panes"]
    assert (probability["kind"], count["kind"]) == ("binary", "countdown")
    assert len(probability["values"]) == len(count["values"]) == 105
    assert probability["target"] == mask.tolist()
    assert count["target"] == countdown.tolist()
    assert not chart["editable"]
    assert [(ref["start"], ref["end"]) for ref in chart["refs"]] == [(min(start + 2, end), end)]


def test_a_run_without_per_bar_heads_has_no_panes(
    open_page: OpenPage, sample: Workspace, run: RunFolder
) -> None:
    path = run.path / "predictions.parquet"
    table = pd.read_parquet(path).assign(binary_prob=float("nan"), countdown_bars=float("nan"))
    table.to_parquet(path, index=False)
    app = open_page(sample, "review")
    assert not app.exception
    assert component_data(app, "bars")["panes"] == []


def test_posteriors_of_both_edges_have_panes_where_a_run_has_them(
    open_page: OpenPage, sample: Workspace, run: RunFolder
) -> None:
    path = run.path / "predictions.parquet"
    table = pd.read_parquet(path)
    near = (table["bar"] - table["start"]).abs() <= 1
    table.assign(start_prob=near * 0.2, end_prob=(table["bar"] == table["end"]) * 0.9).to_parquet(
        path, index=False
    )
    app = open_page(sample, "review")
    app.button(key="review_next").click().run()
    chart = component_data(app, "bars")
    examples = run.examples()
    start = int(examples.start[row_of(examples, chart["id"])])
    assert [pane["kind"] for pane in chart["panes"]] == ["binary", "start", "end", "countdown"]
    pane = chart["panes"][1]
    assert (pane["target"].index(1), sum(pane["target"])) == (start, 1)
    assert [chart["panes"][i]["y1"] for i in (1, 2)] == [0.25, 1.0]


def test_other_runs_lie_over_the_window_each_in_a_lane_of_its_own(
    open_page: OpenPage, sample: Workspace, run: RunFolder
) -> None:
    other = sample.runs_dir / "20200101-000000-other"
    shutil.copytree(run.path, other)
    path = other / "predictions.parquet"
    table = pd.read_parquet(path)
    table.assign(start=table["start"] + 1).to_parquet(path, index=False)
    app = open_page(sample, "review", run=run.id)
    app.multiselect(key="review_others").set_value([other.name]).run()
    app.selectbox(key="review_sort").select("runs").run()
    assert not app.exception
    listed = component_data(app, "rows", label="Windows of the run")["rows"]
    assert "1 bar" in listed[1]["detail"]  # the first is the one that only the other sees
    app.button(key="review_next").click().run()
    chart = component_data(app, "bars")
    (lane,) = chart["lanes"]
    assert (lane["name"], lane["spans"][0]["start"]) == ("A", chart["refs"][0]["start"] + 1)
    assert len(chart["panes"][0]["others"]) == 1
    assert "<b>A</b> other" in shown_text(app)


@pytest.mark.parametrize(
    ("view", "n_figures"),
    [
        ("Windows", 0),
        ("Calibration", 4),
        ("Errors", 7),
        ("Learning curve", 0),
        ("Label audit", 0),
        ("Card and export", 0),
    ],
)
def test_only_the_chosen_view_is_drawn(
    open_page: OpenPage, sample: Workspace, view: str, n_figures: int
) -> None:
    app = open_page(sample, "review")
    app.segmented_control(key="review_view").set_value(view).run()
    assert not app.exception
    assert len(app.get("plotly_chart")) == n_figures


def test_the_calibration_view_says_which_confidence_the_run_keeps(
    open_page: OpenPage, sample: Workspace, run: RunFolder
) -> None:
    app = open_page(sample, "review")  # which evaluates a run that nobody has evaluated yet
    app.segmented_control(key="review_view").set_value("Calibration").run()
    kept = stored_abstention(run.path)
    (said,) = (item.value for item in app.caption if "--abstain" in item.value)
    assert f"**{kept.threshold:.2f}**" in said
    assert "hits of 80%" in said


def test_all_windows_can_be_listed(open_page: OpenPage, sample: Workspace, run: RunFolder) -> None:
    app = open_page(sample, "review")
    app.segmented_control(key="review_split").set_value("training").run()
    chart = component_data(app, "bars")
    examples = run.examples()
    assert not examples.is_val[row_of(examples, chart["id"])]


def test_a_window_opens_for_labelling(open_page: OpenPage, sample: Workspace) -> None:
    app = open_page(sample, "review")
    uid = component_data(app, "bars")["id"]
    app.button(key="review_open").click().run()
    assert not app.exception
    assert component_data(app, "annotator")["window"] == uid


def test_windows_that_the_run_reads_otherwise_are_a_click_away(
    open_page: OpenPage, sample: Workspace, run: RunFolder
) -> None:
    links = [link.proto for link in open_page(sample, "review").get("page_link")]
    (link,) = [link for link in links if "reads otherwise" in link.label]
    assert "1 window" in link.label
    assert f"mode=run&run={run.id}" in link.query_string


def test_predictions_with_bars_missing_are_refused_in_one_sentence(
    open_page: OpenPage, sample: Workspace, run: RunFolder
) -> None:
    path = run.path / "predictions.parquet"
    pd.read_parquet(path).iloc[:-1].to_parquet(path, index=False)
    app = open_page(sample, "review")
    assert not app.exception
    assert "105 bars of every window" in app.error[0].value


def open_view(open_page: OpenPage, sample: Workspace, view: str) -> AppTest:
    app = open_page(sample, "review")
    app.segmented_control(key="review_view").set_value(view).run()
    assert not app.exception
    return app


def test_doubtful_labels_go_to_the_desk_in_one_click_and_stay_as_they_are(
    open_page: OpenPage, sample: Workspace, run: RunFolder
) -> None:
    app = open_view(open_page, sample, "Label audit")
    table = app.dataframe[0].value
    examples = run.examples()
    assert len(table) == len(set(examples.window_uid[examples.is_val].tolist()))
    assert table["doubt"].is_monotonic_decreasing
    before = stored_labels(sample)
    app.number_input(key="review_audit_n").set_value(3)
    app.button(key="review_audit_send").click().run()
    assert "Sent 3 windows" in shown_text(app)
    assert "0 of 3 looked at" in shown_text(app)
    links = [link.proto.query_string for link in app.get("page_link")]
    assert f"mode=audit&run={run.id}" in links
    sent = read_sent(run.path)
    assert sent is not None
    assert list(sent.windows.values()) == table["why"].tolist()[:3]
    assert stored_labels(sample) == before


def test_a_blind_second_look_that_differs_is_listed_beside_the_label(
    open_page: OpenPage, sample: Workspace, run: RunFolder
) -> None:
    app = open_view(open_page, sample, "Label audit")
    app.number_input(key="review_audit_n").set_value(1)
    app.button(key="review_audit_send_blind").click().run()
    sent = read_sent(run.path)
    assert sent is not None
    (uid,) = sent.windows
    store = LabelStore.open(sample.store_url)
    rejected = Decision(
        op_id="second", kind="reject", window_uid=uid, rev=0, mode="repeat",
        args={"reason": "no_expansion"},
    )  # fmt: skip
    (answer,) = store.apply([rejected], annotator="local", layer="local~repeat")
    assert answer.status == "done", answer.message
    store.close()
    app = open_view(open_page, sample, "Label audit")
    assert "1 of 1 looked at" in shown_text(app)
    labels = [link.proto.label for link in app.get("page_link")]
    assert any("kept against rejected" in label for label in labels)


def test_a_run_that_held_nothing_out_can_doubt_no_label(
    open_page: OpenPage, sample: Workspace, run: RunFolder
) -> None:
    path = run.path / "predictions.parquet"
    pd.read_parquet(path).assign(split="train").to_parquet(path, index=False)
    app = open_view(open_page, sample, "Label audit")
    assert "held nothing out" in app.info[0].value


def test_the_card_is_shown_and_spans_leave_as_proposals_and_files(
    open_page: OpenPage, sample: Workspace, run: RunFolder
) -> None:
    app = open_view(open_page, sample, "Card and export")
    assert f"Model card: {run.id}" in shown_text(app)
    app.selectbox(key="review_export_to").select("parquet").run()
    app.button(key="review_export").click().run()
    assert not app.exception
    table = pd.read_parquet(sample.root / "exports" / f"{run.id}.parquet")
    assert len(table) == len(set(run.examples().window_uid.tolist()))
    app.selectbox(key="review_export_to").select("proposals").run()
    app.button(key="review_export").click().run()
    assert not app.exception


def test_a_stored_learning_curve_is_drawn_with_what_more_labels_would_bring(
    open_page: OpenPage, sample: Workspace, run: RunFolder
) -> None:
    curve({50: 0.3, 100: 0.4, 138: 0.45}).to_parquet(run.path / CURVE_FILE, index=False)
    app = open_view(open_page, sample, "Learning curve")
    assert len(app.get("plotly_chart")) == 1
    assert "100 more labels would bring" in shown_text(app)
    assert app.button(key="review_learning_start").label == "Measure it again"


def test_what_two_people_reach_stands_beside_what_the_run_reached(
    open_page: OpenPage, sample: Workspace, run: RunFolder
) -> None:
    store = LabelStore.open(sample.store_url)
    uids = run.examples().window_uid.tolist()[:3]
    for number, view in enumerate(store.views(uids=uids)):
        span = view.spans[0]
        drawn = Decision(
            op_id=f"bob-{number}", kind="save_span", window_uid=view.window_uid, rev=0,
            args={"span_id": f"{number:016x}", "new": True, "start": span.start, "end": span.end},
        )  # fmt: skip
        (answer,) = store.apply([drawn], annotator="bob")
        assert answer.status == "done", answer.message
    store.close()
    app = open_page(sample, "review")
    (table,) = (element.value for element in app.markdown if "| Verdict |" in element.value)
    assert "| Constant | People |" in table
    (hit,) = (line for line in table.splitlines() if line.startswith("| Hit@"))
    assert "| 100.0% |" in hit
    assert "bob measured by local on" in shown_text(app)


def stored_labels(sample: Workspace) -> list[tuple]:
    store = LabelStore.open(sample.store_url)
    labels = [
        (view.window_uid, view.state, view.rev, [(s.start, s.end) for s in view.spans])
        for view in store.views()
    ]
    store.close()
    return labels
