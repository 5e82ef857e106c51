"""The Loss shares page: the state of a run, its shares, its verdicts."""

from __future__ import annotations

import json
from typing import Any

import psutil
import pytest

from moola import launching
from moola.config import FinetuneConfig
from moola.runs import RunFolder, RunStatus, create_run, list_runs
from moola.ui import run_parts, run_view
from moola.workspace import Workspace
from tests.pages.conftest import OpenPage, history_row, shown_text

SHARES_WITHOUT_POINTERS = {"ptr": 0.01, "binary": 0.05, "countdown": 0.93, "type": 0.01}


def write_run(workspace: Workspace, *rows: dict[str, Any], epochs: int = 10) -> RunFolder:
    run = create_run(workspace.runs_dir, FinetuneConfig(epochs=epochs), name="zz-newest")
    for row in rows:
        run.append_history(row)
    return run


def spec(app, index: int) -> dict[str, Any]:
    return json.loads(app.get("plotly_chart")[index].proto.spec)


def test_a_finished_run_shows_all_four_figures_and_five_metrics(
    open_page: OpenPage, sample: Workspace
) -> None:
    app = open_page(sample, "loss_shares")
    assert len(app.get("plotly_chart")) == 4
    assert len(app.metric) == 5
    assert "No task is silent" in shown_text(app)
    assert "in the band" in shown_text(app)


def test_the_epoch_axis_ends_at_the_planned_epochs(open_page: OpenPage, empty: Workspace) -> None:
    run = write_run(empty, history_row(1), history_row(2), epochs=10)
    run.claim("running", epoch=2)
    app = open_page(empty, "loss_shares")
    assert spec(app, 0)["layout"]["xaxis"]["range"] == [0.5, 10.5]


def test_a_running_run_shows_progress_time_left_and_stop(
    open_page: OpenPage, empty: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = write_run(empty, history_row(1), history_row(2))
    run.claim("running", epoch=2)
    app = open_page(empty, "loss_shares")
    assert "Epoch 2 of 10, about 16 s left" in app.get("progress")[0].proto.text
    stopped: list[str] = []
    monkeypatch.setattr(launching, "stop_run", lambda run: stopped.append(run.id))
    app.button(key=f"shares_stop_{run.id}").click().run()
    assert stopped == [run.id]


def test_the_same_epochs_give_the_same_figure_on_every_tick(
    open_page: OpenPage, empty: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run_view, "REDRAW_S", 0.0)
    run = write_run(empty, history_row(1))
    run.claim("running", epoch=1)
    app = open_page(empty, "loss_shares")
    first = app.get("plotly_chart")[0].proto
    run.write_status(epoch=1)  # a heartbeat
    again = app.run().get("plotly_chart")[0].proto
    assert (first.id, first.spec) == (again.id, again.spec)
    run.append_history(history_row(2))
    assert app.run().get("plotly_chart")[0].proto.spec != first.spec


def test_a_crashed_run_says_why_and_can_be_resumed(
    open_page: OpenPage, empty: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = write_run(empty, history_row(1))
    gone = max(psutil.pids()) + 100_000
    run.write_status(state="running", pid=gone, create_time=1.0, epoch=1)
    app = open_page(empty, "loss_shares")
    assert "killed from outside" in app.error[0].value
    resumed: list[str] = []
    monkeypatch.setattr(launching, "resume_run", lambda run, _workspace: resumed.append(run.id))
    app.button(key=f"shares_resume_{run.id}").click().run()
    assert resumed == [run.id]


def test_a_failed_run_shows_its_reason_and_its_log(open_page: OpenPage, empty: Workspace) -> None:
    run = write_run(empty)
    (run.path / "log.txt").write_text("reading labels\nno bars\n", encoding="utf-8")
    run.write_status(state="failed", message="The bars are gone.")
    app = open_page(empty, "loss_shares")
    assert "The bars are gone." in app.error[0].value
    assert "no bars" in shown_text(app)


def test_silent_tasks_are_named_in_words(open_page: OpenPage, empty: Workspace) -> None:
    rows = [history_row(e, loss_share=SHARES_WITHOUT_POINTERS) for e in range(1, 8)]
    run = write_run(empty, *rows)
    run.save_config(FinetuneConfig(epochs=10, balance="raw"), {})
    run.write_status(state="stopped", epoch=7)
    app = open_page(empty, "loss_shares")
    assert any("Pointers starved of loss since epoch 4" in box.value for box in app.error)
    assert any("Switch to the balance epoch" in box.value for box in app.error)
    assert "outside the band" in shown_text(app)


def test_a_frozen_encoder_has_a_note_instead_of_gradient_shares(
    open_page: OpenPage, empty: Workspace
) -> None:
    run = write_run(empty, history_row(1, grad_share=None, grad_raw=None))
    run.write_status(state="stopped", epoch=1)
    app = open_page(empty, "loss_shares")
    assert "encoder is frozen" in str(spec(app, 1)["layout"]["annotations"])


def test_the_newest_run_is_shown_unless_a_link_names_another(
    open_page: OpenPage, sample: Workspace
) -> None:
    newest = write_run(sample)
    older = next(run for run in list_runs(sample.runs_dir) if run.id != newest.id)
    app = open_page(sample, "loss_shares")
    assert app.query_params["run"] == newest.id
    app.query_params["run"] = older.id
    assert "in the band" in shown_text(app.run())


@pytest.mark.parametrize(
    ("status", "watched"),
    [
        (RunStatus("queued"), True),
        (RunStatus("running", heartbeat_age_s=1.0), True),
        (RunStatus("crashed", heartbeat_age_s=2.0), True),  # a stop may yet be noted down
        (RunStatus("crashed", heartbeat_age_s=600.0), False),
        (RunStatus("stopped", heartbeat_age_s=1.0), False),
    ],
)
def test_a_run_is_watched_until_its_state_is_final(status: RunStatus, watched: bool) -> None:
    assert run_parts.may_change(status) == watched
