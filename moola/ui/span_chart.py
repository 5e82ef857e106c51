"""The window chart: candles, a span with draggable ends, and panes of targets or predictions.

It is an SVG component; its geometry is a pure JavaScript module that the tests run under node.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
import streamlit as st
from numpy.typing import NDArray
from streamlit.components.v2 import component

from moola.figures import TASK_COLORS

HERE = Path(__file__).parent
GEOMETRY_IMPORT = 'import * as geometry from "./span_geometry.js";\n'


def bundle() -> str:
    """Return the component's JavaScript: an inline component is one file and imports nothing."""
    geometry = (HERE / "span_geometry.js").read_text(encoding="utf-8")
    names = [line.split()[2] for line in geometry.splitlines() if line.startswith("export ")]
    exports = ", ".join(name.split("(")[0] for name in names)
    wrapped = f"{geometry.replace('export ', '')}\nreturn {{ {exports} }};"
    module = f"const geometry = (() => {{\n{wrapped}\n}})();\n"
    chart = (HERE / "span_chart.js").read_text(encoding="utf-8")
    return chart.replace(GEOMETRY_IMPORT, module)


_mount = component(
    "moola_span_chart",
    html='<div class="span-chart"></div>',
    css=(HERE / "span_chart.css").read_text(encoding="utf-8"),
    js=bundle(),
)


@dataclass(frozen=True, kw_only=True)
class ChartSpan:
    """A span on the chart; a draft is a proposal that nobody has accepted yet."""

    key: str
    start: int
    end: int
    type: str | None = None
    draft: bool = False


@dataclass(frozen=True, kw_only=True)
class Outline:
    """A dashed span that cannot be edited: a proposal or a model's span."""

    start: int
    end: int
    name: str


@dataclass(frozen=True, kw_only=True)
class Curve:
    """The same head of another run, thin and dashed beside the pane's own curve."""

    values: Sequence[float | None]
    color: str
    dash: str


@dataclass(frozen=True, kw_only=True)
class Lane:
    """What one person says of the window, in a lane above the prices; a note if he drew nothing."""

    name: str
    color: str
    spans: tuple[Outline, ...] = ()
    note: str = ""
    dash: str = "4 3"
    """Dashes of its edges through the prices, as SVG writes them."""


@dataclass(frozen=True, kw_only=True)
class Pane:
    """A strip below the candles; without `values` it shows the target of the drawn spans."""

    name: str
    kind: Literal["binary", "countdown", "start", "end"]
    y0: float
    y1: float
    line: float | None
    values: Sequence[float | None] | None = None
    target: Sequence[float] | None = None
    others: tuple[Curve, ...] = ()


BINARY_TARGET = Pane(name="Binary target", kind="binary", y0=0, y1=1, line=0.5)
COUNTDOWN_TARGET = Pane(
    name="Countdown target, bars to the start", kind="countdown", y0=-20, y1=20, line=0
)


@dataclass(frozen=True, kw_only=True)
class ChartData:
    """Everything the chart draws; `rev` and `ack` let it tell an answer from an older picture."""

    id: str
    label: str
    bars: dict[str, list[float]]
    times: list[int] | None = None
    tick: float | None = None
    spans: tuple[ChartSpan, ...] = ()
    active: str | None = None
    refs: tuple[Outline, ...] = ()
    lanes: tuple[Lane, ...] = ()
    cut: tuple[dict[str, int], ...] = ()
    panes: tuple[Pane, ...] = (BINARY_TARGET, COUNTDOWN_TARGET)
    editable: bool = False
    adding: bool = False
    hint: str | None = None
    rev: int = 0
    ack: str | None = None
    colors: dict[str, str] = field(
        default_factory=lambda: {
            "binary": TASK_COLORS["binary"],
            "countdown": TASK_COLORS["countdown"],
            "edge": TASK_COLORS["ptr"],
        }
    )


def mount(
    data: ChartData,
    *,
    key: str,
    on_edit: Callable[[dict[str, Any]], None] | None = None,
    on_pick: Callable[[dict[str, Any]], None] | None = None,
) -> None:
    """Draw the chart; the callbacks get ``{id, rev, op, key, start, end}`` and ``{id, key}``."""
    _mount(
        key=key,
        data=asdict(data),
        on_edit_change=lambda: _deliver(key, "edit", on_edit),
        on_pick_change=lambda: _deliver(key, "pick", on_pick),
    )


def _deliver(key: str, name: str, callback: Callable[[dict[str, Any]], None] | None) -> None:
    event = st.session_state[key].get(name)
    if event and callback:
        callback(event)


def price_columns(ohlc: NDArray[np.float64]) -> dict[str, list[float]]:
    """Return (T, 4) prices as the columns that the chart takes."""
    return {name: ohlc[:, i].tolist() for i, name in enumerate("ohlc")}
