"""Review: what did a finished run get right, window by window and bar by bar?"""

from __future__ import annotations

import streamlit as st

from moola.ui import components, run_parts, state
from moola.ui.review import (
    chart,
    doubts,
    errors,
    learning,
    quality,
    success,
    takeaway,
    windows,
)
from moola.ui.review import result as results

workspace = state.workspace()
components.heading(
    "Review", "What did a run get right, window by window and bar by bar?", workspace
)

found = results.reviewable(workspace)
if not found:
    st.info("No run has finished yet, so there is nothing to review.", icon=":material/fact_check:")
    st.page_link("pages/finetune.py", label="Open Fine-tune", icon=":material/arrow_forward:")
    st.stop()
with st.sidebar:
    st.markdown("##### Runs")
    run = run_parts.choose(found, key="review_run")

with components.problems():
    success.table(workspace, run)
view = results.choose_view()
with components.problems():
    result = results.load(run)
    names = results.names_of(workspace)
    if view == results.WINDOWS:
        with st.sidebar:
            others = results.choose_others(run, found)
            window_uid = windows.choose(windows.listed(result, others), names)
            windows.disagreement_link(run, result)
        if window_uid:
            chart.draw(workspace, result, window_uid, names, others)
    elif view == results.CALIBRATION:
        quality.draw(run, result)
    elif view == results.ERRORS:
        errors.draw(workspace, result)
    elif view == results.LEARNING:
        learning.draw(workspace, run)
    elif view == results.AUDIT:
        doubts.draw(workspace, run, result, names)
    else:
        takeaway.draw(workspace, run)
