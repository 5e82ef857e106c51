"""The charts of one run, made once per epoch for all tabs, and the epoch that was clicked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import plotly.graph_objects as go
import streamlit as st

from moola import figures_monitor, run_figures
from moola.epoch_parts import Row
from moola.evaluate import SCORED_GOALS
from moola.figures_monitor import marks_of
from moola.history import N_TAIL, HistoryDigest
from moola.run_book import Judgement
from moola.runs import RunFolder
from moola.ui import components

N_DRAWN = 200
"""Rows in a figure at most; a browser draws them without a stutter."""
WHOLE, NEWEST = "whole run", f"last {N_TAIL}"
EPOCH = "shares_epoch"
Figures = Mapping[str, go.Figure | None]


def draw(run: RunFolder, history: HistoryDigest, judged: Judgement, *, epochs: int) -> None:
    """Draw shares side by side, then skill and raw losses, metrics, and what the strategy did."""
    drawn = _figures(run, history, judged, epochs, _span(history))
    _pair(run, drawn, "loss", "gradient")
    if not history.n_rows:
        return
    _tiles(run, history)
    _pair(run, drawn, "skill", "raw")
    _chart(run, drawn, "metrics")
    extra = [name for name in ("lr", "boosts", "sigmas") if drawn[name] is not None]
    for column, name in zip(st.columns(len(extra), gap="medium"), extra, strict=True):
        with column:
            _chart(run, drawn, name)


def _span(history: HistoryDigest) -> str:
    """Let the reader choose how far back the charts reach, once a run is long."""
    if history.n_rows <= N_TAIL:
        return WHOLE
    return st.segmented_control(
        "Epochs shown", [WHOLE, NEWEST], default=WHOLE, key="shares_span", required=True,
        label_visibility="collapsed", persist_state="session",
    ) or WHOLE  # fmt: skip


def _figures(
    run: RunFolder, history: HistoryDigest, judged: Judgement, epochs: int, span: str
) -> Figures:
    last = history.last or {}
    alerts = tuple((a.alert.task, a.alert.code, a.alert.since_epoch) for a in judged.advice)
    version = (history.n_rows, last.get("wall"), last.get("epoch"), epochs, span, alerts)
    return _made(str(run.path), version, _history=history, _judged=judged)


@st.cache_resource(max_entries=6, show_spinner=False)
def _made(
    folder: str, version: tuple[Any, ...], *, _history: HistoryDigest, _judged: Judgement
) -> Figures:
    """Return the figures of an epoch; all tabs show the same, and nobody changes them."""
    epochs, span = version[3], version[4]
    rows: Sequence[Row] = _history.evenly(N_DRAWN) if span == WHOLE else _history.newest(N_TAIL)
    marks = marks_of(_history.rows, [item.alert for item in _judged.advice])
    if span == NEWEST and rows:
        marks = [mark for mark in marks if mark.epoch >= rows[0]["epoch"]]
    shown = {"epochs": epochs, "marks": marks}
    made = {
        "loss": figures_monitor.loss_shares(rows, **shown),
        "gradient": figures_monitor.gradient_shares(rows, **shown),
        "skill": figures_monitor.skill(rows, **shown),
        "raw": figures_monitor.raw_losses(rows, **shown),
        "metrics": figures_monitor.metrics(rows, SCORED_GOALS, epochs=epochs),
        "lr": figures_monitor.learning_rate(rows, **shown),
        "boosts": figures_monitor.boosts(rows, **shown),
        "sigmas": figures_monitor.sigmas(rows, **shown),
    }
    if span == NEWEST and rows:
        for figure in made.values():
            if figure is not None:
                figure.update_xaxes(range=[rows[0]["epoch"] - 0.5, rows[-1]["epoch"] + 0.5])
    return made


def _pair(run: RunFolder, drawn: Figures, left: str, right: str) -> None:
    for column, name in zip(st.columns(2, gap="medium"), (left, right), strict=True):
        with column:
            _chart(run, drawn, name, can_choose=name != "raw")


def _chart(run: RunFolder, drawn: Figures, name: str, *, can_choose: bool = False) -> None:
    """Draw a figure; a click on an epoch of it opens the closer look."""
    figure, key = drawn[name], f"shares_{name}_{run.id}"
    if figure is None:
        return
    if not can_choose or not figure.data:
        components.chart(figure, key=key, name=f"{run.id}-{name}")
        return
    st.plotly_chart(
        figure,
        key=key,
        config=run_figures.camera(f"{run.id}-{name}"),
        on_select=partial(_choose_epoch, key),
        selection_mode="points",
    )


def _choose_epoch(key: str) -> None:
    points = st.session_state[key]["selection"]["points"]
    if points:
        st.session_state[EPOCH] = round(points[0]["x"])


def _tiles(run: RunFolder, history: HistoryDigest) -> None:
    """One tile per metric: its newest value, its interval where the run is judged, its target."""
    values: Mapping[str, Any] = (history.last or {}).get("metrics") or {}
    for column, goal in zip(st.columns(len(SCORED_GOALS)), SCORED_GOALS, strict=True):
        newest = values.get(goal.key)
        if newest is None:
            continue
        column.metric(
            goal.name,
            goal.line().show(newest),
            delta=f"target {goal.target}",
            delta_color="green" if goal.verdict(newest, newest) == "met" else "gray",
            delta_arrow="off",
            border=True,
        )
