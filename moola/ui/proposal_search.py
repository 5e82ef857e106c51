"""The search for expansions in unlabelled bars, with the rule of the search in words."""

from __future__ import annotations

from collections import Counter
from functools import partial

import streamlit as st

from moola import proposals, proposing
from moola.store import LabelStore
from moola.ui import cache, desk_page, state


def draw(store: LabelStore) -> None:
    """Draw the series to search and the button."""
    feeds = [series for series in store.series() if series.kind == "feed"]
    if not feeds:
        return
    n_windows = Counter(row.series_id for row in cache.window_rows(state.workspace().store_url))
    # The series with the fewest windows comes first: it has most left to look at.
    names = {
        series.series_id: desk_page.series_name(series)
        for series in sorted(feeds, key=lambda series: n_windows[series.series_id])
    }
    with st.expander("Find proposals", icon=":material/search:"):
        with st.popover("How they are found", type="tertiary"):
            st.markdown(proposals.RULE_TEXT)
        series_id = st.selectbox(
            "In series", list(names), format_func=lambda s: names[s], key="windows_propose_in"
        )
        st.button(
            "Find proposals",
            key="windows_propose",
            on_click=partial(_propose, series_id, state.new_op()),
        )
        state.show_notice()


def _propose(series_id: str, op: str) -> None:
    workspace = state.workspace()
    store = cache.store(workspace.store_url)
    with state.reporting():
        series = store.get_series(series_id)
        bars = cache.bar_store(workspace.bars_dir)
        done = proposing.propose_series(series, store, bars, op_id=op)
        state.say(f"{series.symbol}: {done}")
        st.session_state[desk_page.MODE] = "proposals"
        st.session_state[desk_page.SERIES] = series_id
