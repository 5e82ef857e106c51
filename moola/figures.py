"""Plotly figures as pure functions: data in, figure out; the same data gives the same figure.

Colours are fixed per task, so that a task looks the same on every page and in both themes. Text,
grid and background are left to the page's theme.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray
from plotly.subplots import make_subplots

from moola.diagnostics import CountdownErrors
from moola.schema import SPAN_TYPES, TASK_NAMES, TASKS, Task
from moola.silence import target_shares

TASK_COLORS: dict[Task, str] = {
    "ptr": "#3272d9",
    "binary": "#14a08c",
    "countdown": "#dd7a10",
    "type": "#9c4f96",
}
"""Told apart with every common colour blindness, and at least 3:1 on white and on the dark page."""

POINTER_BAND = (0.6, 0.8)
MUTED = "#808894"
_FAINT = "rgba(128, 136, 148, 0.45)"
LEGEND = {"orientation": "h", "y": -0.24, "yanchor": "top", "x": 0, "traceorder": "normal"}


def loss_shares(history: Sequence[Mapping[str, Any]], *, epochs: int) -> go.Figure:
    """Return the tasks' shares of the weighted loss, stacked per epoch, with the pointers' band.

    Parameters
    ----------
    history
        Epoch rows of a run; ``loss_share`` holds shares that sum to 1.
    epochs
        Planned epochs: the axis ends there, so that the distance still to go can be seen.
    """
    figure = _shares(history, "loss_share", "Loss share", epochs)
    figure.update_layout(title_subtitle_text="Pointers should end between the dashed lines")
    for edge in POINTER_BAND:
        # Two lines on top of each other stay visible on every colour and on both themes.
        figure.add_hline(edge, line={"color": "white", "width": 3}, opacity=0.85)
        figure.add_hline(edge, line={"color": "#1b2430", "width": 1.5, "dash": "dash"})
    return figure


def gradient_shares(history: Sequence[Mapping[str, Any]], *, epochs: int) -> go.Figure:
    """Return the tasks' shares of the weighted gradient on the encoder, stacked per epoch."""
    rows = [row for row in history if row.get("grad_share")]
    if history and not rows:
        note = "Not measured: the encoder is frozen,<br>so no task moves it."
        return empty("Gradient share on the encoder", note)
    figure = _shares(rows, "grad_share", "Gradient share on the encoder", epochs)
    return figure.update_layout(title_subtitle_text="Who moves the shared layers, and how much")


def raw_losses(history: Sequence[Mapping[str, Any]], *, epochs: int) -> go.Figure:
    """Return each task's unweighted loss: training as a line, validation dotted."""
    if not history:
        return empty("Raw losses", "No epoch has finished yet.")
    tasks = _tasks_of(history, "raw")
    figure = make_subplots(
        rows=2,
        cols=2,
        subplot_titles=[TASK_NAMES[task] for task in tasks],
        horizontal_spacing=0.12,
        vertical_spacing=0.2,
    )
    for place, task in enumerate(tasks):
        row, col = divmod(place, 2)
        for key, dash in (("raw", "solid"), ("val_raw", "dot")):
            line = _line(history, key, task)
            line.update(line_dash=dash, name=f"{TASK_NAMES[task]}, {_SPLIT_NAMES[key]}")
            figure.add_trace(line, row=row + 1, col=col + 1)
    figure.update_xaxes(range=_epoch_range(epochs), nticks=6)
    figure.update_yaxes(rangemode="tozero", nticks=4)
    figure.update_xaxes(title_text="epoch", row=2)
    figure.update_annotations(font_size=12)
    figure = finished(figure, "Raw losses", height=400)
    figure.update_layout(margin_t=96)
    return figure.update_layout(title_subtitle_text="Line: training. Dotted: held-out windows")


def skill(history: Sequence[Mapping[str, Any]], *, epochs: int) -> go.Figure:
    """Return 1 - validation loss / loss of the best constant, per task and epoch."""
    if not history:
        return empty("Skill", "No epoch has finished yet.")
    figure = go.Figure([_line(history, "skill", task) for task in _tasks_of(history, "skill")])
    figure.add_hline(0, line={"color": MUTED, "width": 1.2})
    figure.update_xaxes(range=_epoch_range(epochs), title_text="epoch", nticks=8)
    figure.update_yaxes(range=[-0.5, 1], title_text="skill (1 = perfect)")
    figure = finished(figure, "Skill", height=400, legend=True)
    return figure.update_layout(
        title_subtitle_text="On held-out windows. 0: no better than a constant"
    )


def confusion_matrix(counts: NDArray[np.int64]) -> go.Figure:
    """Return labelled types (rows of (3, 3) counts) against predicted ones (columns).

    The shade is the share of the row.
    """
    total = counts.astype(float)
    if not total.sum():
        return empty("Type: label against prediction", "No labelled window to compare.")
    share = total / np.maximum(total.sum(axis=1, keepdims=True), 1)
    names = list(SPAN_TYPES)
    figure = go.Figure(
        go.Heatmap(
            z=share,
            x=names,
            y=names,
            customdata=total,
            # Never opaque: the numbers have the theme's text colour, in light and in dark.
            colorscale=[[0, "rgba(50, 114, 217, 0.04)"], [1, "rgba(50, 114, 217, 0.45)"]],
            zmin=0,
            zmax=1,
            showscale=False,
            xgap=3,
            ygap=3,
            hovertemplate="labelled %{y}<br>predicted %{x}<br>%{customdata:.0f} windows"
            "<extra></extra>",
        )
    )
    for row, label in enumerate(names):
        for col, predicted in enumerate(names):
            figure.add_annotation(
                x=predicted,
                y=label,
                text=f"<b>{total[row, col]:.0f}</b><br>{share[row, col]:.0%}",
                showarrow=False,
                font={"size": 13},
            )
    figure.update_xaxes(title_text="predicted", showgrid=False)
    figure.update_yaxes(title_text="labelled", autorange="reversed", showgrid=False)
    figure = finished(figure, "Type: label against prediction", height=340)
    return figure.update_layout(title_subtitle_text="Held-out windows")


def countdown_error(errors: CountdownErrors | None) -> go.Figure:
    """Return the countdown's absolute error by distance to the labelled start, in bars."""
    title = "Countdown error by distance to the start"
    if errors is None:
        return empty(title, "No countdown predicted for a labelled window.")
    color, x = TASK_COLORS["countdown"], errors.distance_bars
    figure = go.Figure(
        [
            go.Scatter(
                x=x,
                y=errors.p90_bars,
                name="9 of 10 windows below",
                line={"color": color, "width": 1, "dash": "dot"},
                hovertemplate="%{y:.1f} bars",
            ),
            go.Scatter(
                x=x,
                y=errors.mae_bars,
                name="mean",
                customdata=errors.n_windows,
                line={"color": color, "width": 2.2},
                hovertemplate="%{y:.1f} bars, %{customdata} windows",
            ),
        ]
    )
    figure.add_hline(5, line={"color": MUTED, "dash": "dash", "width": 1})
    figure.add_vline(0, line={"color": _FAINT, "width": 1})
    figure.update_xaxes(
        title_text="bars to the labelled start (negative: after it)", autorange="reversed"
    )
    figure.update_yaxes(title_text="absolute error (bars)", rangemode="tozero")
    figure.update_layout(hovermode="x unified")
    figure = finished(figure, title, height=340, legend=True)
    return figure.update_layout(
        title_subtitle_text="Held-out windows; dashed: the target of 5 bars"
    )


_SPLIT_NAMES = {"raw": "training", "val_raw": "validation"}


def _tasks_of(history: Sequence[Mapping[str, Any]], key: str) -> list[Task]:
    """Return the tasks that the run trains, in their fixed order."""
    return [task for task in TASKS if any(task in (row.get(key) or {}) for row in history)]


def _shares(history: Sequence[Mapping[str, Any]], key: str, title: str, epochs: int) -> go.Figure:
    """Return stacked bars: unlike an area, they show the first epoch and invent nothing between."""
    if not history:
        return empty(title, "No epoch has finished yet.")
    x = [row["epoch"] for row in history]
    width = max(1, round((x[-1] - x[0]) / max(1, len(x) - 1)))
    targets = target_shares(_tasks_of(history, key))
    figure = go.Figure(
        [
            go.Bar(
                x=x,
                y=[(row.get(key) or {}).get(task) for row in history],
                name=f"{TASK_NAMES[task]} ({target:.0%})",
                width=width * (0.94 if epochs <= 30 else 1),
                marker={"color": TASK_COLORS[task], "line": {"width": 0}},
                hovertemplate="%{y:.1%}",
            )
            for task, target in targets.items()
        ]
    )
    figure.update_layout(barmode="stack", hovermode="x unified")
    figure.update_xaxes(range=_epoch_range(epochs), title_text="epoch", nticks=8)
    figure.update_yaxes(range=[0, 1], tickformat=".0%", tickvals=[0, 0.2, 0.4, 0.6, 0.8, 1])
    return finished(figure, title, height=360, legend=True)


def _line(history: Sequence[Mapping[str, Any]], key: str, task: Task) -> go.Scatter:
    return go.Scatter(
        x=[row["epoch"] for row in history],
        y=[(row.get(key) or {}).get(task) for row in history],
        name=TASK_NAMES[task],
        mode="lines+markers" if len(history) < 8 else "lines",
        line={"color": TASK_COLORS[task], "width": 2},
        hovertemplate="%{y:.3g}",
    )


def _epoch_range(epochs: int) -> list[float]:
    return [0.5, max(1, epochs) + 0.5]


def empty(title: str, note: str) -> go.Figure:
    """Return a figure of nothing but a title and why there is nothing to draw."""
    figure = go.Figure()
    figure.add_annotation(text=note, x=0.5, y=0.5, xref="paper", yref="paper", showarrow=False)
    figure.update_xaxes(visible=False)
    figure.update_yaxes(visible=False)
    return finished(figure, title, height=360)


def finished(figure: go.Figure, title: str, *, height: int, legend: bool = False) -> go.Figure:
    """Give a figure what all of them share: title, margins, legend below, no zoom."""
    figure.update_layout(
        title={"text": title, "font": {"size": 14}, "subtitle": {"font": {"size": 12}}},
        height=height,
        margin={"l": 8, "r": 8, "t": 72, "b": 8},
        showlegend=legend,
        legend=LEGEND,
        hoverlabel={"namelength": -1},
        dragmode=False,
    )
    figure.update_xaxes(automargin=True, fixedrange=True)
    figure.update_yaxes(automargin=True, fixedrange=True)
    return figure
