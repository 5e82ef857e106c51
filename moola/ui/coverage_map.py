"""The coverage map as a grid to click in: months x market hours x volatility."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any, Literal

import streamlit as st
from streamlit.components.v2 import component

from moola.coverage import VOLATILITIES, Cell, Coverage
from moola.rates import Rate

Shown = Literal["looked at", "kept"]
Place = tuple[int, int, int]
_HERE = Path(__file__).parent
_mount = component(
    "moola_coverage_map",
    html='<div class="frame"><div class="coverage" role="group"></div></div>',
    css=(_HERE / "coverage_map.css").read_text(encoding="utf-8"),
    js=(_HERE / "coverage_map.js").read_text(encoding="utf-8"),
)


def mount(
    coverage: Coverage,
    *,
    shown: Shown,
    current: Place | None,
    key: str,
    on_pick: Callable[[Place], None],
) -> None:
    """Draw the map and call `on_pick` with the place of a clicked cell."""
    _mount(
        key=key,
        data={
            "months": [month_text(month) for month in coverage.months],
            "hours": list(coverage.hours),
            "volatilities": list(VOLATILITIES),
            "cells": [_as_cell(coverage, cell, place, shown) for cell, place in coverage.cells()],
            "current": {"m": current[0], "c": _column(current)} if current else None,
            "tone": shown.replace(" ", "-"),
            "label": f"Share {shown}, by month, market hours and volatility",
        },
        on_pick_change=lambda: _deliver(key, on_pick),
    )


def month_text(month: str) -> str:
    """Return a month as a reader would say it.

    >>> month_text("2022-01")
    'Jan 2022'
    """
    return f"{date.fromisoformat(f'{month}-01'):%b %Y}"


def cell_text(cell: Cell) -> str:
    """Return a cell in words."""
    return f"{month_text(cell.month)}, {cell.hours}, {cell.volatility}"


def looked_at_text(found: Rate) -> str:
    """Return how much of what could be shown in a window was looked at."""
    if not found.of:
        return "no window fits here without crossing a pause"
    return f"{found.n:,} of {found.of:,} bars looked at ({found.share:.0%})"


def kept_text(found: Rate) -> str:
    """Return how many of the decided windows were kept, with the interval."""
    if not found.of:
        return "none decided yet"
    return (
        f"{found.n:,} of {found.of:,} decided kept "
        f"({found.share:.0%}, 95 %: {found.low:.0%} – {found.high:.0%})"
    )


def _as_cell(coverage: Coverage, cell: Cell, place: Place, shown: Shown) -> dict[str, Any]:
    looked_at, kept = coverage.looked_at(place), coverage.kept(place)
    is_kept = shown == "kept"
    rate = kept if is_kept else looked_at
    text = f"{rate.n}/{rate.of}" if is_kept else f"{rate.share:.0%}"
    return {
        "m": place[0],
        "c": _column(place),
        "share": round(rate.share, 4) if rate.of else None,
        "text": text if rate.of else "–",
        "title": f"{cell_text(cell)}: {looked_at_text(looked_at)}; {kept_text(kept)}",
    }


def _column(place: Place) -> int:
    return place[1] * len(VOLATILITIES) + place[2]


def _deliver(key: str, on_pick: Callable[[Place], None]) -> None:
    event = st.session_state[key].get("pick")
    if event:
        hours, volatility = divmod(int(event["c"]), len(VOLATILITIES))
        on_pick((int(event["m"]), hours, volatility))
