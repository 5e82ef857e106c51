"""Windows: is this span right? Decide it, move it, name it; everything is saved at once."""

from __future__ import annotations

import streamlit as st

from moola.ui import cache, components, label_bar, labelling, queue, state

workspace = state.workspace()
components.heading("Windows", "Where does the expansion start and end, and is it one?", workspace)

with components.problems():
    store = cache.store(workspace.store_url)
    if not store.series():
        components.no_windows(workspace)
        st.stop()
    with st.sidebar:
        rows = queue.filtered(store)
    view = labelling.open_window(store, [row.window_uid for row in rows])
    with st.sidebar:
        queue.draw(rows)
        queue.find_proposals(store)
    if view is None:
        st.info("No window here yet. Find proposals in the sidebar, or change the filters.")
        st.stop()
    series = store.get_series(view.series_id)
    bars = cache.window_bars(workspace, series, view.bar_start)

    label_bar.title(view, series, bars)
    label_bar.actions(view)
    state.show_notice(otherwise="Every change is saved at once.")
    labelling.draw_chart(view, bars, series, model=queue.model_span(view.window_uid))
    label_bar.details(view)
