"""The figures of one run over its epochs: who is heard, what is learned, what was done about it.

They are plain JSON-like objects (`moola.epoch_parts`), not checked or copied by plotly on the way,
since a live page draws them anew every epoch: that takes a small part of the time. The tests do
check them, and `moola.epoch_parts.drawn` makes plotly's figure of one.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import pairwise

from moola import epoch_parts as parts
from moola.alerts import Alert, Code
from moola.criteria import Goal
from moola.epoch_parts import Mark, Row, Spec
from moola.figures import MUTED, POINTER_BAND, TASK_COLORS
from moola.schema import TASK_NAMES, TASKS, Task
from moola.silence import target_shares

NO_EPOCH = "No epoch has finished yet."
MARK_WORDS: dict[Code, str] = {
    "DEAD_PATH": "cut off",
    "DEAD_HEAD": "dead head",
    "LOSS_SILENCED": "starved",
    "GRAD_SILENCED": "unheard",
    "NOT_LEARNING": "not learning",
    "REGRESSING": "getting worse",
    "OUT_OF_BAND": "out of band",
}


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
    if len(set(worst.values())) == 1:
        names = " and ".join(TASK_NAMES[task] for task in TASKS if task in worst)
        return f"{names} {worst[alerts[0].task]}"
    return ", ".join(f"{TASK_NAMES[task]} {worst[task]}" for task in TASKS if task in worst)


def loss_shares(history: Sequence[Row], *, epochs: int, marks: Sequence[Mark] = ()) -> Spec:
    """Return the tasks' shares of the weighted loss, stacked per epoch, with the pointers' band.

    Parameters
    ----------
    history
        Epoch rows of a run; ``loss_share`` holds shares that sum to 1.
    epochs
        Planned epochs: the axis ends there, so that the distance still to go can be seen.
    """
    note = "Pointers should end between the dashed lines, type above them"
    return _shares(history, "loss_share", ("Loss share", note), epochs, marks)


def gradient_shares(history: Sequence[Row], *, epochs: int, marks: Sequence[Mark] = ()) -> Spec:
    """Return the tasks' shares of the weighted gradient on the encoder, stacked per epoch."""
    title = "Gradient share on the encoder"
    rows = [row for row in history if row.get("grad_share")]
    if history and not rows:
        note = "Not measured: the encoder is frozen,<br>so no task moves it."
        return parts.empty(title, note)
    note = "Who moves the shared layers; dashed: the pointers' band"
    return _shares(rows, "grad_share", (title, note), epochs, marks)


def skill(history: Sequence[Row], *, epochs: int, marks: Sequence[Mark] = ()) -> Spec:
    """Return 1 - validation loss / loss of the best constant, per task and epoch."""
    if not history:
        return parts.empty("Skill", NO_EPOCH)
    lines = [parts.line(history, "skill", task) for task in _tasks_of(history, "skill")]
    layout = parts.layout("Skill", "On held-out windows. 0: no better than a constant", parts.TALL)
    layout |= {
        "xaxis": parts.epoch_axis(epochs),
        "yaxis": parts.axis(range=[-0.5, 1], title={"text": "skill (1 = perfect)"}),
        "shapes": [parts.level(0, MUTED), *parts.vertical(marks)],
        "annotations": parts.words(marks, epochs),
    }
    parts.make_room(layout)
    return parts.figure(lines, layout)


def raw_losses(history: Sequence[Row], *, epochs: int, marks: Sequence[Mark] = ()) -> Spec:
    """Return each task's unweighted loss on a scale of its own: training, and held out dotted."""
    if not history:
        return parts.empty("Raw losses", NO_EPOCH)
    tasks = _tasks_of(history, "raw")
    panels = parts.Panels(
        "Raw losses", "Line: training. Dotted: held-out windows", height=parts.TALL
    )
    panels.grid([TASK_NAMES[task] for task in tasks], n_columns=2, gap=(0.14, 0.24))
    for place, task in enumerate(tasks):
        for key, dash, split in (("raw", "solid", "training"), ("val_raw", "dot", "validation")):
            line = parts.line(history, key, task)
            line["line"]["dash"] = dash
            panels.add(place, line | {"name": f"{TASK_NAMES[task]}, {split}"})
        panels.axes(
            place, parts.epoch_axis(epochs, n_ticks=6), parts.axis(rangemode="tozero", nticks=4)
        )
        panels.shapes(place, marks)
    return panels.figure()


def metrics(history: Sequence[Row], goals: Sequence[Goal], *, epochs: int) -> Spec:
    """Return each metric over the epochs beside its target, with intervals where rows hold them."""
    known = [goal for goal in goals if any(_metric(row, goal.key) is not None for row in history)]
    if not known:
        return parts.empty("Metrics", NO_EPOCH)
    note = "On held-out windows. Dashed: the target, on the side of the shade"
    panels = parts.Panels("Metrics against their targets", note, height=parts.LOW)
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
        panels.axes(
            place, parts.epoch_axis(epochs, n_ticks=4), parts.axis(rangemode="tozero", nticks=4)
        )
        target = goal.high if goal.low == float("-inf") else goal.low
        panels.level(place, target)
    return panels.figure()


def learning_rate(history: Sequence[Row], *, epochs: int, marks: Sequence[Mark] = ()) -> Spec:
    """Return the optimizer's rate at the end of every epoch."""
    if not any(row.get("lr") is not None for row in history):
        return parts.empty("Learning rate", NO_EPOCH)
    line = {
        "type": "scatter",
        "x": [row["epoch"] for row in history],
        "y": [row.get("lr") for row in history],
        "name": "learning rate",
        "mode": "lines+markers" if len(history) < 8 else "lines",
        "line": {"color": MUTED, "width": 2},
        "hovertemplate": "%{y:.2e}",
    }
    layout = parts.layout("Learning rate", "At the end of the epoch", parts.LOW, legend=False)
    layout |= {
        "xaxis": parts.epoch_axis(epochs),
        "yaxis": parts.axis(rangemode="tozero", exponentformat="power", nticks=4),
        "shapes": parts.vertical(marks),
    }
    return parts.figure([line], layout)


def boosts(history: Sequence[Row], *, epochs: int, marks: Sequence[Mark] = ()) -> Spec | None:
    """Return how far the guard raised each task, or None if it never watched the run."""
    note = "1: left alone. What it gives one task it takes from the others"
    return _by_task(history, "boost", ("Guard", note, "factor"), epochs, marks)


def sigmas(history: Sequence[Row], *, epochs: int, marks: Sequence[Mark] = ()) -> Spec | None:
    """Return the log-sigmas that ``kendall`` learned, or None under another strategy."""
    note = "log sigma of each task: a small one weighs its loss up"
    return _by_task(history, "log_sigma", ("Uncertainty", note, "log sigma"), epochs, marks)


def _by_task(
    history: Sequence[Row],
    key: str,
    words: tuple[str, str, str],
    epochs: int,
    marks: Sequence[Mark],
) -> Spec | None:
    tasks = _tasks_of(history, key)
    if not tasks:
        return None
    title, note, unit = words
    layout = parts.layout(title, note, parts.LOW) | {
        "xaxis": parts.epoch_axis(epochs),
        "yaxis": parts.axis(title={"text": unit}, nticks=5),
        "shapes": parts.vertical(marks),
    }
    return parts.figure([parts.line(history, key, task) for task in tasks], layout)


def _shares(
    history: Sequence[Row], key: str, words: tuple[str, str], epochs: int, marks: Sequence[Mark]
) -> Spec:
    """Return stacked bars, each as wide as its epoch is the newest known: probes come now and then.

    Unlike an area they show the first epoch, and draw no slope between two measurements.
    """
    title, note = words
    if not history:
        return parts.empty(title, NO_EPOCH)
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
        }
        for task, target in target_shares(_tasks_of(history, key)).items()
    ]
    # Two lines on top of each other stay visible on every colour and on both themes.
    band = [parts.level(edge, parts.LIGHT, width=3, opacity=0.85) for edge in POINTER_BAND]
    band += [parts.level(edge, parts.DARK, width=1.5, dash="dash") for edge in POINTER_BAND]
    layout = parts.layout(title, note, parts.TALL) | {
        "barmode": "stack",
        "xaxis": parts.epoch_axis(epochs),
        "yaxis": parts.axis(range=[0, 1], tickformat=".0%", tickvals=[0, 0.2, 0.4, 0.6, 0.8, 1]),
        "shapes": [*band, *parts.vertical(marks, halo=True)],
        "annotations": parts.words(marks, epochs),
    }
    parts.make_room(layout)
    return parts.figure(bars, layout)


def _tasks_of(history: Sequence[Row], key: str) -> list[Task]:
    """Return the tasks that the run trains, in their fixed order."""
    return [task for task in TASKS if any(task in (row.get(key) or {}) for row in history)]


def _metric(row: Row, key: str) -> float | None:
    return (row.get("metrics") or {}).get(key)


def _interval(row: Row, key: str) -> tuple[float, float] | None:
    found = (row.get("metrics_95") or {}).get(key)
    return (found[0], found[1]) if found else None
