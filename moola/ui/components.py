"""Small shared parts of the pages: headings, chips, messages."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

import plotly.graph_objects as go
import streamlit as st

from moola.exceptions import ConflictError, ImportRefused, MoolaError
from moola.run_figures import camera
from moola.runs import RunState
from moola.ui.picker import Tone
from moola.workspace import Workspace

VERBS_TO_FILL = ("import FILE", "sample")
BadgeColor = Literal["red", "orange", "blue", "green", "violet", "gray"]

RUN_TONES: dict[RunState, Tone] = {
    "queued": "open",
    "running": "live",
    "finished": "good",
    "stopped": "none",
    "failed": "bad",
    "crashed": "bad",
    "damaged": "bad",
}
_BADGE_COLORS: dict[Tone, BadgeColor] = {
    "good": "green",
    "bad": "red",
    "warn": "orange",
    "live": "blue",
    "open": "blue",
    "none": "gray",
}


@contextmanager
def problems() -> Iterator[None]:
    """Show a `MoolaError` as one sentence; anything else is a bug and crashes loudly."""
    try:
        yield
    except ConflictError as error:
        st.warning(str(error), icon=":material/sync_problem:")
    except ImportRefused as error:
        rows = "".join(f"\n- {row}" for row in error.rows[:10])
        st.error(f"{error}{rows}", icon=":material/error:")
    except MoolaError as error:
        st.error(str(error), icon=":material/error:")


def heading(title: str, question: str, workspace: Workspace) -> None:
    """Title, the question that the page answers, and whether the data is generated."""
    note = ""
    if workspace.sample_marker.exists():
        note = " :orange-badge[generated sample data, no real market]"
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
        st.markdown(f"### {title}", anchors=False, width="content")
        st.markdown(f":small[:gray[{question}]]{note}", width="content")


def badge(text: str, tone: Tone) -> str:
    """Return markdown of a coloured chip."""
    return f":{_BADGE_COLORS[tone]}-badge[{text}]"


def no_windows(workspace: Workspace) -> None:
    """Say how windows get into an empty workspace."""
    st.info("There are no windows in this workspace yet.", icon=":material/candlestick_chart:")
    st.page_link(
        "pages/data.py", label="Bring in bars or labels on Data", icon=":material/database:"
    )
    st.markdown("Or from the command line, also for a generated sample:")
    # The interpreter that runs the app: the shell's own python lacks the packages.
    python = Path(sys.executable)
    if python.is_relative_to(Path.cwd()):
        python = python.relative_to(Path.cwd())
    verbs = (f"{python} -m moola {verb} --workspace {workspace.root}" for verb in VERBS_TO_FILL)
    st.code("\n".join(verbs), language="shell")


def counted(number: int, noun: str) -> str:
    """Return a number with its noun.

    >>> counted(1, "window"), counted(1200, "window")
    ('1 window', '1,200 windows')
    """
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def decimal(number: float) -> str:
    """Return a price or tick written out, never as a power of ten.

    >>> decimal(1e-05), decimal(0.25), decimal(5.0)
    ('0.00001', '0.25', '5')
    """
    return f"{number:.10f}".rstrip("0").rstrip(".")


def chart(figure: go.Figure, *, key: str, name: str | None = None) -> None:
    """Draw an analytical figure; an identical figure keeps its place in the browser.

    Under the pointer it shows a camera, which saves it as ``<name>.png``, by default the key's.
    """
    st.plotly_chart(figure, key=key, config=camera(name or key))


def table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table in Markdown, which is painted with the page and not after it."""
    lines = [heads, ["---"] * len(heads), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
