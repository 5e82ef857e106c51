"""The parts of figures over epochs: layout, axes, lines, marks, and small panels side by side.

They are plain JSON-like objects, and so are the figures made of them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import plotly.graph_objects as go

from moola import figures
from moola.figures import AT_TOP, LEGEND, MUTED, TASK_COLORS
from moola.schema import TASK_NAMES, Task

Row = Mapping[str, Any]
Spec = dict[str, Any]

DARK, LIGHT = "#1b2430", "white"
TALL, LOW = 360, 240
"""Heights of figures in pixels."""
TOP_PX = 62
"""Room for title and subtitle, which stand at the same height in every figure of the page."""
WORD_PX = 14
"""Height of a row of words between the subtitle and the panel: titles of panels, or marks."""
N_WORD_ROWS = 4
"""Words of marks stand at several heights, so that those of one do not cover the next."""
CHAR_PX, PANEL_PX = 6, 330
"""Width of a letter of the marks' words, and of the narrowest panel that they stand above."""


@dataclass(frozen=True, slots=True)
class Mark:
    """A vertical line before an epoch: a restart, or the first epoch of what an alert tells."""

    epoch: int
    text: str
    color: str
    dash: str = "dot"


class Panels:
    """Small charts side by side in one figure, each with axes of its own."""

    def __init__(self, title: str, note: str, *, height: int) -> None:
        self._layout = layout(title, note, height, legend=False)
        self._layout |= {"annotations": [], "shapes": []}
        self._data: list[Spec] = []
        self._places: list[tuple[list[float], list[float]]] = []

    def grid(
        self, titles: Sequence[str], *, n_columns: int, gap: tuple[float, float] = (0.05, 0.2)
    ) -> None:
        """Lay out one panel a title, row by row."""
        n_rows = -(-len(titles) // n_columns)
        width = (1 - gap[0] * (n_columns - 1)) / n_columns
        height = (1 - gap[1] * (n_rows - 1)) / n_rows
        for place, title in enumerate(titles):
            row, column = divmod(place, n_columns)
            x, top = column * (width + gap[0]), 1 - row * (height + gap[1])
            self._places.append(([x, x + width], [max(0.0, top - height), top]))
            words = {"text": title, "x": x + width / 2, "y": top, "xanchor": "center"}
            style = {"xref": "paper", "yref": "paper", "yanchor": "bottom", "showarrow": False}
            self._layout["annotations"].append({**words, **style, "font": {"size": 12}})

    def add(self, place: int, trace: Spec) -> None:
        """Draw `trace` in a panel."""
        suffix = _suffix(place)
        self._data.append(trace | {"xaxis": f"x{suffix}", "yaxis": f"y{suffix}"})

    def axes(self, place: int, x: Spec, y: Spec) -> None:
        """Give a panel its axes; only those of the lowest row say what x is."""
        suffix, (across, up) = _suffix(place), self._places[place]
        title = x.pop("title")
        if up[0] == 0:
            x["title"] = title
        self._layout[f"xaxis{suffix}"] = x | {"domain": across, "anchor": f"y{suffix}"}
        self._layout[f"yaxis{suffix}"] = y | {"domain": up, "anchor": f"x{suffix}"}

    def shapes(self, place: int, marks: Sequence[Mark]) -> None:
        """Draw vertical marks in a panel."""
        suffix = _suffix(place)
        self._layout["shapes"] += [
            shape | {"xref": f"x{suffix}", "yref": f"y{suffix} domain"} for shape in vertical(marks)
        ]

    def level(self, place: int, value: float) -> None:
        """Draw a dashed horizontal line in a panel."""
        suffix = _suffix(place)
        shape = level(value, MUTED, width=1.5, dash="dash")
        self._layout["shapes"].append(shape | {"xref": f"x{suffix} domain", "yref": f"y{suffix}"})

    def figure(self) -> Spec:
        """Return all panels as one figure."""
        self._layout["margin"]["t"] += WORD_PX
        return figure(self._data, self._layout)


def _suffix(place: int) -> str:
    return str(place + 1) if place else ""


def figure(data: list[Spec], layout: Spec) -> Spec:
    """Return a figure of traces and a layout."""
    return {"data": data, "layout": layout}


def empty(title: str, note: str) -> Spec:
    """Return a figure of nothing but a title and why there is nothing to draw."""
    spec = figures.empty(title, note).to_dict()
    del spec["layout"]["template"]
    return spec


def drawn(figure: Spec) -> go.Figure:
    """Return plotly's figure of a plain one, unchecked."""
    return go.Figure(figure, _validate=False)


def limit_epochs(figure: Spec, limits: list[float]) -> None:
    """Show the epochs between two limits only, in every panel."""
    for name, axis in figure["layout"].items():
        if name.startswith("xaxis"):
            axis["range"] = limits


def layout(title: str, note: str, height: int, *, legend: bool = True) -> Spec:
    """Return the layout that all figures of epochs share; the height is in pixels."""
    return {
        "title": {
            "text": title,
            "font": {"size": 14},
            "subtitle": {"text": note, "font": {"size": 12}},
            **AT_TOP,
        },
        "height": height,
        "margin": {"l": 8, "r": 8, "t": TOP_PX, "b": 8},
        "showlegend": legend,
        # Its distance is a part of the panel's height; below a low one it needs a larger part.
        "legend": LEGEND | {"y": -0.24 * TALL / height},
        "hoverlabel": {"namelength": -1},
        "hovermode": "x unified",
        "dragmode": False,
    }


def axis(**values: Any) -> Spec:
    """Return an axis that cannot be zoomed, with room for its labels."""
    return {"automargin": True, "fixedrange": True, **values}


def epoch_axis(epochs: int, *, n_ticks: int = 8) -> Spec:
    """Return the axis of a run's planned epochs, whole: the distance still to go can be seen."""
    limits = [0.5, max(1, epochs) + 0.5]
    return axis(range=limits, title={"text": "epoch"}, nticks=n_ticks)


def line(history: Sequence[Row], key: str, task: Task) -> Spec:
    """Return one task's line of the values that rows hold under a key, with holes where none."""
    return {
        "type": "scatter",
        "x": [row["epoch"] for row in history],
        "y": [(row.get(key) or {}).get(task) for row in history],
        "name": TASK_NAMES[task],
        "mode": "lines+markers" if len(history) < 8 else "lines",
        "line": {"color": TASK_COLORS[task], "width": 2},
        "hovertemplate": "%{y:.3g}",
    }


def level(
    value: float, color: str, *, width: float = 1.2, dash: str = "solid", opacity: float = 1
) -> Spec:
    """Return a horizontal line across the whole panel."""
    place = {"type": "line", "x0": 0, "x1": 1, "y0": value, "y1": value, "xref": "x domain"}
    return {**place, "line": {"color": color, "width": width, "dash": dash}, "opacity": opacity}


def vertical(marks: Sequence[Mark], *, halo: bool = False) -> list[Spec]:
    """Return a line before the epoch of each mark; a halo keeps it visible on filled bars."""
    lines = []
    for mark in marks:
        x = mark.epoch - 0.5
        place = {"type": "line", "x0": x, "x1": x, "y0": 0, "y1": 1, "yref": "y domain"}
        if halo:
            lines.append({**place, "line": {"color": LIGHT, "width": 4}, "opacity": 0.85})
        color = DARK if halo else mark.color
        lines.append({**place, "line": {"color": color, "width": 1.5, "dash": mark.dash}})
    return lines


def words(marks: Sequence[Mark], epochs: int) -> list[Spec]:
    """Return the words of the marks above the panel; of too many, those without room are left out.

    On the right half they stand to the left of their line, since there is no room beyond it.
    """
    style = {"yref": "y domain", "yanchor": "bottom", "showarrow": False}
    taken: list[list[tuple[float, float]]] = [[] for _ in range(N_WORD_ROWS)]
    placed = []
    for mark in marks:
        x, is_right = mark.epoch - 0.5, mark.epoch > 0.6 * epochs
        width = len(mark.text) * CHAR_PX / PANEL_PX * epochs
        first, last = (x - width, x) if is_right else (x, x + width)
        free = (i for i, row in enumerate(taken) if all(b <= first or last <= a for a, b in row))
        if (row := next(free, None)) is None:
            continue
        taken[row].append((first, last))
        words = {"x": x, "y": 1, "yshift": WORD_PX * row, "text": mark.text}
        font = {"size": 11, "color": mark.color}
        placed.append({**style, **words, "font": font, "xanchor": "right" if is_right else "left"})
    return placed


def make_room(layout: Spec) -> None:
    """Raise the top margin of `layout` by the height of its words above the panel."""
    heights = [word["yshift"] + WORD_PX for word in layout["annotations"]]
    layout["margin"]["t"] += max(heights, default=0)
