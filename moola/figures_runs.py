"""Figures of several runs side by side: shares as small multiples, skill as lines of all runs.

Pure as those of `moola.figures`. A task has its own colour everywhere; a run has the colour of its
place in the comparison.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any, Literal

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray

from moola.figures import LEGEND, MUTED, POINTER_BAND, TASK_COLORS, empty, finished
from moola.schema import TASK_NAMES, TASKS, Task
from moola.silence import target_shares

RUN_COLORS = (
    "#d1459b", "#1192b8", "#9a6a3a", "#6f9e1c", "#e0533d", "#5f66d6", "#a08600", "#7d8794",
)  # fmt: skip
"""One for each run by its place: none is a task's, and all are at least 3:1 on both pages."""
DASHES = ("solid", "dash", "dot")
MOST_RUNS = 12
PER_ROW = 4
MOST_LETTERS = 36
MOST_POINTS = 120
"""Epochs drawn in a panel: a panel is hardly wider in pixels."""
PANEL_PX, TITLE_PX, GAP_PX, AXIS_PX = 92, 30, 12, 26
TOP_PX, LEGEND_PX, LEFT_PX = 68, 40, 62
Kind = Literal["loss_share", "grad_share"]
KINDS: tuple[Kind, ...] = ("loss_share", "grad_share")
KIND_NAMES: dict[Kind, str] = {"loss_share": "loss", "grad_share": "gradient"}


@dataclass(frozen=True, eq=False)
class Course:
    """What a run's panel is made of: its name, its planned epochs, its thinned epoch rows."""

    name: str
    epochs: int
    history: Sequence[Mapping[str, Any]]


def share_panels(courses: Sequence[Course]) -> go.Figure:
    """Return loss and gradient shares of every run, stacked to 1, on the same axes."""
    title = "Loss shares above, gradient shares on the encoder below"
    if not any(course.history for course in courses):
        return empty(title, "No epoch has finished yet in any of these runs.")
    grid = _Grid(len(courses), max(course.epochs for course in courses))
    traces: list[dict[str, Any]] = []
    for place, course in enumerate(courses):
        for kind in KINDS:
            traces += _areas(course, kind, axis=grid.axis(place, kind), is_first=not traces)
    figure = go.Figure({"data": traces, "layout": grid.layout(courses)})
    figure = finished(figure, title, height=grid.height, legend=True)
    targets = ", ".join(
        f"{TASK_NAMES[task]} {share:.0%}" for task, share in target_shares(TASKS).items()
    )
    _fix_margins(figure)
    return figure.update_layout(
        margin_t=TOP_PX,
        # A layer taken out would leave the one above it hanging: the legend only names.
        legend=LEGEND | {"y": 0, "itemclick": False, "itemdoubleclick": False},
        title_subtitle_text=f"Targets: {targets}. Dashed: the band of the pointers",
    )


def _fix_margins(figure: go.Figure) -> None:
    """Leave the room for labels fixed: plotly would measure each of 32 axes and draw all twice."""
    figure.update_xaxes(automargin=False)
    figure.update_yaxes(automargin=False)
    figure.update_layout(margin_l=LEFT_PX, margin_b=LEGEND_PX)


class _Grid:
    """Where the panels of N runs stand: up to four runs abreast, two panels a run."""

    def __init__(self, n_runs: int, epochs: int) -> None:
        self.n_columns = min(PER_ROW, n_runs)
        self.n_rows = math.ceil(n_runs / self.n_columns)
        self.epochs = max(1, epochs)
        self.row_px = TITLE_PX + 2 * PANEL_PX + GAP_PX + AXIS_PX
        self.plot_px = self.n_rows * self.row_px
        self.height = self.plot_px + TOP_PX + LEGEND_PX

    def axis(self, place: int, kind: Kind) -> str:
        """Return the number of a panel's axes, as plotly names them."""
        number = 2 * place + KINDS.index(kind) + 1
        return "" if number == 1 else str(number)

    def columns(self, place: int) -> list[float]:
        gap = 0.02
        width = (1 - gap * (self.n_columns - 1)) / self.n_columns
        left = (place % self.n_columns) * (width + gap)
        return [left, left + width]

    def rows(self, place: int, kind: Kind) -> list[float]:
        top = (place // self.n_columns) * self.row_px + TITLE_PX
        top += KINDS.index(kind) * (PANEL_PX + GAP_PX)
        return [1 - (top + PANEL_PX) / self.plot_px, 1 - top / self.plot_px]

    def layout(self, courses: Sequence[Course]) -> dict[str, Any]:
        layout: dict[str, Any] = {"hovermode": "x unified", "annotations": [], "shapes": []}
        for place, course in enumerate(courses):
            for kind in KINDS:
                layout |= self._axes(place, kind)
                if not _shares_of(course, kind):
                    layout["annotations"].append(self._absent(place, kind, course))
            layout["annotations"].append(self._name(place, course))
            for edge in POINTER_BAND:
                layout["shapes"] += self._band(self.axis(place, KINDS[0]), edge)
        return layout

    def _axes(self, place: int, kind: Kind) -> dict[str, Any]:
        number, is_left = self.axis(place, kind), place % self.n_columns == 0
        return {
            f"xaxis{number}": {
                "anchor": f"y{number}",
                "domain": self.columns(place),
                "range": [0.5, self.epochs + 0.5],
                "showticklabels": kind == KINDS[1],
                "nticks": 5,
            },
            f"yaxis{number}": {
                "anchor": f"x{number}",
                "domain": self.rows(place, kind),
                "range": [0, 1],
                "tickvals": [0, 0.5, 1],
                "tickformat": ".0%",
                "showticklabels": is_left,
                "title": {"text": KIND_NAMES[kind] if is_left else "", "standoff": 4},
            },
        }

    def _name(self, place: int, course: Course) -> dict[str, Any]:
        return {
            "text": f"<b>{escape(_cut(course.name))}</b>", "showarrow": False, "font": {"size": 12},
            "x": self.columns(place)[0], "xref": "paper", "xanchor": "left",
            "y": self.rows(place, "loss_share")[1], "yref": "paper", "yanchor": "bottom",
        }  # fmt: skip

    def _absent(self, place: int, kind: Kind, course: Course) -> dict[str, Any]:
        text = "not measured" if course.history else "no epoch yet"
        return {
            "text": text, "showarrow": False, "font": {"size": 11, "color": MUTED},
            "x": sum(self.columns(place)) / 2, "xref": "paper",
            "y": sum(self.rows(place, kind)) / 2, "yref": "paper",
        }  # fmt: skip

    def _band(self, number: str, edge: float) -> list[dict[str, Any]]:
        # Two lines on top of each other stay visible on every colour and on both themes.
        place = {"type": "line", "x0": 0, "x1": 1, "xref": f"x{number} domain",
                 "y0": edge, "y1": edge, "yref": f"y{number}"}  # fmt: skip
        return [
            {**place, "line": {"color": "white", "width": 2.2}, "opacity": 0.85},
            {**place, "line": {"color": "#1b2430", "width": 1.2, "dash": "dash"}},
        ]


def _areas(course: Course, kind: Kind, *, axis: str, is_first: bool) -> list[dict[str, Any]]:
    """Return one filled step curve a task: a whole panel of bars would be a path each epoch."""
    rows = _shares_of(course, kind)
    if not rows:
        return []
    tasks = _tasks_of(rows, kind)
    shares = np.array([[row[kind].get(task) or 0.0 for task in tasks] for row in rows])
    x = _steps(np.array([row["epoch"] for row in rows], float))
    tops = np.repeat(shares.cumsum(axis=1), 2, axis=0).astype(np.float32)
    return [
        {
            "type": "scatter",
            "x": x,
            "y": tops[:, i],
            "customdata": np.repeat(shares[:, i], 2).astype(np.float32),
            "xaxis": f"x{axis}",
            "yaxis": f"y{axis}",
            "name": TASK_NAMES[task],
            "mode": "lines",
            "line": {"width": 0, "color": TASK_COLORS[task]},
            "fill": "tonexty" if i else "tozeroy",
            "fillcolor": TASK_COLORS[task],
            "hovertemplate": "%{customdata:.1%}",
            "legendgroup": task,
            "showlegend": is_first,
        }
        for i, task in enumerate(tasks)
    ]


def _cut(name: str) -> str:
    return name if len(name) <= MOST_LETTERS else f"{name[: MOST_LETTERS - 1]}…"


def _shares_of(course: Course, kind: Kind) -> list[Mapping[str, Any]]:
    return [row for row in course.history if row.get(kind)]


def _tasks_of(rows: Sequence[Mapping[str, Any]], key: str) -> list[Task]:
    return [task for task in TASKS if any(task in (row.get(key) or {}) for row in rows)]


def _steps(epoch: NDArray[np.float64]) -> NDArray[np.float32]:
    """Return both ends of every epoch's step, half-way to its neighbours."""
    middle = (epoch[1:] + epoch[:-1]) / 2
    edges = np.concatenate([[epoch[0] - 0.5], middle, [epoch[-1] + 0.5]])
    return np.stack([edges[:-1], edges[1:]], axis=1).ravel().astype(np.float32)


def skill_lines(courses: Sequence[Course]) -> go.Figure:
    """Return every task's skill in all runs: a panel a task, a line a run."""
    tasks = _tasks_of([row for course in courses for row in course.history], "skill")
    if not tasks:
        return empty("Skill", "No epoch has finished yet in any of these runs.")
    traces = [
        _skill_line(course, task, place, axis="" if i == 0 else str(i + 1), is_first=i == 0)
        for i, task in enumerate(tasks)
        for place, course in enumerate(courses)
    ]
    figure = go.Figure({"data": traces, "layout": _task_panels(tasks, courses)})
    figure = finished(figure, "Skill of every task", height=330, legend=True)
    _fix_margins(figure)
    return figure.update_layout(
        margin_t=104,
        margin_b=62,
        legend_y=-0.14,
        title_subtitle_text="On each run's held-out windows. 0: no better than a constant, "
        "1: perfect",
    )


def _task_panels(tasks: Sequence[Task], courses: Sequence[Course]) -> dict[str, Any]:
    epochs = max(1, *(course.epochs for course in courses))
    gap = 0.025
    width = (1 - gap * (len(tasks) - 1)) / len(tasks)
    layout: dict[str, Any] = {"annotations": [], "shapes": []}
    for i, task in enumerate(tasks):
        number, left = "" if i == 0 else str(i + 1), i * (width + gap)
        layout[f"xaxis{number}"] = {
            "anchor": f"y{number}", "domain": [left, left + width],
            "range": [0.5, epochs + 0.5], "nticks": 5,
        }  # fmt: skip
        layout[f"yaxis{number}"] = {
            "anchor": f"x{number}", "range": [-0.5, 1], "showticklabels": i == 0, "nticks": 4,
        }  # fmt: skip
        layout["annotations"].append(
            {"text": f"<b>{TASK_NAMES[task]}</b>", "showarrow": False, "x": left, "y": 1,
             "xref": "paper", "yref": "paper", "xanchor": "left", "yanchor": "bottom",
             "font": {"size": 12}}
        )  # fmt: skip
        layout["shapes"].append(
            {"type": "line", "x0": 0, "x1": 1, "xref": f"x{number} domain", "y0": 0, "y1": 0,
             "yref": f"y{number}", "line": {"color": MUTED, "width": 1.2}}
        )  # fmt: skip
    return layout


def _skill_line(
    course: Course, task: Task, place: int, *, axis: str, is_first: bool
) -> dict[str, Any]:
    skills = [((row.get("skill") or {}).get(task), row["epoch"]) for row in course.history]
    known = [(skill, epoch) for skill, epoch in skills if skill is not None]
    return {
        "type": "scatter",
        "x": np.array([epoch for _, epoch in known]),
        "y": np.array([skill for skill, _ in known], np.float32),
        "xaxis": f"x{axis}",
        "yaxis": f"y{axis}",
        "name": escape(_cut(course.name)),
        "mode": "lines+markers" if len(known) < 8 else "lines",
        "line": {
            "width": 1.8,
            "color": RUN_COLORS[place % len(RUN_COLORS)],
            "dash": DASHES[place // len(RUN_COLORS) % len(DASHES)],
        },
        "hovertemplate": "epoch %{x}: %{y:.2f}",
        "legendgroup": str(place),
        "showlegend": is_first,
    }
