"""One window on the Review page: label and prediction, per span and per bar, of several runs."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import streamlit as st
from numpy.typing import NDArray

from moola.bars import tick_size
from moola.desk.overlay import RunResult
from moola.diagnostics import Curves
from moola.examples import NO_SPAN
from moola.figures_detection import RUN_COLORS
from moola.review_tables import Reading
from moola.schema import SPAN_TYPES, WINDOW_LENGTH
from moola.ui import cache, components, span_chart
from moola.ui.review.windows import OUTCOME_TONES, step
from moola.ui.span_chart import Curve, Lane, Outline, Pane
from moola.workspace import Workspace

PROBABILITY = replace(span_chart.BINARY_TARGET, name="Probability of being inside (dashed: label)")
COUNTDOWN = replace(
    span_chart.COUNTDOWN_TARGET, name="Countdown to the start, in bars (dashed: label)"
)
START = Pane(name="Posterior of the first bar (dashed: label)", kind="start", y0=0, y1=1, line=None)
END = replace(START, name="Posterior of the last bar (dashed: label)", kind="end")
DASHES = ("4 3", "9 3", "2 3")
MARKS = ("A", "B", "C")
"""Names of further runs in the chart, whose own names are too long for it."""


def draw(
    workspace: Workspace,
    result: RunResult,
    window_uid: str,
    names: Mapping[str, str],
    others: Mapping[str, RunResult],
) -> None:
    """Draw one window with label and predictions."""
    row = result.by_uid[window_uid]
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        chip = components.badge(row.error.outcome, OUTCOME_TONES[row.error.outcome])
        torn = components.badge("starts apart", "warn") if row.is_torn else ""
        st.markdown(f"**{names.get(window_uid, window_uid)}** {chip} {torn}", width="content")
        st.space("stretch")
        st.button("Previous", key="review_previous", shortcut="Left", on_click=step, args=(-1,))
        st.button("Next", key="review_next", shortcut="Right", on_click=step, args=(1,))
        open_it = st.button("Open for labelling", key="review_open", icon=":material/edit:")
    if open_it:
        st.switch_page("pages/windows.py", query_params={"window": window_uid})
    st.caption(_sentence(row))
    at = int(np.flatnonzero(result.examples.window_uid == window_uid)[0])
    place = str(result.examples.series_id[at]), int(result.examples.bar_start[at])
    known = {name: other for name, other in others.items() if window_uid in other.by_uid}
    data = _chart_data(result, row, known, times=cache.window_times(workspace, *place))
    span_chart.mount(data, key="review_chart")
    _legend(others, known)


def _legend(others: Mapping[str, RunResult], known: Mapping[str, RunResult]) -> None:
    marks = [
        f"<span style='color:{color}'>{_dash_text(dash)}</span> <b>{mark}</b> {name}"
        for (name, _), mark, color, dash in zip(
            known.items(), MARKS, RUN_COLORS, DASHES, strict=False
        )
    ]
    marks += [f"{name}: does not hold this window" for name in others if name not in known]
    if marks:
        st.markdown(f":small[{' &nbsp; · &nbsp; '.join(marks)}]", unsafe_allow_html=True)


def _dash_text(dash: str) -> str:
    return {"4 3": "╌╌", "9 3": "━ ━", "2 3": "┈┈"}[dash]


def _sentence(row: Reading) -> str:
    def span(start: int, end: int, kind: str) -> str:
        return "no span" if start == NO_SPAN else f"{start} – {end} {kind}"

    error = row.error
    label = span(error.start, error.end, error.type)
    predicted = span(error.predicted_start, error.predicted_end, error.predicted_type)
    sure = "" if math.isnan(error.confidence) else f" (confidence {error.confidence:.0%})"
    side = "held out" if error.split == "val" else "used for training"
    said = [f"Labelled **{label}**", f"predicted **{predicted}**{sure}", side]
    if len(row.starts) > 1:
        starts = ", ".join(f"{name} {start:.0f}" for name, start in row.starts.items())
        said.append(f"start by {starts}")
    return " · ".join(said)


def _chart_data(
    result: RunResult,
    row: Reading,
    others: Mapping[str, RunResult],
    *,
    times: list[int] | None,
) -> span_chart.ChartData:
    examples, error = result.examples, row.error
    at = np.flatnonzero(examples.window_uid == error.window_uid).tolist()
    spans = tuple(
        span_chart.ChartSpan(
            key=str(place),
            start=int(examples.start[place]),
            end=int(examples.end[place]),
            type=SPAN_TYPES[examples.type_id[place]],
        )
        for place in at
        if examples.has_span[place]
    )
    predicted = Outline(start=error.predicted_start, end=error.predicted_end, name="predicted")
    ohlc = examples.ohlc[at[0]]
    return span_chart.ChartData(
        id=error.window_uid,
        label="Window with its labelled and its predicted span",
        bars=span_chart.price_columns(ohlc),
        times=times,
        tick=tick_size(ohlc),
        spans=spans,
        active=next((s.key for s in spans if s.start == error.start), None),
        refs=() if predicted.start == NO_SPAN else (predicted,),
        lanes=_lanes(error.window_uid, others),
        panes=_panes(result, row, examples.inside[at[0]], others),
        hint="Filled: labelled. Dashed: predicted. Point at a bar to read its numbers.",
    )


def _lanes(uid: str, others: Mapping[str, RunResult]) -> tuple[Lane, ...]:
    """Return a lane for each further run, with its span or the word that it sees none."""
    lanes = []
    for (_, other), mark, color, dash in zip(
        others.items(), MARKS, RUN_COLORS, DASHES, strict=False
    ):
        error = other.by_uid[uid].error
        start, end = error.predicted_start, error.predicted_end
        found = () if start == NO_SPAN else (Outline(start=start, end=end, name=_sure(other, uid)),)
        lanes.append(Lane(name=mark, color=color, spans=found, note="no span", dash=dash))
    return tuple(lanes)


def _sure(result: RunResult, uid: str) -> str:
    confidence = result.by_uid[uid].error.confidence
    return "" if math.isnan(confidence) else f"{confidence:.0%} sure"


def _panes(
    result: RunResult, row: Reading, inside: NDArray[np.bool_], others: Mapping[str, RunResult]
) -> tuple[Pane, ...]:
    """Return the per-bar heads with their targets; none of a head that the run lacks."""
    error, uid = row.error, row.window_uid
    bar = np.arange(WINDOW_LENGTH)
    countdown = (error.start - bar).tolist() if error.is_labelled else None
    edges = [
        (bar == edge).astype(int).tolist() if error.is_labelled else None
        for edge in (error.start, error.end)
    ]
    wanted = (
        (PROBABILITY, "binary_prob", 4, inside.astype(int).tolist()),
        (START, "start_prob", 4, edges[0]),
        (END, "end_prob", 4, edges[1]),
        (COUNTDOWN, "countdown_bars", 2, countdown),
    )
    panes = []
    for pane, name, decimals, target in wanted:
        values = _values(result.curves[uid], name, decimals)
        if values is None:
            continue
        beside = _others(uid, name, decimals, others)
        top = _top(pane, [values, *(curve.values for curve in beside)])
        panes.append(replace(pane, values=values, target=target, others=beside, y1=top))
    return tuple(panes)


def _values(curves: Curves, name: str, decimals: int) -> list[float] | None:
    values = getattr(curves, name)
    return None if values is None else values.round(decimals).tolist()


def _others(
    uid: str, name: str, decimals: int, others: Mapping[str, RunResult]
) -> tuple[Curve, ...]:
    found = []
    for (_, other), color, dash in zip(others.items(), RUN_COLORS, DASHES, strict=False):
        values = _values(other.curves[uid], name, decimals)
        if values is not None:
            found.append(Curve(values=values, color=color, dash=dash))
    return tuple(found)


def _top(pane: Pane, curves: list) -> float:
    """Return the upper end of a pane: a posterior over 105 bars seldom comes near 1."""
    if pane.kind not in ("start", "end"):
        return pane.y1
    highest = max(max(values) for values in curves)
    return next(top for top in (0.1, 0.25, 0.5, 1.0) if highest <= top + 1e-6)
