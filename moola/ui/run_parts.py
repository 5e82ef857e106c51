"""What the pages show of a run: its chip, its name, its place in a list."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from moola.run_book import RunBook
from moola.runs import RunFolder, RunStatus
from moola.ui import cache, components, picker, state

ALL, STARRED = "all", "starred"


def book() -> RunBook:
    """Return what is known of the workspace's runs."""
    return cache.run_book(state.workspace().runs_dir)


def runs() -> list[RunFolder]:
    """Return the fine-tunings of the workspace, newest first."""
    return book().runs()


def chip(status: RunStatus) -> str:
    """Return markdown of a run's state."""
    return components.badge(status.state, components.RUN_TONES[status.state])


def name_of(run: RunFolder) -> str:
    """Return a run's title, or its name and the time it was made, as a reader would say it."""
    title = run.about().title
    made = run.created_at
    if made is None or not run.id[16:]:
        return title or run.id
    return f"{title or run.id[16:]} · {made:%-d %b %H:%M:%S}"


def choose(found: Sequence[RunFolder], *, key: str) -> RunFolder:
    """Draw the list of runs; return the chosen one: that of the address, or the newest."""
    by_id = {run.id: run for run in found}
    linked = st.query_params.get("run")
    chosen = st.session_state.get(key)
    if linked in by_id and linked != st.session_state.get(f"{key}_linked"):
        chosen = linked
    if chosen not in by_id:
        chosen = found[0].id
    st.session_state[key] = st.session_state[f"{key}_linked"] = st.query_params["run"] = chosen
    shown = _starred_first(found, chosen, key=key)

    def pick(run_id: str) -> None:
        st.session_state[key] = run_id

    picker.mount(
        [run.id for run in shown],
        lambda run_id: _as_row(by_id[run_id]),
        current=chosen,
        label="Runs",
        key=f"{key}_list",
        on_pick=pick,
        n_visible=6,
    )
    return by_id[chosen]


def _starred_first(found: Sequence[RunFolder], chosen: str, *, key: str) -> list[RunFolder]:
    """Return the runs in the list's order; once a run has a star, the others can be left out."""
    starred = {run.id for run in found if run.about().starred}
    if not starred:
        return list(found)
    kept = st.segmented_control(
        "Runs shown", [ALL, STARRED], default=ALL, key=f"{key}_stars", required=True,
        label_visibility="collapsed", persist_state="session",
    )  # fmt: skip
    rest = [run for run in found if run.id not in starred]
    if kept == STARRED:
        rest = [run for run in rest if run.id == chosen]
    return [*(run for run in found if run.id in starred), *rest]


def _as_row(run: RunFolder) -> picker.Row:
    status = book().status(run)
    unit = "fold" if book().kind(run) == "crossval" else "epoch"
    # A live run's epochs stand beside its figures; the list is drawn once per state.
    progress = f"{unit} {status.epoch} of {status.epochs}" if not status.is_live else ""
    detail = " · ".join(filter(None, [status.state, progress if status.epochs else ""]))
    star = "★ " if run.about().starred else ""
    return picker.Row(run.id, star + name_of(run), detail, components.RUN_TONES[status.state])
