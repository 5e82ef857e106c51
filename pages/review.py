"""Review: what did a finished run get right, window by window and bar by bar?"""

from __future__ import annotations

import streamlit as st

from moola.ui import components, results, run_parts, state

workspace = state.workspace()
components.heading(
    "Review", "What did a run get right, window by window and bar by bar?", workspace
)

found = results.reviewable(run_parts.runs())
if not found:
    st.info("No run has finished yet, so there is nothing to review.", icon=":material/fact_check:")
    st.page_link("pages/finetune.py", label="Open Fine-tune", icon=":material/arrow_forward:")
    st.stop()
with st.sidebar:
    st.markdown("##### Runs")
    run = run_parts.choose(found, key="review_run")

with components.problems():
    results.success_table(run)
with components.problems():
    result = results.load(run)
    names = results.names_of(workspace)
    with st.sidebar:
        window_uid = results.choose_window(results.filtered(result.errors), names)
        results.disagreement_link(run, result)
    if window_uid:
        results.window(workspace, result, window_uid, names)
    results.summary_figures(result)
