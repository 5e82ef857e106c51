"""Moola's app: `make app`, or ``python -m streamlit run app.py``.

The workspace is ``MOOLA_WORKSPACE`` (default ``data``), the label store ``MOOLA_DATABASE_URL``
(default: SQLite in the workspace).
"""

from __future__ import annotations

import os
from pathlib import Path

import streamlit as st

from moola.ui import bootstrap, components, navigation, state
from moola.workspace import DEFAULT_WORKSPACE, Workspace

workspace = Workspace(
    Path(os.environ.get("MOOLA_WORKSPACE") or DEFAULT_WORKSPACE),
    os.environ.get("MOOLA_DATABASE_URL") or None,
)
st.session_state["workspace"] = workspace
page = navigation.declare()
state.enter(page.title)
with components.problems():
    bootstrap.fill_empty_workspace(workspace)
page.run()
