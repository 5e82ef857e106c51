"""The table over a group's strategies: shares, gradients, scores over seeds, verdicts, boosts.

``table_of(plan, workspace)`` has one row a strategy. Shares and gradient shares are means over the
last third of the epochs, since the guard needs the first ones to settle; *in band* counts all of
them. Scores are means over seeds with 95 % intervals over seeds and held-out windows. `save` writes
the table as Parquet and as Markdown beside the group's plan.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from moola.advice import Badge
from moola.criteria import CENTER, COUNTDOWN, F1, HIT, PTR_SHARE, Goal
from moola.judging import judge_run
from moola.resampling import LEAST_GROUPS, Interval, Score, over_seeds, paired
from moola.run_comparing import held_out
from moola.runs import RunFolder
from moola.schema import TASK_NAMES, TASKS, Task
from moola.silence import EpochRow
from moola.strategies import Cell, Plan, groups_dir
from moola.workspace import Workspace

TABLE_GOALS = (HIT, COUNTDOWN, CENTER, F1)
BASELINE = "epoch"
"""The strategy that the others' Hit is compared with, window by window and seed by seed."""
BOOSTED = 1.05


@dataclass(frozen=True, eq=False)
class SeedResult:
    """What one finished run of a strategy says."""

    history: Sequence[EpochRow]
    scores: Mapping[str, Score]
    badges: Mapping[Task, Badge]


def results_of(plan: Plan, workspace: Workspace) -> dict[Cell, SeedResult]:
    """Return every run of the group that has predicted."""
    runs = {cell: plan.run_of(cell, workspace) for cell in plan.cells()}
    known = [run for run in runs.values() if run is not None]
    return {
        cell: result
        for cell, run in runs.items()
        if run is not None and (result := _result(run, known)) is not None
    }


def _result(run: RunFolder, others: Iterable[RunFolder]) -> SeedResult | None:
    found = held_out(run) if run.status().state == "finished" else None
    if found is None:
        return None
    badges, _, _ = judge_run(run, others)
    return SeedResult(run.history(), found.scores(), badges)


def table_of(plan: Plan, workspace: Workspace) -> pd.DataFrame:
    """Return one row for every strategy of which a run has finished."""
    return as_table(results_of(plan, workspace), plan.strategies)


def as_table(results: Mapping[Cell, SeedResult], strategies: Sequence[str]) -> pd.DataFrame:
    """Return one row for every strategy among `results`, in the order of `strategies`."""
    base = _by_seed(results, BASELINE)
    rows = []
    for strategy in strategies:
        by_seed = _by_seed(results, strategy)
        if by_seed:
            rows.append({"strategy": strategy, "n_seeds": len(by_seed), **_row(by_seed, base)})
    return pd.DataFrame(rows)


def _by_seed(results: Mapping[Cell, SeedResult], strategy: str) -> dict[int, SeedResult]:
    return {cell.seed: found for cell, found in results.items() if cell.strategy == strategy}


def _row(by_seed: Mapping[int, SeedResult], base: Mapping[int, SeedResult]) -> dict[str, Any]:
    histories = [found.history for found in by_seed.values()]
    pointers = [share for rows in histories for share in _late_shares(rows, "loss_share", "ptr")]
    types = [share for rows in histories for share in _late_shares(rows, "loss_share", "type")]
    values: dict[str, Any] = {
        "ptr_loss_share": _mean(pointers),
        "ptr_loss_share_low": min(pointers, default=math.nan),
        "ptr_loss_share_high": max(pointers, default=math.nan),
        "type_loss_share": _mean(types),
        "epochs_in_band": _mean([_n_in_band(rows) for rows in histories]),
        "epochs": _mean([len(rows) for rows in histories]),
    }
    for task in TASKS:
        late = [share for rows in histories for share in _late_shares(rows, "grad_share", task)]
        values[f"grad_{task}"] = _mean(late)
    for goal in TABLE_GOALS:
        values |= _columns(goal.key, _pooled(goal, by_seed.values()))
    values |= _columns(f"{HIT.key}_gain", _gain(HIT, by_seed, base))
    verdict = verdict_of([found.badges for found in by_seed.values()])
    return values | {"verdict": verdict, "boost": boost_of(histories)}


def _mean(values: Sequence[float]) -> float:
    return float(np.mean(values)) if len(values) else math.nan


def _late_shares(history: Sequence[EpochRow], column: str, task: Task) -> list[float]:
    late = history[-math.ceil(len(history) / 3) :] if history else []
    return [row[column][task] for row in late if task in (row.get(column) or {})]


def _n_in_band(history: Sequence[EpochRow]) -> int:
    shares = [(row.get("loss_share") or {}).get("ptr", math.nan) for row in history]
    return sum(PTR_SHARE.low <= share <= PTR_SHARE.high for share in shares)


def _columns(name: str, found: Interval) -> dict[str, float]:
    return {name: found.value, f"{name}_low": found.low, f"{name}_high": found.high}


def _pooled(goal: Goal, results: Iterable[SeedResult]) -> Interval:
    return over_seeds([found.scores[goal.key] for found in results if goal.key in found.scores])


def _gain(
    goal: Goal, by_seed: Mapping[int, SeedResult], base: Mapping[int, SeedResult]
) -> Interval:
    """Return how much better a strategy is than the baseline, on the seeds that both have."""
    pairs = [
        paired(base[seed].scores[goal.key], found.scores[goal.key])
        for seed, found in by_seed.items()
        if seed in base and found is not base[seed]
    ]
    return over_seeds(pairs)


def verdict_of(badges: Sequence[Mapping[Task, Badge]]) -> str:
    """Return in how many seeds which task fares how; what is well is left out.

    >>> verdict_of([{"ptr": "OK", "type": "STARVED"}, {"ptr": "OK", "type": "STARVED"}])
    'Type starved 2/2'
    """
    counts: Counter[tuple[Task, Badge]] = Counter(
        pair for by_task in badges for pair in by_task.items() if pair[1] != "OK"
    )
    order = sorted(counts, key=lambda key: (TASKS.index(key[0]), key[1]))
    return ", ".join(
        f"{TASK_NAMES[task]} {badge.lower().replace('_', ' ')} {counts[task, badge]}/{len(badges)}"
        for task, badge in order
    ) or "all heard"  # fmt: skip


def boost_of(histories: Sequence[Sequence[EpochRow]]) -> str:
    """Return the largest factor that the guard gave each task, or a dash."""
    rows = [row.get("boost") or {} for history in histories for row in history]
    largest = {task: max((row.get(task, 1.0) for row in rows), default=1.0) for task in TASKS}
    raised = [
        f"{TASK_NAMES[task]} ×{largest[task]:.1f}" for task in TASKS if largest[task] > BOOSTED
    ]
    return ", ".join(raised) or "–"


HEAD = (
    "strategy", "seeds", "pointers' loss share", "epochs in band", "gradient p/b/c/t",
    *(goal.name for goal in TABLE_GOALS), f"Hit against {BASELINE}", "verdict", "boost",
)  # fmt: skip


def shown_rows(table: pd.DataFrame) -> list[tuple[str, ...]]:
    """Return the table's cells as a reader would see them, under `HEAD`."""
    return [_shown(row) for row in table.to_dict("records")]


def _shown(row: Mapping[Any, Any]) -> tuple[str, ...]:
    low, high = row["ptr_loss_share_low"], row["ptr_loss_share_high"]
    gradients = [row[f"grad_{task}"] for task in TASKS]
    return (
        f"{row['strategy']}",
        f"{row['n_seeds']}",
        f"{row['ptr_loss_share']:.0%} ({low:.0%}–{high:.0%})",
        f"{row['epochs_in_band']:.0f} of {row['epochs']:.0f}",
        "not measured"
        if all(map(math.isnan, gradients))
        else "/".join("–" if math.isnan(g) else f"{100 * g:.0f}" for g in gradients),
        *(_with_interval(row, goal) for goal in TABLE_GOALS),
        _gain_text(row),
        row["verdict"],
        row["boost"],
    )


def _with_interval(row: Mapping[Any, Any], goal: Goal) -> str:
    value, low, high = (row[f"{goal.key}{end}"] for end in ("", "_low", "_high"))
    if math.isnan(value):
        return "–"
    shown = [goal.line().show(number).removesuffix(" bars") for number in (value, low, high)]
    return shown[0] if math.isnan(low) else f"{shown[0]} [{shown[1]}, {shown[2]}]"


def _gain_text(row: Mapping[Any, Any]) -> str:
    value, low, high = (row[f"{HIT.key}_gain{end}"] for end in ("", "_low", "_high"))
    if math.isnan(value):
        return "–"
    points = f"{100 * value:+.0f}"
    return points if math.isnan(low) else f"{points} [{100 * low:+.0f}, {100 * high:+.0f}]"


def note_on(table: pd.DataFrame) -> str:
    """Return why scores stand without intervals, or nothing."""
    if table.empty or not bool(table[f"{HIT.key}_low"].isna().to_numpy().any()):
        return ""
    return f"Without interval: fewer than {LEAST_GROUPS} groups of neighbouring held-out windows."


def as_markdown(table: pd.DataFrame) -> str:
    """Return the table in Markdown."""
    lines = [HEAD, tuple("---" for _ in HEAD), *shown_rows(table)]
    note = note_on(table)
    text = "\n".join(f"| {' | '.join(cells)} |" for cells in lines) + "\n"
    return f"{text}\n{note}\n" if note else text


def as_text(table: pd.DataFrame) -> str:
    """Return the table for a terminal."""
    lines = [HEAD, *shown_rows(table)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    text = [
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in lines
    ]
    return "\n".join([*text, *filter(None, [note_on(table)])])


def save(table: pd.DataFrame, plan: Plan, workspace: Workspace) -> Path:
    """Write ``table.parquet`` and ``table.md`` beside the plan; return the folder."""
    folder = groups_dir(workspace) / plan.group
    table.to_parquet(folder / "table.parquet", index=False)
    (folder / "table.md").write_text(as_markdown(table), encoding="utf-8")
    return folder
