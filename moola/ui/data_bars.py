"""The Data page's bars: bring a file in, follow its import, offer what comes next."""

from __future__ import annotations

import streamlit as st

from moola.store import LabelStore
from moola.ui import bar_import, cache, components, data_series, incoming, jobs, state
from moola.workspace import Workspace

DONE, N_DONE = "data_imported", "data_n_imported"


def draw(workspace: Workspace) -> None:
    """Draw the section."""
    store = cache.store(workspace.store_url)
    with components.problems():
        _follow_imports(workspace)
    state.show_notice()
    if DONE in st.session_state:
        _say_what_was_imported(store)
    with st.container(border=True), components.problems():
        _bring_in(workspace)
    data_series.draw(workspace, store)


def _bring_in(workspace: Workspace) -> None:
    """Draw where bars can come from, and then the steps of their import."""
    n_done = st.session_state.get(N_DONE, 0)  # each import leaves empty fields behind
    with st.container(horizontal=True, vertical_alignment="center"):
        st.markdown("##### Bring bars in", width="content")
        source = st.segmented_control(
            "From",
            incoming.sources(),
            default=incoming.UPLOAD,
            required=True,
            key="data_source",
            label_visibility="collapsed",
        )
    given = _given(workspace, source, n_done)
    if given is not None:
        bar_import.draw(workspace, given)
    elif source != incoming.YAHOO:
        st.caption(
            "Exports of TradingView, NinjaTrader, MetaTrader, Databento, Binance, Dukascopy and "
            "others, or any table with time, open, high, low and close; packed ones too. Large "
            "files are read fastest by their path."
        )


def _given(workspace: Workspace, source: str | None, n_done: int) -> incoming.Incoming | None:
    if source == incoming.YAHOO:
        return incoming.fetched(workspace, key=f"data_yahoo_{n_done}")
    if source == incoming.PATH:
        path = incoming.path_on_machine(
            key=f"data_path_{n_done}", placeholder="/home/me/exports/NQ_1min.csv"
        )
    else:
        path = incoming.upload(workspace, key=f"data_upload_{n_done}")
    return None if path is None else incoming.Incoming(path=path)


def _follow_imports(workspace: Workspace) -> None:
    """Wait for an import that is under way, whichever tab began it, and keep its report."""
    prefix = bar_import.job_prefix(workspace)
    for key, job in jobs.begun(prefix).items():
        note = st.empty()
        if job.is_alive():
            note.caption("An import goes on when this page is reloaded or left.")
        try:
            report = jobs.finish(job, f"Importing {key.removeprefix(prefix)}")
        finally:
            jobs.forget(key)
        note.empty()
        st.session_state[DONE] = (report.series_ids[0], str(report))
        st.session_state[N_DONE] = st.session_state.get(N_DONE, 0) + 1


def _say_what_was_imported(store: LabelStore) -> None:
    """Tell the import's report and offer what comes next."""
    series_id, text = st.session_state[DONE]
    found = [item for item in store.series() if item.series_id == series_id]
    if not found:
        return
    with st.container(border=True):
        first, *notes = text.splitlines()
        st.markdown(f":green[:material/check_circle:] **Imported** {first}")
        for note in notes:
            st.markdown(f":small[{note}]")
        with st.container(horizontal=True, vertical_alignment="center"):
            st.markdown("**Next:**", width="content")
            data_series.cut_popover(found[0], place="next")
            data_series.propose_button(found[0], place="next")
            st.page_link("pages/windows.py", label="Label", icon=":material/candlestick_chart:")
            st.button("Done", key="data_done_close", type="tertiary", on_click=_close_report)


def _close_report() -> None:
    st.session_state.pop(DONE, None)
