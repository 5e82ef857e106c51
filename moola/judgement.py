"""Judge a run by its stored epochs: who is unheard, since when, why, and what to do about it.

``judge(history, RunFacts(...))`` is a pure function over the rows of ``history.jsonl``, so an old
run can be judged anew with other thresholds. A loss share on target can hide a task that does not
move the encoder, and a task that moves it may have nothing to learn: only shares *and* skill say
whether weights are the problem.

=============== ===== ========================================================================
code            level condition
=============== ===== ========================================================================
DEAD_PATH       error a loss or gradient is zero, missing, NaN or infinite; at once
LOSS_SILENCED   error loss share below a quarter of the target, three epochs in a row
GRAD_SILENCED   error the same of the share of the encoder's gradient
NOT_LEARNING    warn  skill below 0.05 after a quarter of the planned epochs
REGRESSING      warn  validation loss above 1.2 times its best, three epochs in a row
OUT_OF_BAND     info  pointers' loss share outside 60-80 %, or type's at 20 % or more; warn after
                      three epochs in a row
OVERRULED       info  the other tasks pull against it in 80 % of the last six probes or more
DEAD_HEAD       error a head's own parameters get no gradient, or its answers no longer move, in
                      three probed epochs in a row
CONSTANT_OUTPUT warn  a head says the same of all probed windows, after warm-up
SQUEEZED        warn  all probabilities lie in 0.50-0.73, as after a sigmoid applied twice
HEAD_ONLY       info  silent in the gradient, yet its skill is rising; with a frozen encoder, which
                      no gradient reaches, a skill of 0.05 or more, three epochs in a row
=============== ===== ========================================================================

Skill is 1 - validation loss / loss of the best constant predictor: 0 knows nothing.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from moola.alerts import SILENT, Alert, Code, Level
from moola.schema import TASK_NAMES, TASKS, Task
from moola.silence import (
    RULES,
    EpochRow,
    SilenceRules,
    silenced_tasks,
    since_restart,
    stored_shares,
    target_shares,
)

_ALARMS: Mapping[str, tuple[Code, Level, str]] = {
    "NO_GRADIENT": ("DEAD_HEAD", "error", "no step gave its own parameters a gradient"),
    "STILL": ("DEAD_HEAD", "error", "its answers for the probed windows no longer move at all"),
    "CONSTANT_OUTPUT": (
        "CONSTANT_OUTPUT", "warn", "its head says the same of every window probed"
    ),
    "SQUEEZED": ("SQUEEZED", "warn", "all its probabilities lie between 0.50 and 0.73"),
}  # fmt: skip
"""What `moola.alarms` writes into a row, and what it means."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunFacts:
    """What a run's configuration says that its rows do not."""

    epochs: int
    """Planned epochs."""
    balance: str = "epoch"
    countdown: str = "clip20"
    is_frozen: bool = False
    reference_skill: Mapping[Task, float] = field(default_factory=dict)
    """Skill of each task at the same epoch in the best earlier run on the same data."""


def judge(history: Sequence[EpochRow], facts: RunFacts, rules: SilenceRules = RULES) -> list[Alert]:
    """Return what is wrong as of the last row: errors first, then by task.

    Parameters
    ----------
    history
        Epoch rows of a run, oldest first, as in ``history.jsonl``.
    """
    if not history:
        return []
    own = since_restart(history)
    found = [
        *_dead_paths(history[-1], facts),
        *_silences(own, rules),
        *_not_learning(history, facts, rules),
        *_regressing(own, rules),
        *_overruled(own, rules),
        *_alarms(own, rules),
    ]
    found += _out_of_band(own, rules, silent={a.task for a in found if a.code in SILENT})
    found += _head_only(history, facts, rules, found)
    order: tuple[Level, ...] = ("error", "warn", "info")
    return sorted(found, key=lambda alert: (order.index(alert.level), TASKS.index(alert.task)))


def tasks_of(history: Sequence[EpochRow]) -> list[Task]:
    """Return the tasks that the last epoch trained."""
    return list(stored_shares(history[-1], "loss")) if history else []


def _dead_paths(row: EpochRow, facts: RunFacts) -> Iterator[Alert]:
    for task in TASKS:
        evidence = _dead(row, task, facts)
        if evidence:
            yield Alert(
                code="DEAD_PATH",
                level="error",
                task=task,
                since_epoch=row["epoch"],
                evidence=evidence,
            )


def _dead(row: EpochRow, task: Task, facts: RunFacts) -> str | None:
    raw = row.get("raw") or {}
    if task not in raw:
        return None
    if raw[task] is None or not math.isfinite(raw[task]):
        return f"its loss is {raw[task]}"
    if not raw[task]:
        return "its loss is 0: no batch held anything to count"
    norms = row.get("grad_raw") or {}
    if facts.is_frozen or task not in norms:
        return None
    if norms[task] is None or not math.isfinite(norms[task]):
        return f"its gradient is {norms[task]}"
    return None if norms[task] else "no gradient reaches the encoder from its head"


def _silences(history: Sequence[EpochRow], rules: SilenceRules) -> Iterator[Alert]:
    for silence in silenced_tasks(history, rules):
        yield Alert(
            code="LOSS_SILENCED" if silence.kind == "loss" else "GRAD_SILENCED",
            level="error",
            task=silence.task,
            since_epoch=silence.since_epoch,
            evidence=f"{silence.kind} share {silence.share:.1%} (target {silence.target:.0%}), "
            f"largest: {TASK_NAMES[silence.dominant_task]} {silence.dominant_share:.0%}",
        )


def _out_of_band(
    history: Sequence[EpochRow], rules: SilenceRules, *, silent: set[Task]
) -> Iterator[Alert]:
    targets = target_shares(tasks_of(history))

    def is_outside(row: EpochRow, task: Task) -> bool:
        share = stored_shares(row, "loss").get(task)
        if share is None:
            return False
        if task == "ptr":
            return abs(share - targets[task]) > rules.pointer_slack
        return share >= rules.type_factor * targets[task]

    watched: tuple[Task, ...] = ("ptr", "type")
    for task in watched:
        if task not in targets or task in silent:
            continue
        streak = _streak(history, lambda row, task=task: is_outside(row, task), rules)
        if streak:
            share = stored_shares(history[-1], "loss")[task]
            yield Alert(
                code="OUT_OF_BAND",
                level="warn" if len(streak) >= rules.streak_epochs else "info",
                task=task,
                since_epoch=streak[0],
                evidence=f"loss share {share:.0%} (target {targets[task]:.0%})",
            )


def _not_learning(
    history: Sequence[EpochRow], facts: RunFacts, rules: SilenceRules
) -> Iterator[Alert]:
    first = max(rules.judged_epoch, math.ceil(rules.judged_part * facts.epochs))
    for task in tasks_of(history):
        late = [row for row in history if row["epoch"] >= first]
        since = _since(late, lambda row, task=task: _below(skill_of(row, task), rules.least_skill))
        if since is not None:
            yield Alert(
                code="NOT_LEARNING",
                level="warn",
                task=task,
                since_epoch=since,
                evidence=f"skill {skill_of(history[-1], task):.2f}, where a constant guess has 0",
            )


def _regressing(history: Sequence[EpochRow], rules: SilenceRules) -> Iterator[Alert]:
    for task in tasks_of(history):
        losses = {row["epoch"]: (row.get("val_raw") or {}).get(task) for row in history}
        known = {epoch: loss for epoch, loss in losses.items() if loss is not None}
        if not known:
            continue
        best_epoch = min(known, key=lambda epoch: known[epoch])
        limit = rules.regression * known[best_epoch]
        streak = _streak(
            history, lambda row, limit=limit, known=known: known.get(row["epoch"], 0) > limit, rules
        )
        if len(streak) >= rules.streak_epochs:
            yield Alert(
                code="REGRESSING",
                level="warn",
                task=task,
                since_epoch=streak[0],
                evidence=f"validation loss {known[history[-1]['epoch']]:.3g}, "
                f"{known[best_epoch]:.3g} at its best in epoch {best_epoch}",
            )


def _overruled(history: Sequence[EpochRow], rules: SilenceRules) -> Iterator[Alert]:
    probed = [row for row in history if row.get("aligned_share")][-rules.overruled_epochs :]
    if len(probed) < rules.overruled_epochs:
        return
    for task in tasks_of(history):
        n_against = sum(row["aligned_share"].get(task, 0) < 0 for row in probed)
        if n_against >= rules.overruled_part * len(probed):
            yield Alert(
                code="OVERRULED",
                level="info",
                task=task,
                since_epoch=probed[0]["epoch"],
                evidence=f"the others pull against it in {n_against} of {len(probed)} probes",
            )


def _alarms(history: Sequence[EpochRow], rules: SilenceRules) -> Iterator[Alert]:
    """Yield what the last probe found in the outputs themselves (`moola.alarms`)."""
    probed = [row for row in history if row.get("alarms") is not None]
    for task in tasks_of(history):
        for name, (code, level, evidence) in _ALARMS.items():
            alarm = f"{name}/{task}"
            streak = _streak(probed, lambda row, alarm=alarm: alarm in row["alarms"], rules)
            if len(streak) >= (rules.streak_epochs if level == "error" else 1):
                yield Alert(
                    code=code, level=level, task=task, since_epoch=streak[0], evidence=evidence
                )


def _head_only(
    history: Sequence[EpochRow], facts: RunFacts, rules: SilenceRules, found: Sequence[Alert]
) -> Iterator[Alert]:
    if facts.is_frozen:
        yield from _frozen(history, rules)
        return
    unheard: dict[Task, Alert] = {
        alert.task: alert for alert in found if alert.code == "GRAD_SILENCED"
    }
    for task in unheard:
        skills = [skill_of(row, task) for row in history[-rules.streak_epochs :]]
        known = [skill for skill in skills if skill is not None]
        if len(known) == rules.streak_epochs and known[0] < known[-1] >= rules.least_skill:
            since = unheard[task].since_epoch
            told = f"its head learns all the same: skill {known[-1]:.2f} and rising"
            yield Alert(code="HEAD_ONLY", level="info", task=task, since_epoch=since, evidence=told)


def _frozen(history: Sequence[EpochRow], rules: SilenceRules) -> Iterator[Alert]:
    """Yield the tasks that have learned anything: whether the last epochs rose would be noise."""
    least, last = rules.least_skill, history[-1]
    for task in tasks_of(history):
        since = _since(history, lambda row, task=task: not _below(skill_of(row, task), least))
        skill = skill_of(last, task)
        if skill is None or since is None or last["epoch"] - since + 1 < rules.streak_epochs:
            continue
        told = f"the encoder is frozen; skill {skill:.2f}"
        yield Alert(code="HEAD_ONLY", level="info", task=task, since_epoch=since, evidence=told)


def _streak(
    history: Sequence[EpochRow], holds: Callable[[EpochRow], bool], rules: SilenceRules
) -> list[int]:
    """Return the epochs after warm-up, up to the last one, in which a condition held in a row."""
    epochs: list[int] = []
    for row in reversed(history):
        if row["epoch"] <= rules.warm_up_epochs or not holds(row):
            break
        epochs.append(row["epoch"])
    return epochs[::-1]


def _since(rows: Sequence[EpochRow], holds: Callable[[EpochRow], bool]) -> int | None:
    """Return since which of `rows` a condition has held without a break; None if it does not."""
    since = None
    for row in reversed(rows):
        if not holds(row):
            break
        since = row["epoch"]
    return since


def skill_of(row: EpochRow, task: Task) -> float | None:
    """Return a task's validation skill in an epoch."""
    return (row.get("skill") or {}).get(task)


def _below(value: float | None, limit: float) -> bool:
    return value is not None and value < limit
