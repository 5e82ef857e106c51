"""Figures of the Review page, pure as those of `moola.figures`: data in, figure out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import plotly.graph_objects as go

from moola.confidence import Abstention, Point, Reliability
from moola.figures import MUTED, TASK_COLORS, empty, finished
from moola.learning import Fit
from moola.review_tables import Bucket

BLUE, GREEN = TASK_COLORS["ptr"], TASK_COLORS["binary"]
RUN_COLORS = ("#d1459b", "#1192b8", "#9a6a3a")
"""One for each further run over the chart, in order: none of them is a task's or a candle's."""
HEIGHT = 330


def reliability(found: Reliability | None, *, title: str, stated: str, true: str) -> go.Figure:
    """Return stated probability (x) against what happened (y), with intervals.

    Parameters
    ----------
    stated, true
        What the axes count, for example "stated confidence" and "both edges within 3 bars".
    """
    if found is None:
        return empty(title, "This run states no such probability.")
    figure = go.Figure(
        [
            go.Scatter(
                x=[0, 1], y=[0, 1], mode="lines", hoverinfo="skip",
                line={"color": MUTED, "width": 1.2, "dash": "dash"},
            ),
            _points(found.points, "as stated", BLUE, hover="stated %{x:.0%}, happened %{y:.0%}"),
        ]
    )  # fmt: skip
    figure.update_xaxes(range=[0, 1.02], title_text=stated, tickformat=".0%", nticks=6)
    figure.update_yaxes(range=[0, 1.02], title_text=true, tickformat=".0%", nticks=6)
    figure = finished(figure, title, height=HEIGHT)
    return figure.update_layout(
        title_subtitle_text=f"Calibration error {found.error:.3f}; dashed: as often as stated"
    )


def risk_coverage(points: Sequence[Point], chosen: Abstention | None) -> go.Figure:
    """Return hits among the most confident windows, by how many of them are kept."""
    title = "What abstaining wins"
    if not points:
        return empty(title, "This run states no confidence.")
    figure = go.Figure(_band(points, BLUE))
    figure.add_trace(
        _points(points, "hits", BLUE, hover="of the surest %{x:.0%} hit %{y:.0%}", bars=False)
    )
    note = "From right to left: only the windows the run is surest of"
    if chosen is not None:
        figure.add_vline(chosen.coverage, line={"color": MUTED, "dash": "dash", "width": 1.2})
        note = f"Dashed: confidence {chosen.threshold:.2f}, {chosen.n} windows kept"
    figure.update_xaxes(range=[0, 1.02], title_text="windows kept", tickformat=".0%", nticks=6)
    figure.update_yaxes(
        range=[0, 1.02], title_text="both edges within 3 bars", tickformat=".0%", nticks=6
    )
    figure = finished(figure, title, height=HEIGHT)
    return figure.update_layout(title_subtitle_text=note)


def tolerance(curves: Mapping[str, Sequence[Point]], floors: Mapping[str, float]) -> go.Figure:
    """Return the share of windows found within 0..5 bars, and the best constant at 3 bars."""
    title = "Hits by tolerance"
    curves = {name: points for name, points in curves.items() if points}
    if not curves:
        return empty(title, "No labelled window to compare.")
    figure = go.Figure()
    for (name, points), color in zip(curves.items(), (BLUE, GREEN), strict=False):
        figure.add_trace(_points(points, name, color, hover=f"{name}: %{{y:.0%}}", line=True))
    for (name, share), color in zip(floors.items(), (BLUE, GREEN), strict=False):
        figure.add_trace(
            go.Scatter(
                x=[3], y=[share], name=f"best constant, {name}", mode="markers", showlegend=False,
                marker={"symbol": "x", "size": 9, "color": color},
                hovertemplate=f"best constant, {name}: %{{y:.0%}}<extra></extra>",
            )
        )  # fmt: skip
    figure.update_xaxes(title_text="tolerance (bars)", dtick=1, range=[-0.2, 5.2])
    figure.update_yaxes(range=[0, 1.02], title_text="labelled windows", tickformat=".0%", nticks=6)
    figure = finished(figure, title, height=HEIGHT, legend=True)
    return figure.update_layout(title_subtitle_text="Bars: 95% interval; ×: the best constant")


def hits_by(buckets: Sequence[Bucket], *, title: str, overall: float | None) -> go.Figure:
    """Return hits by one property of the windows, with intervals and how many there are."""
    if not buckets:
        return empty(title, "No labelled window tells.")
    points = [Point(0, item.share, item.low, item.high, item.n_windows) for item in buckets]
    names = [f"{item.name}<br>n = {item.n_windows:,}" for item in buckets]
    trace = _points(points, "hits", BLUE, hover="%{y:.0%} of %{customdata} windows")
    trace.update(x=names)
    # Hollow: too few groups of windows for an interval.
    trace.update(marker_symbol=["circle-open" if item.low is None else "circle" for item in points])
    figure = go.Figure([trace])
    if overall is not None:
        figure.add_hline(overall, line={"color": MUTED, "dash": "dash", "width": 1})
    figure.update_yaxes(range=[0, 1.02], title_text="hits", tickformat=".0%", nticks=6)
    figure = finished(figure, title, height=300)
    return figure.update_layout(
        title_subtitle_text="Dashed: all windows. Hollow: too few groups for an interval"
    )


def _points(
    points: Sequence[Point],
    name: str,
    color: str,
    *,
    hover: str,
    bars: bool = True,
    line: bool = False,
) -> go.Scatter:
    spread = None
    if bars:
        spread = {
            "type": "data",
            "symmetric": False,
            "array": [None if item.high is None else item.high - item.share for item in points],
            "arrayminus": [None if item.low is None else item.share - item.low for item in points],
            "thickness": 1.4,
            "width": 4,
        }
    return go.Scatter(
        x=[item.x for item in points],
        y=[item.share for item in points],
        name=name,
        mode="lines+markers" if line or not bars else "markers",
        line={"color": color, "width": 2},
        marker={"color": color, "size": 8 if bars else 4, "line": {"width": 1.6, "color": color}},
        error_y=spread,
        cliponaxis=False,  # a share of 0 or 1 lies on the border
        customdata=[item.n for item in points],
        hovertemplate=f"{hover}<br>n = %{{customdata:,}}<extra></extra>",
    )


def _band(points: Sequence[Point], color: str) -> list[go.Scatter]:
    """Return the interval as a shaded band behind the line."""
    known = [item for item in points if item.low is not None]
    x = [item.x for item in known]
    faint = {"width": 0, "color": color}
    return [
        go.Scatter(x=x, y=[p.high for p in known], line=faint, hoverinfo="skip", mode="lines"),
        go.Scatter(
            x=x, y=[p.low for p in known], line=faint, hoverinfo="skip", mode="lines",
            fill="tonexty", fillcolor=_tint(color, 0.15),
        ),
    ]  # fmt: skip


def _tint(color: str, alpha: float) -> str:
    red, green, blue = (int(color[at : at + 2], 16) for at in (1, 3, 5))
    return f"rgba({red}, {green}, {blue}, {alpha})"


def learning_curve(points: Sequence[Point], found: Fit | None) -> go.Figure:
    """Return hits by number of training labels, with the line that was fitted."""
    title = "Learning curve"
    if not points:
        return empty(title, "Not measured yet.")
    figure = go.Figure()
    if found is not None:
        x = np.geomspace(points[0].x, found.n_now + found.more, 40)
        figure.add_trace(
            go.Scatter(
                x=x, y=found.at(x), mode="lines", hoverinfo="skip", name="straight line in log2",
                line={"color": MUTED, "width": 1.4, "dash": "dash"},
            )
        )  # fmt: skip
    hover = "%{x:.0f} labels: %{y:.0%} of the test windows"
    figure.add_trace(_points(points, "both edges within 3 bars", BLUE, hover=hover, line=True))
    ticks = [round(item.x) for item in points]
    if found is not None:
        ticks.append(round(found.n_now + found.more))
    figure.update_xaxes(type="log", title_text="training labels", tickvals=ticks)
    figure.update_yaxes(range=[0, 1.02], title_text="hits", tickformat=".0%", nticks=6)
    figure = finished(figure, title, height=360, legend=True)
    return figure.update_layout(title_subtitle_text="Test windows of all folds; bars: 95% interval")
