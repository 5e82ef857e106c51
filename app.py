"""Moola's app: `make app`, or ``python -m streamlit run app.py``.

The workspace is ``MOOLA_WORKSPACE`` (default ``data``), the label store ``MOOLA_DATABASE_URL``
(default: SQLite in the workspace).

One file, two readers. ``streamlit run`` finds the assignment of ``app`` by reading the source, and
the server then *imports* this file as a module for it: the pages and, beside them, the routes
that the desk writes through and the monitor waits at. Each browser tab *runs* the file as the
script that ``App`` was given; a script is ``__main__``, as in Streamlit's own tests, and must not
make a second server.
"""

from __future__ import annotations

import os
from pathlib import Path

import streamlit as st

from moola.ui import bootstrap, components, desk_routes, monitor_routes, navigation, state
from moola.workspace import DEFAULT_WORKSPACE, Workspace

workspace = Workspace(
    Path(os.environ.get("MOOLA_WORKSPACE") or DEFAULT_WORKSPACE),
    os.environ.get("MOOLA_DATABASE_URL") or None,
    os.environ.get("MOOLA_RAY_ADDRESS") or None,
)
if __name__ != "__main__":
    routes = [*desk_routes.routes(workspace), *monitor_routes.routes(workspace)]
    app = st.App(Path(__file__).resolve(), routes=routes)
else:
    st.session_state["workspace"] = workspace
    page = navigation.declare()
    state.enter(page.title)
    with components.problems():
        bootstrap.fill_empty_workspace(workspace)
    page.run()
