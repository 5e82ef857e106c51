"""What a tab remembers: ids, texts and numbers. Labels are never kept here, only in the store."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Literal
from uuid import uuid4

import streamlit as st

from moola.exceptions import ConflictError, MoolaError
from moola.ui import navigation
from moola.workspace import Workspace

NoticeKind = Literal["saved", "conflict", "error"]


def workspace() -> Workspace:
    """Return the workspace that ``app.py`` chose for this session.

    A server that has just been started takes a folder named ``pages`` for an app of the old kind:
    a tab that is still open on ``/review`` then runs that page alone. Declaring the pages ends
    that, and the next run comes through ``app.py`` to the same page.
    """
    if "workspace" not in st.session_state:
        navigation.declare()
        st.rerun()
    return st.session_state["workspace"]


def new_op() -> str:
    """Return the id of one operation: a click that arrives twice then writes once."""
    return f"app-{uuid4().hex}"


def say(text: str, kind: NoticeKind = "saved", *, timed: bool = True) -> None:
    """Leave a message for the next drawing of the page, with the time if something was saved."""
    clock = f" · {datetime.now():%H:%M:%S}" if timed and kind == "saved" else ""
    st.session_state["notice"] = (kind, text + clock)


@contextmanager
def reporting() -> Iterator[None]:
    """Turn a `MoolaError` of a callback into a message; callbacks cannot draw."""
    try:
        yield
    except ConflictError as error:
        say(str(error), "conflict")
    except MoolaError as error:
        say(str(error), "error")


def show_notice(otherwise: str = "") -> None:
    """Draw the last message in one line, so that nothing below it moves."""
    kind, text = st.session_state.get("notice", ("saved", ""))
    if kind == "conflict":
        st.warning(f"{text} Below is how it stands now.", icon=":material/sync_problem:")
    elif kind == "error":
        st.error(text, icon=":material/error:")
    elif text:
        st.markdown(f":small[:green[:material/check_circle:] {text}]")
    elif otherwise:
        st.markdown(f":small[:gray[{otherwise}]]")


def enter(page: str) -> None:
    """Note which page is shown; a message belongs to the page that it was made on."""
    if st.session_state.get("page") != page:
        clear_notice()
    st.session_state["page"] = page


def clear_notice() -> None:
    """Forget the last message."""
    st.session_state.pop("notice", None)


def current_window() -> str | None:
    """Return the id of the window shown, if one was chosen."""
    return st.session_state.get("windows_current")


def go_to(window_uid: str | None) -> None:
    """Show another window; what was active in the old one is forgotten."""
    if window_uid != current_window():
        st.session_state["windows_current"] = window_uid
        st.session_state["windows_span"] = None
        st.session_state["windows_adding"] = False


def queue() -> list[str]:
    """Return the ids of the queue as it was last drawn."""
    return st.session_state.get("windows_queue", [])


def neighbour(step: int) -> str | None:
    """Return the window `step` places on in the queue; the ends of the queue are ends."""
    ids, current = queue(), current_window()
    if current not in ids:
        return ids[0] if ids else current
    return ids[max(0, min(len(ids) - 1, ids.index(current) + step))]


def latest_rev(window_uid: str, drawn_rev: int) -> int:
    """Return the revision to write against: the drawn one, or that of this tab's own last write.

    Two actions of one click, such as leaving the note and pressing Accept, do not conflict.
    """
    own_uid, own_rev = st.session_state.get("windows_own_rev", ("", 0))
    return max(drawn_rev, own_rev) if own_uid == window_uid else drawn_rev


def wrote(window_uid: str, rev: int) -> None:
    """Remember the revision that this tab's own write made."""
    st.session_state["windows_own_rev"] = (window_uid, rev)
