"""Loss shares: does every task get its part of the training, and what does it learn?"""

from __future__ import annotations

import streamlit as st

from moola.ui import components, export_menu, run_parts, run_view, state

workspace = state.workspace()
components.heading("Loss shares", "Does every task get its part, and does it learn?", workspace)

found = run_parts.runs()
if not found:
    st.info("No run yet. Start one on the Fine-tune page.", icon=":material/model_training:")
    st.page_link("pages/finetune.py", label="Open Fine-tune", icon=":material/arrow_forward:")
    st.stop()
with st.sidebar:
    st.markdown("##### Runs")
    run = run_parts.choose(found, key="shares_run")
run_view.monitor(run)
with st.container(horizontal=True):
    export_menu.buttons(run, key="shares")
