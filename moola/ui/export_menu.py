"""Downloads of a run: its history, its figures, a report that opens without the app."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import streamlit as st

from moola import report, run_exports, run_figures
from moola.runs import RunFolder
from moola.ui import run_parts


def row(runs: Sequence[RunFolder]) -> None:
    """Draw the choice of one of `runs`, and its downloads."""
    by_id = {run.id: run for run in runs}
    with st.container(horizontal=True, vertical_alignment="bottom"):
        chosen = st.selectbox(
            "Export",
            list(by_id),
            format_func=lambda run_id: run_parts.name_of(by_id[run_id]),
            key="export_run",
            width=320,
        )
        if chosen:
            buttons(by_id[chosen], key="compare")


def buttons(run: RunFolder, *, key: str) -> None:
    """Draw one button a format; a file is made when it is asked for."""
    for file_format, media_type in run_exports.FORMATS.items():
        st.download_button(
            file_format.upper() if file_format != "parquet" else "Parquet",
            partial(run_exports.write_history, run, file_format),
            f"{run.id}.{file_format}",
            media_type,
            key=f"{key}_export_{file_format}_{run.id}",
            on_click="ignore",
            icon=":material/download:",
            help="The history: one row an epoch",
        )
    with st.popover("Figures", icon=":material/image:", help="Each as an HTML file of its own"):
        for name in run_figures.names_of(run):
            st.download_button(
                name.replace("-", " ").capitalize(),
                partial(run_figures.figure_file, run, name),
                f"{run.id}-{name}.html",
                "text/html",
                key=f"{key}_export_{name}_{run.id}",
                on_click="ignore",
                type="tertiary",
                icon=":material/download:",
            )
    st.download_button(
        "Report",
        partial(report.as_html, run),
        f"{run.id}.html",
        "text/html",
        key=f"{key}_export_report_{run.id}",
        on_click="ignore",
        icon=":material/description:",
        help="Facts, alerts, figures and targets in one HTML file that needs no network",
    )
