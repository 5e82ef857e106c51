"""The charts and tiles of one run, which the browser keeps up to date, and the epoch clicked."""

from __future__ import annotations

from pathlib import Path

import streamlit as st
from streamlit.components.v2 import component

from moola import run_figures
from moola.history import N_TAIL, HistoryDigest
from moola.run_news import rows_of
from moola.runs import RunFolder
from moola.ui import live_figures, monitor_routes

EPOCH = "shares_epoch"
SPAN_NAMES = {live_figures.WHOLE: "whole run", live_figures.NEWEST: f"last {N_TAIL}"}

_HERE = Path(__file__).parent
_mount = component(
    "moola_run_charts",
    html='<div class="run-charts"></div>',
    css=(_HERE / "run_charts.css").read_text(encoding="utf-8"),
    js=(_HERE / "run_charts.js").read_text(encoding="utf-8"),
    isolate_styles=False,  # plotly's style sheet is the document's
)


def draw(run: RunFolder, history: HistoryDigest) -> None:
    """Mount shares side by side, then skill and raw losses, metrics, and what the strategy did."""
    key = f"shares_charts_{run.id}"

    def choose_epoch() -> None:
        if (epoch := st.session_state[key].get("epoch")) is not None:
            st.session_state[EPOCH] = int(epoch)

    _mount(
        key=key,
        data={
            "run": run.id,
            "rows": rows_of(history),
            "span": _span(history),
            "plotly": monitor_routes.PLOTLY_URL,
            "cameras": {
                name: run_figures.camera(f"{run.id}-{name}") for name in live_figures.NAMES
            },
        },
        on_epoch_change=choose_epoch,
    )


def _span(history: HistoryDigest) -> str:
    """Let the reader choose how far back the charts reach, once a run is long."""
    if history.n_rows <= N_TAIL:
        return live_figures.WHOLE
    return st.segmented_control(
        "Epochs shown", list(SPAN_NAMES), format_func=SPAN_NAMES.__getitem__,
        default=live_figures.WHOLE, key="shares_span", required=True,
        label_visibility="collapsed", persist_state="session",
    ) or live_figures.WHOLE  # fmt: skip
