"""Windows: is this span right? Decide it, move it, name it; everything is saved at once."""

from __future__ import annotations

import streamlit as st

from moola.ui import cache, components, desk_page, proposal_search, rule_panel, state, trust_panel

workspace = state.workspace()
components.heading("Windows", "Where does the expansion start and end, and is it one?", workspace)

with components.problems():
    store = cache.store(workspace.store_url)
    if not store.series():
        components.no_windows(workspace)
        st.stop()
    desk_page.follow_link()
    with st.sidebar:
        annotator = desk_page.choose_name(store)
        asked = desk_page.choose_queue(workspace, annotator) | desk_page.choose_filters(store)
        rule_panel.draw(store, annotator)
        proposal_search.draw(store)
        trust_panel.draw(workspace, annotator)
    if not cache.window_rows(workspace.store_url):
        st.info("There are bars here, but no window yet: find proposals in the sidebar.")
        st.stop()
    window_uid = desk_page.linked_window(store, (annotator, asked))
    desk_page.mount(workspace, annotator, asked, window_uid)
