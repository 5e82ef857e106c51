"""The monitor's figures are pure: the same rows give the same figure, and no rows a note."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import plotly.graph_objects as go
import pytest

from moola import figures, figures_monitor
from moola.alerts import Alert
from moola.criteria import SCORED_GOALS
from moola.epoch_parts import Mark, Spec
from moola.figures_monitor import marks_of
from moola.schema import TASK_NAMES, TASKS


def epoch_row(epoch: int, tasks: tuple[str, ...] = TASKS, **changes: Any) -> dict[str, Any]:
    share = dict.fromkeys(tasks, 1 / len(tasks))
    loss = dict.fromkeys(tasks, 0.5 / epoch)
    return {
        "epoch": epoch,
        "raw": loss,
        "val_raw": loss,
        "loss_share": share,
        "grad_share": share,
        "skill": dict.fromkeys(tasks, 1 - 1 / epoch),
    } | changes


HISTORY = [epoch_row(epoch) for epoch in range(1, 13)]
BY_EPOCH = (
    figures_monitor.loss_shares,
    figures_monitor.gradient_shares,
    figures_monitor.raw_losses,
    figures_monitor.skill,
)


def drawn(figure: Spec | None) -> Any:
    """Return plotly's figure, which refuses what it does not know."""
    assert figure is not None
    return go.Figure(figure)


def bare(figure: go.Figure) -> Spec:
    """Return what plotly sends to a browser, but for the template."""
    spec = json.loads(str(figure.to_json()))
    del spec["layout"]["template"]
    return spec


def notes(figure: Spec) -> str:
    return " ".join(note.text for note in drawn(figure).layout.annotations)


@pytest.mark.parametrize("figure", BY_EPOCH)
def test_no_epoch_gives_an_empty_figure_with_a_note(figure) -> None:
    empty = figure([], epochs=20)
    assert not empty["data"]
    assert "No epoch has finished yet" in notes(empty)
    assert empty["layout"]["title"]["text"]


@pytest.mark.parametrize("figure", BY_EPOCH)
def test_the_same_history_gives_the_same_figure(figure) -> None:
    assert figure(HISTORY, epochs=20) == figure(HISTORY, epochs=20)


@pytest.mark.parametrize("figure", BY_EPOCH)
def test_the_axis_ends_at_the_last_planned_epoch(figure) -> None:
    assert figure(HISTORY, epochs=20)["layout"]["xaxis"]["range"] == [0.5, 20.5]


def test_loss_shares_are_stacked_in_task_order_and_fill_every_epoch() -> None:
    figure = drawn(figures_monitor.loss_shares(HISTORY, epochs=20))
    assert figure.layout.barmode == "stack"
    assert [bar.marker.color for bar in figure.data] == [figures.TASK_COLORS[t] for t in TASKS]
    assert np.sum([bar.y for bar in figure.data], axis=0) == pytest.approx(np.ones(len(HISTORY)))


def test_a_share_is_shown_until_the_next_one_was_measured() -> None:
    probed = [row | {"grad_share": row["grad_share"] if row["epoch"] in (1, 2, 6, 10) else None}
              for row in HISTORY]  # fmt: skip
    bar = drawn(figures_monitor.gradient_shares(probed, epochs=60)).data[0]
    left = np.array(bar.x) + bar.offset
    assert left.tolist() == [0.5, 1.5, 5.5, 9.5]
    assert (left[1:] == (left + np.array(bar.width))[:-1]).all()


def test_the_pointer_band_is_drawn_at_60_and_80_percent() -> None:
    heights = {
        shape.y0 for shape in drawn(figures_monitor.loss_shares(HISTORY, epochs=20)).layout.shapes
    }
    assert heights == {0.6, 0.8}


def test_a_run_without_expansion_heads_shows_its_two_tasks_with_their_targets() -> None:
    history = [epoch_row(epoch, ("ptr", "type")) for epoch in (1, 2)]
    names = [bar["name"] for bar in figures_monitor.loss_shares(history, epochs=2)["data"]]
    assert names == ["Pointers (88%)", "Type (13%)"]


def test_a_frozen_encoder_has_no_gradient_shares_and_the_figure_says_why() -> None:
    history = [epoch_row(epoch, grad_share=None) for epoch in (1, 2)]
    assert "encoder is frozen" in notes(figures_monitor.gradient_shares(history, epochs=5))


def test_raw_losses_show_training_and_validation_of_every_task() -> None:
    figure = drawn(figures_monitor.raw_losses(HISTORY, epochs=20))
    assert len(figure.data) == 2 * len(TASKS)
    assert {note.text for note in figure.layout.annotations} == set(TASK_NAMES.values())


def test_missing_values_of_a_row_leave_a_hole_instead_of_failing() -> None:
    rows = [epoch_row(1), epoch_row(2, skill={}, val_raw={}), epoch_row(3)]
    line = figures_monitor.skill(rows, epochs=3)["data"][0]
    assert line["y"][1] is None


RESTART = {"from_run": "a", "from_epoch": 4, "balance_before": "raw"}


def alert(code: Any, task: Any, since_epoch: int, level: Any = "error") -> Alert:
    return Alert(code=code, level=level, task=task, since_epoch=since_epoch, evidence="")


@pytest.mark.parametrize(
    "figure", [*BY_EPOCH, figures_monitor.learning_rate, figures_monitor.boosts]
)
def test_plotly_knows_everything_in_the_figures(figure) -> None:
    """They are made without it, for speed, and reach the browser as it would have sent them."""
    history = [row | {"lr": 1e-3, "boost": row["raw"]} for row in HISTORY]
    made = figure(history, epochs=20, marks=[Mark(3, "restart", "#808894", "solid")])
    assert bare(drawn(made)) == made


def test_plotly_knows_everything_in_the_metrics() -> None:
    history = [
        epoch_row(epoch, metrics={"hit_at_3": 0.5}, metrics_95={"hit_at_3": [0.4, 0.6]})
        for epoch in (1, 2)
    ]
    made = figures_monitor.metrics(history, SCORED_GOALS, epochs=5)
    figure = drawn(made)
    assert bare(figure) == made
    assert [trace.fill for trace in figure.data] == [None, "tonexty", None]
    assert [shape.y0 for shape in figure.layout.shapes] == [0.6]


def test_a_restart_is_a_solid_line_and_alerts_of_one_epoch_are_one_line() -> None:
    history = [
        epoch_row(e) | {"strategy": "epoch"} | ({"restart": RESTART} if e == 5 else {})
        for e in range(1, 9)
    ]
    alerts = [
        alert("LOSS_SILENCED", "ptr", 4),
        alert("GRAD_SILENCED", "ptr", 4),
        alert("GRAD_SILENCED", "type", 6),
        alert("OVERRULED", "binary", 2, "info"),
    ]
    assert [(mark.epoch, mark.text, mark.dash) for mark in marks_of(history, alerts)] == [
        (5, "restart: raw → epoch", "solid"),
        (4, "Pointers starved", "dot"),
        (6, "Type unheard", "dot"),
    ]


def test_many_tasks_at_one_epoch_are_counted() -> None:
    alerts = [alert("GRAD_SILENCED", task, 4) for task in TASKS[1:]]
    assert marks_of([], alerts)[0].text == "3 tasks unheard"


def test_marks_stand_before_their_epoch_in_every_chart() -> None:
    marks = [Mark(4, "Type unheard", "#9c4f96")]
    for figure in BY_EPOCH:
        places = {
            shape.x0 for shape in drawn(figure(HISTORY, epochs=20, marks=marks)).layout.shapes
        }
        assert 3.5 in places


def test_the_band_is_drawn_on_the_gradient_share_too() -> None:
    heights = {
        shape.y0
        for shape in drawn(figures_monitor.gradient_shares(HISTORY, epochs=20)).layout.shapes
    }
    assert heights == {0.6, 0.8}


def test_the_guard_is_drawn_only_where_it_watched() -> None:
    assert figures_monitor.boosts(HISTORY, epochs=20) is None
    guarded = [epoch_row(epoch, boost={"ptr": 1.0, "type": 4.0}) for epoch in (1, 2)]
    figure = drawn(figures_monitor.boosts(guarded, epochs=20))
    assert [list(line.y) for line in figure.data] == [[1.0, 1.0], [4.0, 4.0]]


def test_every_raw_loss_has_a_scale_of_its_own() -> None:
    figure = figures_monitor.raw_losses(HISTORY, epochs=20)
    assert {line["yaxis"] for line in figure["data"]} == {"y", "y2", "y3", "y4"}
