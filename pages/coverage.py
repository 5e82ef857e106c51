"""Coverage: which hours, moods and months of the market have been looked at, and which not?"""

from __future__ import annotations

import streamlit as st

from moola.ui import cache, components, coverage_view, state

workspace = state.workspace()
components.heading("Coverage", "Where in the market has nobody looked yet?", workspace)

with components.problems():
    store = cache.store(workspace.store_url)
    chosen = coverage_view.choose(workspace, store)
    if chosen is None:
        components.no_windows(workspace)
        st.stop()
    found = chosen.map()
    coverage_view.headline(found, chosen)
    place = coverage_view.draw_map(found, chosen)
    left, right = st.columns([3, 2], gap="large")
    with left:
        if place is not None:
            coverage_view.draw_cell(found, chosen, place)
    with right:
        coverage_view.label_next(found)
