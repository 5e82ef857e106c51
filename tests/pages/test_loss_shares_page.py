"""The Loss shares page: the state of a run, its shares, its verdicts."""

from __future__ import annotations

import shutil
from dataclasses import replace
from typing import Any

import psutil
import pytest
from streamlit.testing.v1 import AppTest

from moola import launching
from moola.config import FinetuneConfig
from moola.restarting import checkpoint_path
from moola.run_news import may_change
from moola.runs import RunFolder, RunStatus, create_run, list_runs
from moola.workspace import Workspace
from tests.pages.conftest import OpenPage, component_data, drawn, history_row, shown_text

SHARES_WITHOUT_POINTERS = {"ptr": 0.01, "binary": 0.05, "countdown": 0.93, "type": 0.01}
DRIFTED = {"ptr": 0.5, "binary": 0.1, "countdown": 0.1, "type": 0.3}


def write_run(workspace: Workspace, *rows: dict[str, Any], epochs: int = 10) -> RunFolder:
    run = create_run(workspace.runs_dir, FinetuneConfig(epochs=epochs), name="zz-newest")
    for row in rows:
        run.append_history(row)
    return run


def loss(app: AppTest, workspace: Workspace) -> dict[str, Any]:
    return drawn(app, workspace)["figures"]["loss"]


def test_a_finished_run_shows_its_figures_and_five_metrics(
    open_page: OpenPage, sample: Workspace
) -> None:
    app = open_page(sample, "loss_shares")
    told = drawn(app, sample)
    titles = [figure["layout"]["title"]["text"] for figure in told["figures"].values() if figure]
    assert titles == [
        "Loss share", "Gradient share on the encoder", "Skill", "Raw losses",
        "Metrics against their targets", "Learning rate",
    ]  # fmt: skip
    assert [tile["verdict"] for tile in told["tiles"]] == ["met"] * 3 + ["not met", "met"]
    assert told["share"]["is_inside"]
    assert "No task is silent" in shown_text(app)


def test_the_epoch_axis_ends_at_the_planned_epochs(open_page: OpenPage, empty: Workspace) -> None:
    run = write_run(empty, history_row(1), history_row(2), epochs=10)
    run.claim("running", epoch=2)
    app = open_page(empty, "loss_shares")
    assert loss(app, empty)["layout"]["xaxis"]["range"] == [0.5, 10.5]


def test_a_running_run_shows_progress_time_left_and_stop(
    open_page: OpenPage, empty: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = write_run(empty, history_row(1), history_row(2))
    run.claim("running", epoch=2)
    app = open_page(empty, "loss_shares")
    assert component_data(app, "pulse")["pulse"]["text"] == "Epoch 2 of 10, about 16 s left"
    stopped: list[str] = []
    monkeypatch.setattr(launching, "stop_run", lambda run: stopped.append(run.id))
    app.button(key=f"shares_stop_{run.id}").click().run()
    assert stopped == [run.id]


def test_the_same_epochs_give_the_same_figures_and_a_new_one_others(
    open_page: OpenPage, empty: Workspace
) -> None:
    run = write_run(empty, history_row(1))
    run.claim("running", epoch=1)
    app = open_page(empty, "loss_shares")
    first = drawn(app, empty)
    run.write_status(epoch=1)  # a heartbeat
    assert drawn(app, empty) == first
    run.append_history(history_row(2))
    second = drawn(app, empty)
    assert second["rows"] != first["rows"]
    assert second["figures"]["loss"]["data"][0]["x"] == [1, 2]
    assert "template" not in second["figures"]["loss"]["layout"], "the page's theme colours it"


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
    assert not drawn(app, empty)["share"]["is_inside"]


def test_a_drift_out_of_the_band_says_why_and_has_its_cure_as_a_button(
    open_page: OpenPage, empty: Workspace
) -> None:
    run = write_run(empty, *(history_row(e, loss_share=DRIFTED) for e in range(1, 8)))
    run.save_config(FinetuneConfig(epochs=10, balance="initial"), {})
    run.write_status(state="stopped", epoch=7)
    app = open_page(empty, "loss_shares")
    told = app.warning[0].value
    assert told.startswith("**Pointers and Type out of band.** Pointers: loss share 50%")
    assert "The weights were fixed before training" in told
    assert any(label.endswith("switch to the balance epoch") for label in buttons(app))
    assert "No task is silent" in shown_text(app)


def test_the_price_of_the_guard_is_told_without_a_cure(
    open_page: OpenPage, empty: Workspace
) -> None:
    boost = {"ptr": 1.0, "binary": 1.0, "countdown": 1.0, "type": 3.0}
    rows = [history_row(e, loss_share=DRIFTED, boost=boost) for e in range(1, 8)]
    run = write_run(empty, *rows)
    run.save_config(FinetuneConfig(epochs=10, guard=True), {})
    run.write_status(state="stopped", epoch=7)
    app = open_page(empty, "loss_shares")
    assert "The guard is at work: Type ×3.0; that is its price." in app.warning[0].value
    assert not any(button.key.startswith("shares_cure") for button in app.button if button.key)


def test_a_frozen_encoder_is_said_to_leave_nothing_to_balance(
    open_page: OpenPage, empty: Workspace
) -> None:
    run = write_run(empty, history_row(1, grad_share=None, grad_raw=None))
    frozen = FinetuneConfig(epochs=10, pretrained_encoder="encoder.pt", freeze_encoder=True)
    run.save_config(frozen, {})
    run.write_status(state="stopped", epoch=1)
    app = open_page(empty, "loss_shares")
    assert any("weights hardly change what is learned" in box.value for box in app.info)


def test_a_frozen_encoder_has_a_note_instead_of_gradient_shares(
    open_page: OpenPage, empty: Workspace
) -> None:
    run = write_run(empty, history_row(1, grad_share=None, grad_raw=None))
    run.write_status(state="stopped", epoch=1)
    app = open_page(empty, "loss_shares")
    gradient = drawn(app, empty)["figures"]["gradient"]
    assert "encoder is frozen" in str(gradient["layout"]["annotations"])


def test_the_newest_run_is_shown_unless_a_link_names_another(
    open_page: OpenPage, sample: Workspace
) -> None:
    newest = write_run(sample)
    older = next(run for run in list_runs(sample.runs_dir) if run.id != newest.id)
    app = open_page(sample, "loss_shares")
    assert app.query_params["run"] == newest.id
    app.query_params["run"] = older.id
    assert drawn(app.run(), sample)["share"]["is_inside"]


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
    assert may_change(status) == watched


def buttons(app: AppTest) -> dict[str, Any]:
    return {button.label: button for button in app.button}


@pytest.fixture
def launched(monkeypatch: pytest.MonkeyPatch) -> list[RunFolder]:
    """Runs whose processes were to be started, without the processes."""
    runs: list[RunFolder] = []
    monkeypatch.setattr(launching, "launch", lambda run, _workspace: runs.append(run))
    return runs


def starved(workspace: Workspace, **options: Any) -> RunFolder:
    """A stopped run whose pointers are starved since epoch 4; it keeps epochs 3 and 7."""
    rows = [history_row(e, loss_share=SHARES_WITHOUT_POINTERS) for e in range(1, 8)]
    run = write_run(workspace, *rows)
    run.save_config(FinetuneConfig(epochs=10, balance="raw", **options), {})
    run.write_status(state="stopped", epoch=7)
    for epoch in (3, 7):
        path = checkpoint_path(run, epoch)
        path.parent.mkdir(exist_ok=True)
        path.touch()
    return run


def test_the_cure_of_a_silence_is_a_button_that_restarts_before_it(
    open_page: OpenPage, empty: Workspace, launched: list[RunFolder]
) -> None:
    run = starved(empty)
    app = open_page(empty, "loss_shares")
    (label,) = [label for label in buttons(app) if label.endswith("switch to the balance epoch")]
    assert label.startswith("Restart from epoch 3")
    app = buttons(app)[label].click().run()
    (new,) = launched
    assert new.config() == replace(run.config(), balance="epoch", restart_from=f"{run.id}@3")
    assert app.query_params["run"] == new.id, "the new run is looked at"


def test_a_cure_without_a_checkpoint_starts_a_new_run(
    open_page: OpenPage, empty: Workspace, launched: list[RunFolder]
) -> None:
    run = starved(empty)
    shutil.rmtree(run.path / "checkpoints")
    app = open_page(empty, "loss_shares")
    buttons(app)["New run: switch to the balance epoch"].click().run()
    assert [new.config() for new in launched] == [replace(run.config(), balance="epoch")]


def test_the_dialog_proposes_the_epoch_before_the_silence(
    open_page: OpenPage, empty: Workspace, launched: list[RunFolder]
) -> None:
    run = starved(empty)
    app = open_page(empty, "loss_shares")
    app = app.button(key=f"shares_restart_{run.id}").click().run()
    assert app.selectbox(key="restart_epoch").value == 3
    app.selectbox(key="restart_balance").set_value("ema")
    app.number_input(key="restart_epochs").set_value(20)
    app = app.button(key="restart_start").click().run()
    assert not app.exception
    (new,) = launched
    wanted = {"balance": "ema", "epochs": 20, "restart_from": f"{run.id}@3"}
    assert new.config() == replace(run.config(), **wanted)


def test_a_dialog_that_asks_for_no_epochs_to_go_says_so(
    open_page: OpenPage, empty: Workspace
) -> None:
    run = starved(empty)
    app = open_page(empty, "loss_shares")
    app = app.button(key=f"shares_restart_{run.id}").click().run()
    app = app.number_input(key="restart_epochs").set_value(3).run()
    assert any("should go beyond epoch 3" in box.value for box in app.error)
    assert app.button(key="restart_start").disabled


def test_a_finished_run_is_restarted_for_as_long_again(
    open_page: OpenPage, empty: Workspace, launched: list[RunFolder]
) -> None:
    run = starved(empty)
    run.save_config(FinetuneConfig(epochs=7), {})
    run.write_status(state="finished")
    checkpoint_path(run, 3).unlink()
    app = open_page(empty, "loss_shares")
    app = app.button(key=f"shares_restart_{run.id}").click().run()
    app = app.button(key="restart_start").click().run()
    assert [new.config() for new in launched] == [
        replace(run.config(), epochs=14, restart_from=f"{run.id}@7")
    ]


def test_a_clone_fills_the_form_with_the_settings_of_the_run(
    open_page: OpenPage, sample: Workspace, launched: list[RunFolder]
) -> None:
    run = create_run(sample.runs_dir, FinetuneConfig(epochs=7, balance="manual", lr=1e-3, seed=3))
    run.write_status(state="stopped")
    app = open_page(sample, "loss_shares", run=run.id)
    app = app.button(key=f"shares_clone_{run.id}").click().run()
    app = app.switch_page("pages/finetune.py").run()
    assert run.id[16:] in shown_text(app)
    app = app.button(key="finetune_start").click().run()
    assert [new.config() for new in launched] == [run.config()]


def test_a_run_is_deleted_by_a_second_click_and_a_live_one_never(
    open_page: OpenPage, sample: Workspace
) -> None:
    run = write_run(sample, history_row(1))
    run.claim("running", epoch=1)
    app = open_page(sample, "loss_shares", run=run.id)
    assert app.button(key=f"shares_delete_{run.id}").disabled
    run.write_status(state="stopped")
    app = app.run()
    app = app.button(key=f"shares_delete_{run.id}").click().run()
    assert run.path.exists()
    app = app.button(key=f"shares_delete_yes_{run.id}").click().run()
    assert not app.exception
    assert not run.path.exists()
    assert (sample.runs_dir / ".trash" / run.id).exists()
    assert app.query_params["run"] != run.id


def test_a_title_stands_in_the_list_and_stars_come_first(
    open_page: OpenPage, sample: Workspace
) -> None:
    newest = write_run(sample, history_row(1))
    newest.write_status(state="stopped")
    older = next(run for run in list_runs(sample.runs_dir) if run.id != newest.id)
    app = open_page(sample, "loss_shares", run=older.id)
    app.text_input(key=f"shares_title_{older.id}").set_value("the good one")
    app.text_area(key=f"shares_note_{older.id}").set_value("keep it")
    app = app.button(key=f"shares_save_{older.id}").click().run()
    app = app.button(key=f"shares_star_{older.id}").click().run()
    rows = component_data(app, "rows", "Runs")["rows"]
    assert [row["id"] for row in rows] == [older.id, newest.id]
    assert rows[0]["title"].startswith("★ the good one")
    assert "keep it" in shown_text(app)
    app = app.segmented_control(key="shares_run_stars").set_value("starred").run()
    assert len(component_data(app, "rows", "Runs")["rows"]) == 1


def test_a_live_run_can_be_killed(
    open_page: OpenPage, empty: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = write_run(empty, history_row(1))
    run.claim("running", epoch=1)
    killed: list[str] = []
    monkeypatch.setattr(launching, "kill_run", lambda run: killed.append(run.id))
    app = open_page(empty, "loss_shares")
    app.button(key=f"shares_kill_{run.id}").click().run()
    assert killed == [run.id]


def test_a_long_run_can_be_seen_whole_or_its_newest_epochs(
    open_page: OpenPage, empty: Workspace
) -> None:
    run = write_run(empty, *(history_row(epoch) for epoch in range(1, 501)), epochs=600)
    run.write_status(state="stopped", epoch=500, epochs=600)
    app = open_page(empty, "loss_shares")
    assert len(loss(app, empty)["data"][0]["x"]) <= 201
    app = app.segmented_control(key="shares_span").set_value("newest").run()
    assert loss(app, empty)["layout"]["xaxis"]["range"] == [300.5, 500.5]


def test_a_restart_and_an_alert_are_vertical_lines(open_page: OpenPage, empty: Workspace) -> None:
    rows = [history_row(e, loss_share=SHARES_WITHOUT_POINTERS) for e in range(1, 8)]
    rows[4]["restart"] = {"from_run": "x", "from_epoch": 4, "balance_before": "ema"}
    run = write_run(empty, *rows)
    run.write_status(state="stopped", epoch=7)
    figure = loss(open_page(empty, "loss_shares"), empty)
    words = [note["text"] for note in figure["layout"]["annotations"]]
    assert words == ["restart: ema → epoch", "Pointers and Type starved"]
