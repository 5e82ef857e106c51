"""How far a person's accepts can be trusted, and how far he has come: beside the desk."""

from __future__ import annotations

import streamlit as st

from moola.agreement import FAST_S
from moola.desk.progress import Trust
from moola.ui import cache, components
from moola.workspace import Workspace

REFRESH_S = 20.0


def draw(workspace: Workspace, annotator: str) -> None:
    """Draw the trust numbers; they are read again by themselves, and nothing else with them."""

    @st.fragment(run_every=REFRESH_S)
    def body() -> None:
        with components.problems():
            _show(cache.desk(workspace).trust(annotator))

    body()


def _show(found: Trust) -> None:
    if found.n_trials:
        st.caption(
            f"Moved proposals accepted as they stood: **{found.n_caught} of {found.n_trials}**",
            help="In the queue Session some proposals are moved by 6 to 12 bars. Such an answer "
            "is no label; it says how closely the proposals are looked at.",
        )
    if found.is_hasty:
        st.warning(
            f"{found.n_hasty} of the last {found.n_accepts} accepts took less than {FAST_S:g} s: "
            "too fast to have read the bars.",
            icon=":material/speed:",
        )
