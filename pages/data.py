"""Data: bars and labels in and out; one section at a time, so that only it is computed."""

from __future__ import annotations

import streamlit as st

from moola.ui import components, data_bars, data_export, data_labels, state

SECTIONS = {"Bars": data_bars.draw, "Labels": data_labels.draw, "Export": data_export.draw}

workspace = state.workspace()
components.heading("Data", "What is in here, and how does more get in or out?", workspace)
linked = st.query_params.get("section", "").capitalize()
section = st.segmented_control(
    "Section",
    list(SECTIONS),
    default=linked if linked in SECTIONS else "Bars",
    required=True,
    key="data_section",
    label_visibility="collapsed",
    persist_state="session",
)
with components.problems():
    SECTIONS[section or "Bars"](workspace)
