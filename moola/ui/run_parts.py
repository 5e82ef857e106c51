"""What the pages show of a run: its chip, its place in a list, Stop and Resume."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import streamlit as st

from moola import diagnostics, launching
from moola.runs import RunFolder, RunState, RunStatus, list_runs
from moola.ui import components, picker, state

N_WATCHED, N_ENDED = 20, 3
SETTLE_S = 20.0


def runs() -> list[RunFolder]:
    """Return the runs of the workspace, newest first."""
    return list_runs(state.workspace().runs_dir)


@dataclass(frozen=True)
class Watch:
    """States of the newest runs, and whether they may change by themselves."""

    states: dict[str, RunState]
    is_needed: bool


def watch() -> Watch:
    """Return how the runs stand; a page that needs watching looks again every second."""
    newest = runs()[:N_WATCHED]
    for run in newest:
        launching.look_after(run)
    found = {run.id: run.status() for run in newest}
    states: dict[str, RunState] = {run_id: status.state for run_id, status in found.items()}
    return Watch(states, is_needed=any(map(may_change, found.values())))


def may_change(status: RunStatus) -> bool:
    """Return whether a run is live, or just ended without a word: a stop may yet be noted down."""
    age_s = status.heartbeat_age_s
    silent = status.state == "crashed" and age_s is not None and age_s < SETTLE_S
    return status.is_live or silent


def chip(status: RunStatus) -> str:
    """Return markdown of a run's state."""
    return components.badge(status.state, components.RUN_TONES[status.state])


def name_of(run: RunFolder) -> str:
    """Return a run's name and the time it was made, as a reader would say it."""
    made = run.created_at
    return f"{run.id[16:]} · {made:%-d %b %H:%M:%S}" if made and run.id[16:] else run.id


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

    def pick(run_id: str) -> None:
        st.session_state[key] = run_id

    picker.mount(
        list(by_id),
        lambda run_id: _as_row(by_id[run_id]),
        current=chosen,
        label="Runs",
        key=f"{key}_list",
        on_pick=pick,
        n_visible=6,
    )
    return by_id[chosen]


def _as_row(run: RunFolder) -> picker.Row:
    status = run.status()
    # A live run's epochs stand beside its figures; the list is drawn once per state.
    progress = f"epoch {status.epoch} of {status.epochs}" if not status.is_live else ""
    detail = " · ".join(filter(None, [status.state, progress if status.epochs else ""]))
    return picker.Row(run.id, name_of(run), detail, components.RUN_TONES[status.state])


def controls(run: RunFolder, status: RunStatus, *, key: str) -> None:
    """Stop for a live run, Resume for one that can continue."""
    if status.is_live:
        st.button(
            "Stop",
            key=f"{key}_stop_{run.id}",
            icon=":material/stop:",
            on_click=partial(_stop, run),
            help="Saves a checkpoint first; the run can be resumed",
        )
    elif status.state in ("stopped", "failed", "crashed"):
        st.button(
            "Resume",
            key=f"{key}_resume_{run.id}",
            icon=":material/play_arrow:",
            on_click=partial(_resume, run),
            help="Continues from the last checkpoint",
        )


def _stop(run: RunFolder) -> None:
    with state.reporting():
        launching.stop_run(run)
        state.say(f"Asked {name_of(run)} to save and stop", timed=False)


def _resume(run: RunFolder) -> None:
    with state.reporting():
        launching.resume_run(run, state.workspace())
        state.say(f"Resumed {name_of(run)}", timed=False)


def progress(run: RunFolder, status: RunStatus) -> None:
    """A bar of the epochs done, with the time left while the run trains."""
    history = run.history()
    epochs = status.epochs or 1
    done = history[-1]["epoch"] if history else 0
    text = f"Epoch {done} of {status.epochs}"
    left = diagnostics.time_left_s(history, epochs=epochs)
    if status.state == "queued":
        text = "Waiting for its turn"
    elif status.state == "running":
        text += (
            f", about {diagnostics.duration_text(left)} left"
            if left is not None
            else ", first epoch"
        )
    st.progress(min(1.0, done / epochs), text=text)


def queue(*, key: str) -> None:
    """Draw the live runs in their order and the newest others; follow them while any is live."""
    before = watch()

    @st.fragment(run_every=1.0 if before.is_needed else None)
    def body() -> None:
        found = [(run, run.status()) for run in runs()[:N_WATCHED]]
        live = [item for item in found if item[1].is_live]
        ended = [item for item in found if not item[1].is_live]
        for run, status in live[::-1] + ended[:N_ENDED]:
            _queue_row(run, status, key=key)
        if not found:
            st.caption("No run yet.")
        if before.is_needed and not watch().is_needed:
            st.rerun()  # one full run ends the timer

    body()


def _queue_row(run: RunFolder, status: RunStatus, *, key: str) -> None:
    with st.container(border=True):
        with st.container(horizontal=True, vertical_alignment="center"):
            st.page_link(
                "pages/loss_shares.py", label=f"**{name_of(run)}**", query_params={"run": run.id}
            )
            st.markdown(chip(status), width="content")
            st.space("stretch")
            controls(run, status, key=key)
        if status.is_live:
            with components.problems():
                progress(run, status)
        elif status.message:
            st.caption(status.message)
