"""A list to pick one thing from: windows of a queue, runs, windows of a run."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

import streamlit as st
from streamlit.components.v2 import component

Tone = Literal["good", "bad", "warn", "live", "open", "none"]
N_SHOWN = 120
"""Rows sent to the browser: a longer list is cut around the current row."""

_HERE = Path(__file__).parent
_mount = component(
    "moola_picker",
    html='<div class="picker" role="listbox" data-testid="picker"></div>',
    css=(_HERE / "picker.css").read_text(encoding="utf-8"),
    js=(_HERE / "picker.js").read_text(encoding="utf-8"),
)


@dataclass(frozen=True, slots=True)
class Row:
    """One row; the tone colours its dot."""

    id: str
    title: str
    detail: str
    tone: Tone


def mount(
    ids: Sequence[str],
    row_of: Callable[[str], Row],
    *,
    current: str | None,
    label: str,
    key: str,
    on_pick: Callable[[str], None],
    n_visible: int = 10,
) -> None:
    """Draw the list and call `on_pick` with the id of a clicked row.

    Only the rows around the current one are built and sent.
    """
    first = _first_shown(ids, current)
    shown = ids[first : first + N_SHOWN]
    _mount(
        key=key,
        data={
            "rows": [asdict(row_of(item)) for item in shown],
            "current": current,
            "label": label,
            "height": n_visible,
        },
        on_pick_change=lambda: _deliver(key, on_pick),
    )
    if len(shown) < len(ids):
        st.caption(f"Shown: {first + 1:,} – {first + len(shown):,} of {len(ids):,}")


def _first_shown(ids: Sequence[str], current: str | None) -> int:
    at = ids.index(current) if current in ids else 0
    return max(0, min(at - N_SHOWN // 2, len(ids) - N_SHOWN))


def _deliver(key: str, on_pick: Callable[[str], None]) -> None:
    event = st.session_state[key].get("pick")
    if event:
        on_pick(str(event["id"]))
