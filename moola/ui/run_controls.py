"""What can be done to a run: stop, kill, resume, restart, clone, name, star, throw away."""

from __future__ import annotations

from functools import partial

import streamlit as st

from moola import launching
from moola.discarding import discard
from moola.restarting import checkpoint_epochs
from moola.runs import RunFolder, RunStatus
from moola.ui import run_form, run_parts, state

DIALOG = "shares_dialog"
"""Which dialog is open, and for which run: ``(name, run id)``."""


def header(run: RunFolder, status: RunStatus, *, key: str) -> None:
    """Draw all controls of a run beside its name."""
    stop_or_resume(run, status, key=key)
    if status.is_live:
        st.button(
            "Kill",
            key=f"{key}_kill_{run.id}",
            icon=":material/dangerous:",
            on_click=partial(_kill, run),
            help="Ends the process at once. What it did since its last checkpoint is lost",
        )
    st.button(
        "Restart…",
        key=f"{key}_restart_{run.id}",
        icon=":material/restart_alt:",
        on_click=partial(open_dialog, "restart", run),
        disabled=status.state == "damaged" or not checkpoint_epochs(run),
        help="A new run from one of this run's epochs, under another strategy",
    )
    if status.state != "damaged" and st.button(
        "Clone…",
        key=f"{key}_clone_{run.id}",
        icon=":material/content_copy:",
        on_click=partial(_clone, run),
        help="Opens Fine-tune with this run's settings, to change some",
    ):
        st.switch_page("pages/finetune.py")
    about = run.about()
    st.button(
        "★" if about.starred else "☆",
        key=f"{key}_star_{run.id}",
        on_click=partial(_star, run, not about.starred),
        help="Take the star away" if about.starred else "Star: first in the list",
    )
    with st.popover("", icon=":material/more_horiz:", help="Name, note, delete"):
        _words(run, key=key)
        _throw_away(run, status, key=key)


def stop_or_resume(run: RunFolder, status: RunStatus, *, key: str) -> None:
    """Stop for a live run, Resume for one that can continue."""
    if status.is_live:
        st.button(
            "Stop",
            key=f"{key}_stop_{run.id}",
            icon=":material/stop:",
            on_click=partial(_stop, run),
            help="After the running batch, with a checkpoint; the run can be resumed",
        )
    elif status.state in ("stopped", "failed", "crashed"):
        st.button(
            "Resume",
            key=f"{key}_resume_{run.id}",
            icon=":material/play_arrow:",
            on_click=partial(_resume, run),
            help="Continues from the last checkpoint",
        )


def open_dialog(name: str, run: RunFolder) -> None:
    """Have a dialog drawn at the next full run of the page."""
    st.session_state[DIALOG] = (name, run.id)


def close_dialog() -> None:
    """Draw no dialog any more."""
    st.session_state.pop(DIALOG, None)


def _stop(run: RunFolder) -> None:
    with state.reporting():
        launching.stop_run(run)
        state.say(f"Asked {run_parts.name_of(run)} to save and stop", timed=False)


def _kill(run: RunFolder) -> None:
    with state.reporting():
        launching.kill_run(run)
        state.say(f"Killed {run_parts.name_of(run)}", timed=False)


def _resume(run: RunFolder) -> None:
    with state.reporting():
        launching.resume_run(run, state.workspace())
        state.say(f"Resumed {run_parts.name_of(run)}", timed=False)


def _clone(run: RunFolder) -> None:
    with state.reporting():
        run_form.prefill(run.config(), source=run_parts.name_of(run))


def _star(run: RunFolder, starred: bool) -> None:
    with state.reporting():
        run.set_about(starred=starred)


def _words(run: RunFolder, *, key: str) -> None:
    about = run.about()
    title, note = f"{key}_title_{run.id}", f"{key}_note_{run.id}"
    st.text_input("Name", about.title, key=title, max_chars=80, placeholder=run.id[16:])
    st.text_area("Note", about.note, key=note, max_chars=4000, height=100)

    def save() -> None:
        with state.reporting():
            run.set_about(title=st.session_state[title], note=st.session_state[note])
            state.say("Name and note saved")

    st.button("Save", key=f"{key}_save_{run.id}", on_click=save)


def _throw_away(run: RunFolder, status: RunStatus, *, key: str) -> None:
    """Draw Delete, which a second click confirms; the run lies in the trash afterwards."""
    asked = f"{key}_delete_asked"
    if st.session_state.get(asked) != run.id:
        st.button(
            "Delete…",
            key=f"{key}_delete_{run.id}",
            icon=":material/delete:",
            on_click=partial(st.session_state.__setitem__, asked, run.id),
            disabled=status.is_live,
            help="A live run has to be stopped first" if status.is_live else None,
        )
        return

    def delete() -> None:
        st.session_state.pop(asked, None)
        with state.reporting():
            thrown = discard(run)
            state.say(f"Deleted. Its folder lies in {thrown.path}", timed=False)

    st.markdown(f"Delete **{run_parts.name_of(run)}**? It goes to `runs/.trash`.")
    with st.container(horizontal=True):
        st.button("Delete", key=f"{key}_delete_yes_{run.id}", type="primary", on_click=delete)
        st.button(
            "Keep", key=f"{key}_delete_no_{run.id}", on_click=partial(st.session_state.pop, asked)
        )
