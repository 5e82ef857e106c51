"""Compare: how far apart are runs, in what do they differ, and which balance serves best?"""

from __future__ import annotations

import streamlit as st

from moola.ui import compare_view, components, run_parts, state, strategies_view

RUNS, STRATEGIES = "Runs", "Strategies"

workspace = state.workspace()
components.heading("Compare", "How far apart are runs, and in what do they differ?", workspace)

view = st.segmented_control(
    "View",
    [RUNS, STRATEGIES],
    default=RUNS,
    required=True,
    key="compare_view",
    label_visibility="collapsed",
    persist_state="session",
)
if view == STRATEGIES:
    with components.problems():
        strategies_view.draw(workspace)
    st.stop()

found = run_parts.runs()
if not found:
    st.info(
        "No fine-tuning run yet. Start one on the Fine-tune page.", icon=":material/model_training:"
    )
    st.page_link("pages/finetune.py", label="Open Fine-tune", icon=":material/arrow_forward:")
    st.stop()
with components.problems():
    compare_view.draw(found)
