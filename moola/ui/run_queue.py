"""The Fine-tune page's list of what trains, waits, and has just ended."""

from __future__ import annotations

import streamlit as st

from moola.run_news import news_of, pulse_of, statuses
from moola.runs import RunFolder, RunStatus
from moola.ui import components, live, run_controls, run_parts

N_ENDED = 3
REDRAW_MS = 900


def queue(*, key: str) -> None:
    """Draw the live runs in their order and the newest others; follow them while any is live."""

    @st.fragment
    def body() -> None:
        live.mount(news_of(run_parts.book()), run_id=None, key=f"{key}_live", redraw_ms=REDRAW_MS)
        found = statuses(run_parts.book())
        waiting = [item for item in found if item[1].is_live]
        ended = [item for item in found if not item[1].is_live]
        for run, status in waiting[::-1] + ended[:N_ENDED]:
            _queue_row(run, status, key=key)
        if not found:
            st.caption("No run yet.")

    body()


def _queue_row(run: RunFolder, status: RunStatus, *, key: str) -> None:
    with st.container(border=True):
        with st.container(horizontal=True, vertical_alignment="center"):
            _link(run)
            st.markdown(run_parts.chip(status), width="content")
            st.space("stretch")
            run_controls.stop_or_resume(run, status, key=key)
        if status.is_live:
            with components.problems():
                pulse = pulse_of(run_parts.book(), run, status)
                st.progress(pulse.fraction, text=pulse.text)
        elif status.message:
            st.caption(status.message)


def _link(run: RunFolder) -> None:
    """Draw the name; that of a fine-tuning leads to its shares."""
    label = f"**{run_parts.name_of(run)}**"
    kind = run_parts.book().kind(run)
    if kind == "finetune":
        st.page_link("pages/loss_shares.py", label=label, query_params={"run": run.id})
    else:
        st.markdown(f"{label} :small[:gray[{kind}]]", width="content")
