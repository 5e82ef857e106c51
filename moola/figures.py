"""Plotly figures as pure functions: data in, figure out; the same data gives the same figure.

Colours are fixed per task, so that a task looks the same on every page and in both themes. Text,
grid and background are left to the page's theme.
"""

from __future__ import annotations

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray

from moola.diagnostics import CountdownErrors
from moola.schema import SPAN_TYPES, Task

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
AT_TOP = {"y": 1, "yref": "container", "yanchor": "top", "pad": {"t": 10}}
"""Where a title stands whatever the margin is, so that figures side by side begin alike."""


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


def empty(title: str, note: str) -> go.Figure:
    """Return a figure of nothing but a title and why there is nothing to draw."""
    figure = go.Figure()
    figure.add_annotation(text=note, x=0.5, y=0.5, xref="paper", yref="paper", showarrow=False)
    figure.update_xaxes(visible=False)
    figure.update_yaxes(visible=False)
    return finished(figure, title, height=360).update_layout(title=AT_TOP)


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
