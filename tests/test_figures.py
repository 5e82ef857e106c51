"""Figures are pure: the same rows give the same figure, and no rows give a note."""

from __future__ import annotations

from typing import Any

import numpy as np
import plotly.graph_objects as go
import pytest

from moola import figures
from moola.diagnostics import CountdownErrors
from moola.schema import TASK_NAMES, TASKS

PAGE_BACKGROUNDS = ("#ffffff", "#0f141b")


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
BY_EPOCH = (figures.loss_shares, figures.gradient_shares, figures.raw_losses, figures.skill)


def notes(figure: go.Figure) -> str:
    return " ".join(note.text for note in figure.layout.annotations)


@pytest.mark.parametrize("figure", BY_EPOCH)
def test_no_epoch_gives_an_empty_figure_with_a_note(figure) -> None:
    empty = figure([], epochs=20)
    assert not empty.data
    assert "No epoch has finished yet" in notes(empty)
    assert empty.layout.title.text


@pytest.mark.parametrize("figure", BY_EPOCH)
def test_the_same_history_gives_the_same_figure(figure) -> None:
    assert figure(HISTORY, epochs=20).to_json() == figure(HISTORY, epochs=20).to_json()


@pytest.mark.parametrize("figure", BY_EPOCH)
def test_the_axis_ends_at_the_last_planned_epoch(figure) -> None:
    assert tuple(figure(HISTORY, epochs=20).layout.xaxis.range) == (0.5, 20.5)


def test_loss_shares_are_stacked_in_task_order_and_fill_every_epoch() -> None:
    figure = figures.loss_shares(HISTORY, epochs=20)
    assert figure.layout.barmode == "stack"
    assert [bar.marker.color for bar in figure.data] == [figures.TASK_COLORS[t] for t in TASKS]
    assert np.sum([bar.y for bar in figure.data], axis=0) == pytest.approx(np.ones(len(HISTORY)))


def test_the_pointer_band_is_drawn_at_60_and_80_percent() -> None:
    heights = {shape.y0 for shape in figures.loss_shares(HISTORY, epochs=20).layout.shapes}
    assert heights == {0.6, 0.8}


def test_a_run_without_expansion_heads_shows_its_two_tasks_with_their_targets() -> None:
    history = [epoch_row(epoch, ("ptr", "type")) for epoch in (1, 2)]
    names = [bar.name for bar in figures.loss_shares(history, epochs=2).data]
    assert names == ["Pointers (88%)", "Type (13%)"]


def test_a_frozen_encoder_has_no_gradient_shares_and_the_figure_says_why() -> None:
    history = [epoch_row(epoch, grad_share=None) for epoch in (1, 2)]
    assert "encoder is frozen" in notes(figures.gradient_shares(history, epochs=5))


def test_raw_losses_show_training_and_validation_of_every_task() -> None:
    figure = figures.raw_losses(HISTORY, epochs=20)
    assert len(figure.data) == 2 * len(TASKS)
    assert {note.text for note in figure.layout.annotations} == set(TASK_NAMES.values())


def test_missing_values_of_a_row_leave_a_hole_instead_of_failing() -> None:
    rows = [epoch_row(1), epoch_row(2, skill={}, val_raw={}), epoch_row(3)]
    line = figures.skill(rows, epochs=3).data[0]
    assert line.y[1] is None


def test_confusion_matrix_prints_every_count() -> None:
    figure = figures.confusion_matrix(np.array([[5, 1, 0], [2, 8, 0], [0, 0, 0]]))
    assert "<b>8</b><br>80%" in notes(figure)
    assert figure.layout.xaxis.title.text == "predicted"


def test_confusion_matrix_of_nothing_is_a_note() -> None:
    assert "No labelled window" in notes(figures.confusion_matrix(np.zeros((3, 3), int)))


def test_countdown_error_runs_from_before_the_start_to_after_it() -> None:
    figure = figures.countdown_error(
        CountdownErrors(
            distance_bars=np.array([-1, 0, 1]),
            mae_bars=np.array([1.0, 0.5, 2.0]),
            p90_bars=np.array([2.0, 1.0, 3.0]),
            n_windows=np.array([4, 4, 4]),
        )
    )
    assert figure.layout.xaxis.autorange == "reversed"
    assert list(figure.data[1].y) == [1.0, 0.5, 2.0]


def test_countdown_error_of_nothing_is_a_note() -> None:
    assert "No countdown" in notes(figures.countdown_error(None))


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("background", PAGE_BACKGROUNDS)
def test_task_colours_stand_out_on_both_themes(task, background) -> None:
    light, dark = sorted([luminance(figures.TASK_COLORS[task]), luminance(background)])[::-1]
    assert (light + 0.05) / (dark + 0.05) >= 3


def luminance(color: str) -> float:
    """Relative luminance of WCAG 2."""
    parts = np.array([int(color[i : i + 2], 16) for i in (1, 3, 5)]) / 255
    linear = np.where(parts <= 0.04045, parts / 12.92, ((parts + 0.055) / 1.055) ** 2.4)
    return float(linear @ [0.2126, 0.7152, 0.0722])
