"""The Fine-tune page: what a run would learn from, its options, Start."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import fields
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from moola import diagnostics, extras, launching
from moola.collect import DataSummary
from moola.config import FinetuneConfig
from moola.exceptions import DeviceError
from moola.runs import create_run, list_runs
from moola.ui import finetuning, run_form, run_parts
from moola.workspace import Workspace
from tests.pages.conftest import OpenPage, shown_text


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[FinetuneConfig]:
    """Configs of the runs that were started, without the processes."""
    configs: list[FinetuneConfig] = []

    def start_run(workspace: Workspace, config: FinetuneConfig, **_options: Any) -> Any:
        configs.append(config)
        return create_run(workspace.runs_dir, config)

    monkeypatch.setattr(launching, "start_run", start_run)
    return configs


def start(app: AppTest) -> AppTest:
    app.button(key="finetune_start").click().run()
    assert not app.exception
    return app


def test_every_option_has_a_widget_with_help(open_page: OpenPage, sample: Workspace) -> None:
    app = open_page(sample, "finetune")
    app.selectbox(key="finetune_balance").set_value("manual").run()
    widgets = [*app.selectbox, *app.multiselect, *app.number_input, *app.toggle]
    drawn = {widget.key: widget for widget in widgets}
    for option in fields(FinetuneConfig):
        if option.name == "weights":
            assert "finetune_weight_ptr" in drawn
        elif option.name != "restart_from":  # an epoch of a run, not chosen in the form
            assert drawn[f"finetune_{option.name}"].help, option.name


def test_the_other_options_stand_under_what_they_are_about(
    open_page: OpenPage, sample: Workspace
) -> None:
    (more,) = (box for box in open_page(sample, "finetune").expander if box.label == "More options")
    headings = [text.value.strip("*") for text in more.markdown]
    assert headings == list(run_form.GROUPS)
    grouped = [name for names in run_form.GROUPS.values() for name in names]
    assert sorted([*grouped, *run_form.MAIN]) == sorted(run_form.OPTIONS), "each once"


def test_the_form_starts_with_the_defaults(
    open_page: OpenPage, sample: Workspace, started: list[FinetuneConfig]
) -> None:
    app = start(open_page(sample, "finetune"))
    assert started == [FinetuneConfig()]
    assert "Started" in shown_text(app)


@pytest.mark.parametrize(
    ("package", "choose", "choice"),
    [
        ("torchjd", lambda app: app.selectbox(key="finetune_balance").set_value, "upgrad"),
        ("mlflow", lambda app: app.multiselect(key="finetune_log").select, "mlflow"),
    ],
)
def test_what_needs_an_absent_package_says_so_and_cannot_be_started(
    open_page: OpenPage,
    sample: Workspace,
    started: list[FinetuneConfig],
    monkeypatch: pytest.MonkeyPatch,
    package: str,
    choose: Callable[[AppTest], Callable[[str], Any]],
    choice: str,
) -> None:
    real = extras.find_spec
    monkeypatch.setattr(extras, "find_spec", lambda name: None if name == package else real(name))
    app = open_page(sample, "finetune")
    drawn = [*app.selectbox(key="finetune_balance").options, *app.multiselect[0].options]
    assert any(text.startswith(f"{choice} (needs pip install") for text in drawn)
    assert "epoch" in drawn
    choose(app)(choice).run()
    assert f"{choice} needs" in shown_text(app)
    assert "which is not installed: pip install" in shown_text(app)
    assert app.button(key="finetune_start").disabled
    assert not started


def test_epochs_are_logged_where_the_form_says(
    open_page: OpenPage, sample: Workspace, started: list[FinetuneConfig]
) -> None:
    app = open_page(sample, "finetune")
    app.multiselect(key="finetune_log").select("tensorboard").run()
    start(app)
    assert [config.log for config in started] == [("tensorboard",)]


def test_an_option_changed_just_before_the_click_counts(
    open_page: OpenPage, sample: Workspace, started: list[FinetuneConfig]
) -> None:
    """Both reach the server at once: the page was last drawn with the old value."""
    app = open_page(sample, "finetune")
    app.number_input(key="finetune_epochs").set_value(2)
    start(app)
    assert [config.epochs for config in started] == [2]


def test_a_double_click_starts_one_run(
    open_page: OpenPage,
    sample: Workspace,
    started: list[FinetuneConfig],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("moola.ui.finetuning.DOUBLE_CLICK_S", 1e9)
    app = start(start(open_page(sample, "finetune")))
    assert len(started) == 1
    monkeypatch.setattr("moola.ui.finetuning.DOUBLE_CLICK_S", 0.0)
    start(app)
    assert len(started) == 2, "the same options again, later, are a new run"


def test_options_reach_the_run(
    open_page: OpenPage, sample: Workspace, started: list[FinetuneConfig]
) -> None:
    app = open_page(sample, "finetune")
    app.number_input(key="finetune_epochs").set_value(3)
    app.selectbox(key="finetune_balance").set_value("manual").run()
    app.number_input(key="finetune_weight_type").set_value(2.0)
    app.toggle(key="finetune_use_expansion_heads").set_value(False)
    app.selectbox(key="finetune_device").set_value("cpu").run()
    start(app)
    assert started[0] == FinetuneConfig(
        epochs=3, balance="manual", weights=(50, 1, 1, 2), use_expansion_heads=False, device="cpu"
    )


def test_the_summary_counts_windows_spans_and_groups(
    open_page: OpenPage, sample: Workspace
) -> None:
    app = open_page(sample, "finetune")
    numbers = {metric.label: metric.value for metric in app.metric}
    assert numbers["Windows"] == "174"
    assert int(numbers["Groups"]) < 174
    assert "Nothing left out" in shown_text(app)


def test_the_estimate_counts_windows_however_many_spans_they_hold(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(run_parts, "runs", lambda: [])
    config = FinetuneConfig(epochs=60, val_fraction=0.2)
    of_one, of_four = (
        DataSummary(
            n_windows=100, n_spans=n_spans, n_negatives=0, n_groups=100, n_cold=0, left_out={}
        )
        for n_spans in (100, 400)
    )
    seconds = diagnostics.DEFAULT_S_PER_WINDOW * 80 * 60
    expected = f"About **{diagnostics.duration_text(seconds)}** for 60 epochs"
    assert finetuning._estimate(config, of_one).startswith(expected)
    assert finetuning._estimate(config, of_four).startswith(expected)


def test_the_estimate_says_where_it_comes_from(open_page: OpenPage, sample: Workspace) -> None:
    assert "measured in run" in shown_text(open_page(sample, "finetune"))


def test_an_option_out_of_range_is_named_and_start_is_off(
    open_page: OpenPage, sample: Workspace
) -> None:
    app = open_page(sample, "finetune")
    app.number_input(key="finetune_epochs").set_value(0).run()
    assert "epochs should be greater than 0" in app.error[0].value
    assert app.button(key="finetune_start").disabled


def test_a_frozen_encoder_needs_a_pretrained_one(open_page: OpenPage, sample: Workspace) -> None:
    app = open_page(sample, "finetune")
    app.toggle(key="finetune_freeze_encoder").set_value(True).run()
    assert "freeze_encoder needs a pretrained_encoder" in app.error[0].value


@pytest.fixture
def encoder(sample: Workspace) -> str:
    """An encoder of the sample's run, which learned from the windows that seed 0 does not hold out.

    Its tensors do not matter here: what it has seen is told by the run's folder.
    """
    (run,) = list_runs(sample.runs_dir)
    (run.path / "best.pt").write_bytes(b"")
    return str(run.path / "best.pt")


def test_the_leak_meter_counts_none_before_an_honest_start(
    open_page: OpenPage, sample: Workspace, started: list[FinetuneConfig], encoder: str
) -> None:
    app = open_page(sample, "finetune")
    shared = "Windows that share bars with training:] :green-badge[0 of 27]"
    assert shared in shown_text(app)
    assert "the encoder has seen" not in shown_text(app), "it starts from random weights"
    app.selectbox(key="finetune_pretrained_encoder").set_value(encoder).run()
    assert shared in shown_text(app)
    assert "whose bars the encoder has seen:] :green-badge[0 of 27]" in shown_text(app)
    start(app)
    assert [config.pretrained_encoder for config in started] == [encoder]


def test_an_encoder_that_has_seen_held_out_windows_cannot_be_started(
    open_page: OpenPage, sample: Workspace, encoder: str
) -> None:
    app = open_page(sample, "finetune")
    app.selectbox(key="finetune_pretrained_encoder").set_value(encoder)
    app.number_input(key="finetune_seed").set_value(1).run()
    (count,) = re.findall(r"the encoder has seen:\] :red-badge\[(\d+) of", shown_text(app))
    assert f"Found {count} of " in app.error[0].value
    assert app.button(key="finetune_start").disabled
    app.number_input(key="finetune_seed").set_value(0).run()
    assert not app.button(key="finetune_start").disabled


def test_a_cross_validation_holds_out_what_the_encoder_has_learned_from(
    open_page: OpenPage, sample: Workspace, encoder: str
) -> None:
    app = open_page(sample, "finetune")
    app.selectbox(key="finetune_pretrained_encoder").set_value(encoder).run()
    assert "No window should be judged on bars that its encoder" in app.error[0].value
    assert app.button(key="crossval_start").disabled
    assert not app.button(key="finetune_start").disabled


def test_an_encoder_that_does_not_say_what_it_has_seen_starts_only_on_purpose(
    open_page: OpenPage, sample: Workspace
) -> None:
    foreign = sample.artifacts_dir / "foreign.pt"
    foreign.parent.mkdir(exist_ok=True)
    foreign.write_bytes(b"")
    app = open_page(sample, "finetune")
    app.selectbox(key="finetune_pretrained_encoder").set_value(str(foreign)).run()
    assert "the encoder has seen:] :orange-badge[not known]" in shown_text(app)
    assert "does not say which bars it was pretrained on" in shown_text(app)
    assert app.button(key="finetune_start").disabled
    app.checkbox[0].check().run()
    assert not app.button(key="finetune_start").disabled


def test_a_preset_sets_the_epochs(open_page: OpenPage, sample: Workspace) -> None:
    app = open_page(sample, "finetune")
    app.segmented_control(key="finetune_preset").set_value("Quick look, 5 epochs").run()
    assert app.number_input(key="finetune_epochs").value == 5


def test_a_started_run_stands_in_the_list(
    open_page: OpenPage, sample: Workspace, started: list[FinetuneConfig]
) -> None:
    app = start(open_page(sample, "finetune"))
    assert "queued" in shown_text(app)
    assert any(button.label == "Stop" for button in app.button)


def test_a_failing_device_list_does_not_stop_the_page(
    open_page: OpenPage, sample: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail() -> None:
        raise DeviceError("The devices of this machine could not be listed: a test.")

    monkeypatch.setattr(launching, "list_devices", fail)
    app = open_page(sample, "finetune").run()
    assert not app.exception
    assert "could not be listed" in shown_text(app)
    assert not app.button(key="finetune_start").disabled
