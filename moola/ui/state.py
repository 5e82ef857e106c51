"""What a tab remembers: ids, texts and numbers. Labels are never kept here, only in the store."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Literal
from urllib.parse import quote, unquote
from uuid import uuid4

import streamlit as st

from moola.exceptions import ConflictError, MoolaError
from moola.store import LOCAL
from moola.store.people import check_name
from moola.ui import navigation
from moola.workspace import Workspace

NoticeKind = Literal["saved", "conflict", "error"]
NAME_COOKIE = "moola_name"
COOKIE_S = 365 * 24 * 3600


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


def annotator() -> str:
    """Return who works in this tab: the name picked here, that of the last visit, or ``local``."""
    if "annotator" not in st.session_state:
        try:
            st.session_state["annotator"] = check_name(_kept_name())
        except MoolaError:
            st.session_state["annotator"] = LOCAL
    return st.session_state["annotator"]


def keep_annotator(name: str) -> None:
    """Take a name and let the browser keep it for the next visit.

    It goes into the script percent-encoded, so that nothing of it can be code.
    """
    st.session_state["annotator"] = name
    if _kept_name() != name:
        st.html(
            f"<script>document.cookie = '{NAME_COOKIE}={quote(name, safe='')}; path=/; "
            f"max-age={COOKIE_S}; samesite=strict';</script>",
            unsafe_allow_javascript=True,
        )


def _kept_name() -> str:
    kept = st.context.cookies.get(NAME_COOKIE)
    return unquote(kept) if isinstance(kept, str) else ""  # a page test has no browser
