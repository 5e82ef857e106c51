"""The figures of one run over its epochs: who is heard, what is learned, what was done about it.

They are made of plain JSON-like objects and not checked by plotly on the way, since a live page
draws them anew every epoch: that takes a tenth of the time. The tests do check them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import plotly.graph_objects as go

from moola.criteria import Goal
from moola.figures import AT_TOP, LEGEND, MUTED, POINTER_BAND, TASK_COLORS, empty
from moola.judgement import Alert, Code
from moola.schema import TASK_NAMES, TASKS, Task
from moola.silence import target_shares

Row = Mapping[str, Any]
Spec = dict[str, Any]

NO_EPOCH = "No epoch has finished yet."
DARK, LIGHT = "#1b2430", "white"
MARK_WORDS: dict[Code, str] = {
    "DEAD_PATH": "cut off",
    "LOSS_SILENCED": "starved",
    "GRAD_SILENCED": "unheard",
    "NOT_LEARNING": "not learning",
    "REGRESSING": "getting worse",
    "OUT_OF_BAND": "out of band",
}
_TALL, _LOW = 360, 240
TOP_PX = 62
"""Room for title and subtitle, which stand at the same height in every figure of the page."""
WORD_PX = 14
"""Height of a row of words between the subtitle and the panel: titles of panels, or marks."""
N_WORD_ROWS = 2
"""Neighbouring marks stand at two heights, so that the words of one do not cover the next."""


@dataclass(frozen=True, slots=True)
class Mark:
    """A vertical line before an epoch: a restart, or the first epoch of what an alert tells."""

    epoch: int
    text: str
    color: str
    dash: str = "dot"


def marks_of(history: Sequence[Row], alerts: Iterable[Alert] = ()) -> list[Mark]:
    """Return the restarts of a history and the beginnings of what is wrong, one line an epoch."""
    marks = []
    for row in history:
        if restart := row.get("restart"):
            words = f"{restart.get('balance_before')} → {row.get('strategy')}"
            marks.append(Mark(row["epoch"], f"restart: {words}", MUTED, "solid"))
    by_epoch: dict[int, list[Alert]] = {}
    for alert in alerts:
        if alert.level != "info" and alert.code in MARK_WORDS:
            by_epoch.setdefault(alert.since_epoch, []).append(alert)
    for epoch, here in sorted(by_epoch.items()):
        marks.append(Mark(epoch, _in_words(here), TASK_COLORS[here[0].task]))
    return marks


def _in_words(alerts: Sequence[Alert]) -> str:
    """Return the worst word of each task, or how many tasks there are of more than two."""
    worst = {alert.task: MARK_WORDS[alert.code] for alert in reversed(alerts)}
    if len(worst) > 2:
        return f"{len(worst)} tasks {' or '.join(dict.fromkeys(worst.values()))}"
    return ", ".join(f"{TASK_NAMES[task]} {worst[task]}" for task in TASKS if task in worst)


def loss_shares(history: Sequence[Row], *, epochs: int, marks: Sequence[Mark] = ()) -> go.Figure:
    """Return the tasks' shares of the weighted loss, stacked per epoch, with the pointers' band.

    Parameters
    ----------
    history
        Epoch rows of a run; ``loss_share`` holds shares that sum to 1.
    epochs
        Planned epochs: the axis ends there, so that the distance still to go can be seen.
    """
    note = "Pointers should end between the dashed lines, type begin above the upper one"
    return _shares(history, "loss_share", ("Loss share", note), epochs, marks)


def gradient_shares(
    history: Sequence[Row], *, epochs: int, marks: Sequence[Mark] = ()
) -> go.Figure:
    """Return the tasks' shares of the weighted gradient on the encoder, stacked per epoch."""
    title = "Gradient share on the encoder"
    rows = [row for row in history if row.get("grad_share")]
    if history and not rows:
        note = "Not measured: the encoder is frozen,<br>so no task moves it."
        return empty(title, note)
    note = "Who moves the shared layers, and how much; dashed: the pointers' band"
    return _shares(rows, "grad_share", (title, note), epochs, marks)


def skill(history: Sequence[Row], *, epochs: int, marks: Sequence[Mark] = ()) -> go.Figure:
    """Return 1 - validation loss / loss of the best constant, per task and epoch."""
    if not history:
        return empty("Skill", NO_EPOCH)
    lines = [_line(history, "skill", task) for task in _tasks_of(history, "skill")]
    layout = _layout("Skill", "On held-out windows. 0: no better than a constant", _TALL)
    layout |= {
        "xaxis": _epoch_axis(epochs),
        "yaxis": _axis(range=[-0.5, 1], title={"text": "skill (1 = perfect)"}),
        "shapes": [_level(0, MUTED), *_vertical(marks)],
        "annotations": _words(marks, epochs),
    }
    layout["margin"]["t"] += WORD_PX * min(len(marks), N_WORD_ROWS)
    return _figure(lines, layout)


def raw_losses(history: Sequence[Row], *, epochs: int, marks: Sequence[Mark] = ()) -> go.Figure:
    """Return each task's unweighted loss on a scale of its own: training, and held out dotted."""
    if not history:
        return empty("Raw losses", NO_EPOCH)
    tasks = _tasks_of(history, "raw")
    panels = _Panels("Raw losses", "Line: training. Dotted: held-out windows", height=_TALL)
    panels.grid([TASK_NAMES[task] for task in tasks], n_columns=2, gap=(0.14, 0.24))
    for place, task in enumerate(tasks):
        for key, dash, split in (("raw", "solid", "training"), ("val_raw", "dot", "validation")):
            line = _line(history, key, task)
            line["line"]["dash"] = dash
            panels.add(place, line | {"name": f"{TASK_NAMES[task]}, {split}"})
        panels.axes(place, _epoch_axis(epochs, n_ticks=6), _axis(rangemode="tozero", nticks=4))
        panels.shapes(place, marks)
    return panels.figure()


def metrics(history: Sequence[Row], goals: Sequence[Goal], *, epochs: int) -> go.Figure:
    """Return each metric over the epochs beside its target, with intervals where rows hold them."""
    known = [goal for goal in goals if any(_metric(row, goal.key) is not None for row in history)]
    if not known:
        return empty("Metrics", NO_EPOCH)
    note = "On held-out windows. Dashed: the target, on the side of the shade"
    panels = _Panels("Metrics against their targets", note, height=_LOW)
    panels.grid([f"{goal.name} {goal.target}" for goal in known], n_columns=len(known))
    x = [row["epoch"] for row in history]
    for place, goal in enumerate(known):
        edges = [_interval(row, goal.key) for row in history]
        if any(edges):
            low = [edge and edge[0] for edge in edges]
            high = [edge and edge[1] for edge in edges]
            hidden = {"type": "scatter", "x": x, "mode": "lines", "hoverinfo": "skip"}
            panels.add(place, hidden | {"y": low, "line": {"width": 0}})
            shade = {"fill": "tonexty", "fillcolor": "rgba(128, 136, 148, 0.25)"}
            panels.add(place, hidden | {"y": high, "line": {"width": 0}} | shade)
        line = {
            "type": "scatter",
            "x": x,
            "y": [_metric(row, goal.key) for row in history],
            "name": goal.name,
            "mode": "lines+markers" if len(x) < 8 else "lines",
            "line": {"color": TASK_COLORS["ptr"], "width": 2},
            "hovertemplate": "%{y:.3g}",
        }
        panels.add(place, line)
        panels.axes(place, _epoch_axis(epochs, n_ticks=4), _axis(rangemode="tozero", nticks=4))
        target = goal.high if goal.low == float("-inf") else goal.low
        panels.level(place, target)
    return panels.figure()


def learning_rate(history: Sequence[Row], *, epochs: int, marks: Sequence[Mark] = ()) -> go.Figure:
    """Return the optimizer's rate at the end of every epoch."""
    if not any(row.get("lr") is not None for row in history):
        return empty("Learning rate", NO_EPOCH)
    line = {
        "type": "scatter",
        "x": [row["epoch"] for row in history],
        "y": [row.get("lr") for row in history],
        "name": "learning rate",
        "mode": "lines+markers" if len(history) < 8 else "lines",
        "line": {"color": MUTED, "width": 2},
        "hovertemplate": "%{y:.2e}",
    }
    layout = _layout("Learning rate", "At the end of the epoch", _LOW, legend=False)
    layout |= {
        "xaxis": _epoch_axis(epochs),
        "yaxis": _axis(rangemode="tozero", exponentformat="power", nticks=4),
        "shapes": _vertical(marks),
    }
    return _figure([line], layout)


def boosts(history: Sequence[Row], *, epochs: int, marks: Sequence[Mark] = ()) -> go.Figure | None:
    """Return how far the guard raised each task, or None if it never watched the run."""
    note = "1: left alone. What it gives one task it takes from the others"
    return _by_task(history, "boost", ("Guard", note, "factor"), epochs, marks)


def sigmas(history: Sequence[Row], *, epochs: int, marks: Sequence[Mark] = ()) -> go.Figure | None:
    """Return the log-sigmas that ``kendall`` learned, or None under another strategy."""
    note = "log sigma of each task: a small one weighs its loss up"
    return _by_task(history, "log_sigma", ("Uncertainty", note, "log sigma"), epochs, marks)


def _by_task(
    history: Sequence[Row],
    key: str,
    words: tuple[str, str, str],
    epochs: int,
    marks: Sequence[Mark],
) -> go.Figure | None:
    tasks = _tasks_of(history, key)
    if not tasks:
        return None
    title, note, unit = words
    layout = _layout(title, note, _LOW) | {
        "xaxis": _epoch_axis(epochs),
        "yaxis": _axis(title={"text": unit}, nticks=5),
        "shapes": _vertical(marks),
    }
    return _figure([_line(history, key, task) for task in tasks], layout)


def _shares(
    history: Sequence[Row], key: str, words: tuple[str, str], epochs: int, marks: Sequence[Mark]
) -> go.Figure:
    """Return stacked bars, each as wide as its epoch is the newest known: probes come now and then.

    Unlike an area they show the first epoch, and draw no slope between two measurements.
    """
    title, note = words
    if not history:
        return empty(title, NO_EPOCH)
    x = [row["epoch"] for row in history]
    widths = [after - epoch for epoch, after in pairwise([*x, x[-1] + 1])]
    part = 0.94 if epochs <= 30 else 1
    bars = [
        {
            "type": "bar",
            "x": x,
            "y": [(row.get(key) or {}).get(task) for row in history],
            "name": f"{TASK_NAMES[task]} ({target:.0%})",
            "width": [width * part for width in widths],
            "offset": -part / 2,
            "marker": {"color": TASK_COLORS[task], "line": {"width": 0}},
            "hovertemplate": "%{y:.1%}",
            # A click on an epoch chooses it; it does not dim the others.
            "unselected": {"marker": {"opacity": 1}},
        }
        for task, target in target_shares(_tasks_of(history, key)).items()
    ]
    # Two lines on top of each other stay visible on every colour and on both themes.
    band = [_level(edge, LIGHT, width=3, opacity=0.85) for edge in POINTER_BAND]
    band += [_level(edge, DARK, width=1.5, dash="dash") for edge in POINTER_BAND]
    layout = _layout(title, note, _TALL) | {
        "barmode": "stack",
        "xaxis": _epoch_axis(epochs),
        "yaxis": _axis(range=[0, 1], tickformat=".0%", tickvals=[0, 0.2, 0.4, 0.6, 0.8, 1]),
        "shapes": [*band, *_vertical(marks, halo=True)],
        "annotations": _words(marks, epochs),
    }
    layout["margin"]["t"] += WORD_PX * min(len(marks), N_WORD_ROWS)
    return _figure(bars, layout)


class _Panels:
    """Small charts side by side in one figure, each with axes of its own."""

    def __init__(self, title: str, note: str, *, height: int) -> None:
        self._layout = _layout(title, note, height, legend=False)
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
            shape | {"xref": f"x{suffix}", "yref": f"y{suffix} domain"}
            for shape in _vertical(marks)
        ]

    def level(self, place: int, value: float) -> None:
        """Draw a dashed horizontal line in a panel."""
        suffix = _suffix(place)
        shape = _level(value, MUTED, width=1.5, dash="dash")
        self._layout["shapes"].append(shape | {"xref": f"x{suffix} domain", "yref": f"y{suffix}"})

    def figure(self) -> go.Figure:
        """Return all panels as one figure."""
        self._layout["margin"]["t"] += WORD_PX
        return _figure(self._data, self._layout)


def _suffix(place: int) -> str:
    return str(place + 1) if place else ""


def _figure(data: list[Spec], layout: Spec) -> go.Figure:
    return go.Figure({"data": data, "layout": layout}, _validate=False)


def _layout(title: str, note: str, height: int, *, legend: bool = True) -> Spec:
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
        "legend": LEGEND | {"y": -0.24 * _TALL / height},
        "hoverlabel": {"namelength": -1},
        "hovermode": "x unified",
        "dragmode": False,
    }


def _axis(**values: Any) -> Spec:
    return {"automargin": True, "fixedrange": True, **values}


def _epoch_axis(epochs: int, *, n_ticks: int = 8) -> Spec:
    limits = [0.5, max(1, epochs) + 0.5]
    return _axis(range=limits, title={"text": "epoch"}, nticks=n_ticks)


def _line(history: Sequence[Row], key: str, task: Task) -> Spec:
    return {
        "type": "scatter",
        "x": [row["epoch"] for row in history],
        "y": [(row.get(key) or {}).get(task) for row in history],
        "name": TASK_NAMES[task],
        "mode": "lines+markers" if len(history) < 8 else "lines",
        "line": {"color": TASK_COLORS[task], "width": 2},
        "hovertemplate": "%{y:.3g}",
    }


def _level(
    value: float, color: str, *, width: float = 1.2, dash: str = "solid", opacity: float = 1
) -> Spec:
    place = {"type": "line", "x0": 0, "x1": 1, "y0": value, "y1": value, "xref": "x domain"}
    return {**place, "line": {"color": color, "width": width, "dash": dash}, "opacity": opacity}


def _vertical(marks: Sequence[Mark], *, halo: bool = False) -> list[Spec]:
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


def _words(marks: Sequence[Mark], epochs: int) -> list[Spec]:
    """Return the words of the marks above the panel.

    On the right half they stand to the left of their line, since there is no room beyond it.
    """
    style = {"yref": "y domain", "yanchor": "bottom", "showarrow": False}
    return [
        {
            **style,
            "x": mark.epoch - 0.5,
            "y": 1,
            "yshift": WORD_PX * (i % N_WORD_ROWS),
            "text": mark.text,
        }
        | {"font": {"size": 11, "color": mark.color}}
        | {"xanchor": "right" if mark.epoch > 0.6 * epochs else "left"}
        for i, mark in enumerate(marks)
    ]


def _tasks_of(history: Sequence[Row], key: str) -> list[Task]:
    """Return the tasks that the run trains, in their fixed order."""
    return [task for task in TASKS if any(task in (row.get(key) or {}) for row in history)]


def _metric(row: Row, key: str) -> float | None:
    return (row.get("metrics") or {}).get(key)


def _interval(row: Row, key: str) -> tuple[float, float] | None:
    found = (row.get("metrics_95") or {}).get(key)
    return (found[0], found[1]) if found else None
