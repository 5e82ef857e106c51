"""Figures of the Agreement page, pure as those of `moola.figures`: data in, figure out."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray

from moola.agreement import Bucket, Estimate, Pair
from moola.figures import MUTED, empty, finished
from moola.second_look import DECISION_NAMES

PERSON_COLORS = ("#dd7a10", "#9c4f96", "#14a08c", "#3272d9")
"""One a version, in order: told apart with every common colour blindness, on both pages.

Blue comes last, since the span that the adjudicator draws has the page's blue."""
START_COLOR, END_COLOR = "#14a08c", "#9c4f96"
F1_COLOR, KAPPA_COLOR = "#3272d9", "#dd7a10"
FAR_BARS = 8
"""Edge differences beyond this are counted in one bar at each side."""


def edge_differences(pair: Pair, *, names: Sequence[str]) -> go.Figure:
    """Return how many bars the second one's edges lie after the first one's, as counts."""
    title = "Where the edges differ"
    if not len(pair.start_diff):
        return empty(title, "No expansion was drawn by both.")
    bars = np.arange(-FAR_BARS, FAR_BARS + 1)
    total = len(pair.start_diff)
    figure = go.Figure()
    for name, diff, color in (
        ("start", pair.start_diff, START_COLOR),
        ("end", pair.end_diff, END_COLOR),
    ):
        near = np.clip(diff, -FAR_BARS, FAR_BARS)
        counts = (near[:, None] == bars).sum(axis=0)
        figure.add_trace(
            go.Bar(
                x=bars,
                y=counts,
                name=name,
                marker={"color": color, "line": {"width": 0}},
                hovertemplate=f"{name} %{{x:+d}} bars: %{{y}} of {total}<extra></extra>",
            )
        )
    figure.add_vline(0, line={"color": MUTED, "width": 1, "dash": "dot"}, layer="below")
    edge = f"{FAR_BARS}+"
    figure.update_xaxes(
        title_text=f"bars (positive: {names[1]} later than {names[0]})",
        tickvals=[-FAR_BARS, -5, -2, 0, 2, 5, FAR_BARS],
        ticktext=[f"−{edge}", "−5", "−2", "0", "+2", "+5", f"+{edge}"],
    )
    figure.update_yaxes(title_text="expansions", rangemode="tozero", nticks=5)
    figure.update_layout(barmode="group", bargap=0.15, bargroupgap=0)
    figure = finished(figure, title, height=340, legend=True)
    spans = "1 expansion" if total == 1 else f"{total:,} expansions"
    return figure.update_layout(title_subtitle_text=f"{spans} that both drew")


def decisions(table: NDArray[np.int64], *, names: Sequence[str]) -> go.Figure:
    """Return the (3, 3) counts of kept, rejected and flagged: first in rows, second in columns."""
    title = "Decision about the window"
    if not table.sum():
        return empty(title, "No window was decided by both.")
    kinds = list(DECISION_NAMES)
    share = table / table.sum()
    same = np.eye(len(kinds), dtype=bool)
    # Agreement is shaded in one hue, disagreement in another; never opaque, so that the numbers
    # keep the theme's text colour.
    shade = np.where(same, share, -share)
    limit = max(float(np.abs(shade).max()), 1e-9)
    figure = go.Figure(
        go.Heatmap(
            z=shade,
            x=kinds,
            y=kinds,
            customdata=table,
            colorscale=[
                [0, "rgba(221, 122, 16, 0.5)"],
                [0.5, "rgba(128, 136, 148, 0.06)"],
                [1, "rgba(50, 114, 217, 0.45)"],
            ],
            zmin=-limit,
            zmax=limit,
            showscale=False,
            xgap=3,
            ygap=3,
            hovertemplate=f"{names[0]}: %{{y}}<br>{names[1]}: %{{x}}<br>%{{customdata}} windows"
            "<extra></extra>",
        )
    )
    for row, first in enumerate(kinds):
        for col, second in enumerate(kinds):
            count = f"{table[row, col]:,}"
            text = f"<b>{count}</b><br>{share[row, col]:.0%}" if table[row, col] else count
            figure.add_annotation(x=second, y=first, text=text, showarrow=False, font={"size": 13})
    figure.update_xaxes(title_text=names[1], showgrid=False)
    figure.update_yaxes(title_text=names[0], autorange="reversed", showgrid=False)
    figure = finished(figure, title, height=340)
    return figure.update_layout(
        title_subtitle_text=f"{table.sum():,} windows that both decided; on the diagonal the same"
    )


def by_hours(buckets: Sequence[Bucket]) -> go.Figure:
    """Return F1 and kappa by the part of the trading day, with intervals where there are any."""
    title = "By hours of the market"
    shown = [
        bucket for bucket in buckets if np.isfinite([bucket.f1.value, bucket.kappa.value]).any()
    ]
    if not shown:
        return empty(title, "No window was decided by both.")
    labels = [f"{bucket.name}<br>n = {bucket.n_windows:,}" for bucket in shown]
    figure = go.Figure(
        [
            _dots(labels, [bucket.f1 for bucket in shown], "F1 of expansions", F1_COLOR, "circle"),
            _dots(labels, [bucket.kappa for bucket in shown], "kappa", KAPPA_COLOR, "diamond"),
        ]
    )
    figure.add_hline(0, line={"color": MUTED, "width": 1})
    values = [n for b in shown for item in (b.f1, b.kappa) for n in (item.value, item.low)]
    lowest = min(value for value in values if np.isfinite(value))
    figure.update_yaxes(title_text="1 = the same", range=[min(-0.05, lowest - 0.1), 1.05], nticks=6)
    figure.update_layout(scattermode="group", scattergap=0.6)
    figure = finished(figure, title, height=340, legend=True)
    return figure.update_layout(
        title_subtitle_text="By the exchange's clock; hollow: too few windows for an interval"
    )


def _dots(
    x: list[str], estimates: Sequence[Estimate], name: str, color: str, symbol: str
) -> go.Scatter:
    return go.Scatter(
        x=x,
        y=[_or_none(item.value) for item in estimates],
        name=name,
        mode="markers",
        marker={
            "color": color,
            "size": 10,
            "symbol": [symbol if item.has_interval else f"{symbol}-open" for item in estimates],
            "line": {"width": 2, "color": color},
        },
        error_y={
            "type": "data",
            "symmetric": False,
            "array": [_length(item.value, item.high) for item in estimates],
            "arrayminus": [_length(item.low, item.value) for item in estimates],
            "thickness": 1.5,
            "width": 4,
        },
        customdata=[
            f"{item.low:.2f} – {item.high:.2f}" if item.has_interval else "no interval"
            for item in estimates
        ],
        hovertemplate=f"{name} %{{y:.2f}} (%{{customdata}})<extra></extra>",
    )


def _length(low: float, high: float) -> float:
    return max(0.0, high - low) if np.isfinite([low, high]).all() else 0.0


def _or_none(value: float) -> float | None:
    return value if np.isfinite(value) else None
