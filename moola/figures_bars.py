"""A look at some bars: candles over the whole file, with its holes marked."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go

UP, DOWN = "#14a08c", "#d9573f"
"""At least 3:1 on white and on the dark page."""
_FAINT = "rgba(128, 136, 148, 0.55)"
MAX_SEAMS = 60
N_TICKS = 8
SHORT_S = 60 * 86_400


def candles(bars: pd.DataFrame, *, height: int = 320) -> go.Figure:
    """Return candles side by side, whatever time lies between them, with a seam at each hole.

    Parameters
    ----------
    bars
        At most some hundred rows of ``timestamp, open, high, low, close``, by time.
    """
    figure = go.Figure()
    if bars.empty:
        figure.add_annotation(text="No bar to show.", x=0.5, y=0.5, showarrow=False,
                              xref="paper", yref="paper")  # fmt: skip
        return _finished(figure, height)
    times = pd.DatetimeIndex(bars["timestamp"])
    place = np.arange(len(bars))
    figure.add_trace(
        go.Candlestick(
            x=place,
            open=bars["open"],
            high=bars["high"],
            low=bars["low"],
            close=bars["close"],
            text=times.strftime("%-d %b %Y %H:%M"),
            increasing={"line": {"color": UP, "width": 1}, "fillcolor": UP},
            decreasing={"line": {"color": DOWN, "width": 1}, "fillcolor": DOWN},
            name="",
        )
    )
    # all at once: adding lines one by one copies the layout each time
    figure.update_layout(shapes=[_seam(bar) for bar in _seams(times)])
    shown = np.unique((np.linspace(0.04, 0.96, N_TICKS) * (len(bars) - 1)).round().astype(int))
    figure.update_xaxes(
        tickvals=shown, ticktext=[_tick_text(times, i) for i in shown], rangeslider_visible=False
    )
    return _finished(figure, height)


def _seams(times: pd.DatetimeIndex) -> list[int]:
    """Return the candles after the longest holes."""
    steps = np.diff(times.as_unit("s").asi8)
    if not len(steps):
        return []
    holes = np.flatnonzero(steps > 1.5 * np.median(steps))
    longest = holes[np.argsort(-steps[holes], kind="stable")][:MAX_SEAMS]
    return sorted((longest + 1).tolist())


def _seam(bar: int) -> dict[str, Any]:
    line = {"color": _FAINT, "width": 1, "dash": "dot"}
    place = {"x0": bar - 0.5, "x1": bar - 0.5, "y0": 0, "y1": 1, "yref": "y domain"}
    return {"type": "line", "line": line, **place}


def _tick_text(times: pd.DatetimeIndex, index: int) -> str:
    seconds = times.as_unit("s").asi8
    is_short = bool(seconds[-1] - seconds[0] < SHORT_S)
    return times[[index]].strftime("%-d %b<br>%H:%M" if is_short else "%-d %b<br>%Y")[0]


def _finished(figure: go.Figure, height: int) -> go.Figure:
    figure.update_layout(
        height=height,
        margin={"l": 8, "r": 8, "t": 8, "b": 8},
        showlegend=False,
        dragmode=False,
        hovermode="x",
    )
    figure.update_xaxes(automargin=True, fixedrange=True, showgrid=False)
    return figure.update_yaxes(
        automargin=True,
        fixedrange=True,
        side="right",
        nticks=7,
        exponentformat="none",
        separatethousands=True,
    )
