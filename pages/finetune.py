"""Fine-tune: what would a run learn from, with which options, and how long will it take?"""

from __future__ import annotations

import streamlit as st

from moola.ui import (
    cache,
    components,
    cross_validation,
    finetuning,
    run_form,
    run_queue,
    state,
)

workspace = state.workspace()
components.heading("Fine-tune", "What does a run learn from, and how long will it take?", workspace)

with components.problems():
    store = cache.store(workspace.store_url)
    if not store.series():
        components.no_windows(workspace)
        st.stop()
    form, side = st.columns([3, 2], gap="large")
    with form:
        values = run_form.draw(workspace)
    with side:
        finetuning.panel(workspace, values)
        cross_validation.panel(workspace, values)
        st.markdown("##### Runs")
        run_queue.queue(key="finetune")
