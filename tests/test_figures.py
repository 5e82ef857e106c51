"""Figures are pure, and nothing to draw is a note."""

from __future__ import annotations

import numpy as np
import plotly.graph_objects as go
import pytest

from moola import figures
from moola.diagnostics import CountdownErrors
from moola.schema import TASKS

PAGE_BACKGROUNDS = ("#ffffff", "#0f141b")


def notes(figure: go.Figure) -> str:
    return " ".join(note.text for note in figure.layout.annotations)


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
