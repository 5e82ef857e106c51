"""The Fine-tune page's right side: the data of the run, its length, Start."""

from __future__ import annotations

import time
from functools import partial
from typing import Any

import streamlit as st

from moola import diagnostics, launching
from moola.collect import DataSummary
from moola.config import FinetuneConfig
from moola.exceptions import MoolaError
from moola.extras import require_extras
from moola.ui import cache, components, leak_meter, run_form, run_parts, state
from moola.workspace import Workspace

DOUBLE_CLICK_S = 3.0


def panel(workspace: Workspace, values: dict[str, Any]) -> None:
    """Draw what the chosen data holds, what leaks, and Start; a wrong option says why not."""
    if origin := st.session_state.get("finetune_source"):
        st.caption(f"Settings taken from **{origin}**.")
    st.markdown("##### Data of this run")
    may_start = False
    try:
        config = FinetuneConfig.from_dict(values)
        require_extras(config)
        source = cache.source_of(workspace, config)
        summary = cache.data_summary(source)
        _show_summary(summary)
        if summary.n_spans:
            st.caption(_estimate(config, summary))
            may_start = leak_meter.draw(source, config)
        else:
            st.info(_nothing_yet(summary), icon=":material/label:")
    except MoolaError as error:
        st.error(str(error), icon=":material/error:")
    st.text_input(
        "Name",
        key="finetune_name",
        placeholder="Name of the run (optional)",
        label_visibility="collapsed",
    )
    st.button(
        "Start fine-tuning",
        key="finetune_start",
        type="primary",
        icon=":material/play_arrow:",
        width="stretch",
        disabled=not may_start,
        on_click=partial(_start, workspace),
    )
    state.show_notice(otherwise="Training goes on when this tab, or the app, is closed.")


def _show_summary(summary: DataSummary) -> None:
    figures = {
        "Windows": (summary.n_windows, "105-bar windows to train and check on"),
        "Spans": (summary.n_spans, "labelled expansions; a window can hold several"),
        "Groups": (summary.n_groups, "windows that share bars form a group; a group is never split "
                   "between training and held-out windows"),
    }  # fmt: skip
    for column, (name, (value, help_text)) in zip(
        st.columns(3, wrap=False), figures.items(), strict=True
    ):
        column.metric(name, f"{value:,}", help=help_text)
    notes = []
    if summary.n_negatives:
        notes.append(
            f"{components.counted(summary.n_negatives, 'window')} without a span, as negative"
        )
    if summary.n_cold:
        notes.append(
            f"{components.counted(summary.n_cold, 'window')} with too few bars before: cold"
        )
    left_out = ", ".join(f"{n:,} {why.replace('_', ' ')}" for why, n in summary.left_out.items())
    notes.append(f"left out: {left_out}" if left_out else "nothing left out")
    st.caption(". ".join(note[0].upper() + note[1:] for note in notes) + ".")


def _nothing_yet(summary: DataSummary) -> str:
    """Return what to do where there is no span to learn from."""
    how = "Label some windows"
    if summary.left_out.get("proposed"):
        how += ', or train on open proposals too: "Which windows", all'
    return f"No labelled span to train on yet. {how}."


def _estimate(config: FinetuneConfig, summary: DataSummary) -> str:
    pace = diagnostics.measured_pace(run_parts.runs()[:10], device=config.device)
    n_train = summary.n_windows * (1 - config.val_fraction)  # a pace is of windows, not of spans
    seconds = pace.s_per_window * n_train * config.epochs
    duration = diagnostics.duration_text(seconds)
    return f"About **{duration}** for {config.epochs} epochs ({pace.source})."


def _start(workspace: Workspace) -> None:
    with state.reporting():
        config = FinetuneConfig.from_dict(run_form.chosen())
        require_extras(config)  # chosen after the page was last drawn
        if _is_double_click(config):
            return
        name = st.session_state.get("finetune_name") or None
        st.session_state.pop("finetune_source", None)
        run = launching.start_run(workspace, config, name=name)
        state.say(f"Started {run_parts.name_of(run)}", timed=False)


def _is_double_click(config: FinetuneConfig) -> bool:
    """Return whether the same run was started a moment ago: nobody means to train it twice."""
    before, at = st.session_state.get("finetune_started", (None, 0.0))
    now = time.monotonic()
    st.session_state["finetune_started"] = (config, now)
    return config == before and now - at < DOUBLE_CLICK_S
