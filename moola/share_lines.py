"""The lines of the success table that the history answers: loss shares and silenced tasks."""

from __future__ import annotations

import math
from collections.abc import Sequence

from moola.criteria import PTR_SHARE, SILENCED, TYPE_SHARE, Criterion, Goal
from moola.schema import TASK_NAMES, TASKS, Task
from moola.silence import FIRST_REPORT_EPOCH, EpochRow, ever_silenced, silenced_tasks

SHARE_GOALS = (PTR_SHARE, TYPE_SHARE, SILENCED)


def share_lines(history: Sequence[EpochRow]) -> list[Criterion]:
    """Return the lines of the pointers' and the type's loss share and of silenced tasks."""
    shares = [_share_line(PTR_SHARE, "ptr", history), _share_line(TYPE_SHARE, "type", history)]
    return [*shares, _silence_line(history)]


def _share_line(goal: Goal, task: Task, history: Sequence[EpochRow]) -> Criterion:
    """Judge the last third of the epochs; low and high are its extremes."""
    late = history[-math.ceil(len(history) / 3) :] if history else []
    shares = [row["loss_share"][task] for row in late if task in (row.get("loss_share") or {})]
    if not shares:
        return goal.line(note="Not computed yet: no epoch has ended.")
    low, high = min(shares), max(shares)
    notes = [f"Epochs {late[0]['epoch']}–{late[-1]['epoch']}; the interval is their range."]
    if len(late[-1]["loss_share"]) < len(TASKS):
        notes.append("The target was set for four tasks; this run trains two.")
    elif late[-1].get("strategy") == "epoch":
        notes.append("On target by construction under `epoch`: read the gradient share.")
    gradient = [row["grad_share"][task] for row in late if row.get("grad_share")]
    if gradient:
        notes.append(f"Gradient share {sum(gradient) / len(gradient):.0%}.")
    early = late[-1]["epoch"] < FIRST_REPORT_EPOCH
    if early:
        notes.append(f"Undecided before epoch {FIRST_REPORT_EPOCH}.")
    return goal.line(
        value=sum(shares) / len(shares),
        low=low,
        high=high,
        verdict="undecided" if early else goal.verdict(low, high),
        note=" ".join(notes),
    )


def _silence_line(history: Sequence[EpochRow]) -> Criterion:
    if not history or history[-1]["epoch"] < FIRST_REPORT_EPOCH:
        return SILENCED.line(
            note=f"Not computed: the first report comes at epoch {FIRST_REPORT_EPOCH}."
        )
    now = silenced_tasks(history)
    silent = {silence.task for silence in now}
    notes = [str(silence) for silence in now]
    recovered = {found.task for found in ever_silenced(history)} - silent
    notes += [f"{TASK_NAMES[task]} was silent for a while." for task in TASKS if task in recovered]
    if not any(row.get("grad_share") for row in history):
        notes.append("Judged by loss share alone: gradient shares were not measured.")
    return SILENCED.line(
        value=float(len(silent)),
        verdict=SILENCED.verdict(len(silent), len(silent)),
        note=" ".join(notes),
    )
