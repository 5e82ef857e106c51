"""The windows as the person who works in this tab sees them."""

from __future__ import annotations

import streamlit as st

from moola.store import WindowRow
from moola.ui import cache, state
from moola.workspace import Workspace


def rows(workspace: Workspace) -> list[WindowRow]:
    """Return every window in the person's own layer; read anew only after somebody has written."""
    url = workspace.store_url
    return _rows(url, cache.store(url).version(), state.annotator())


@st.cache_resource(max_entries=8, show_spinner=False)
def _rows(url: str, version: int, annotator: str) -> list[WindowRow]:
    return cache.store(url).windows(annotator=annotator)
