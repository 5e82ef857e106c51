"""What a judgement means: one word a task, the likely cause of an alert, and what to try in order.

The table of causes is that of the balancing notes: numbers say who is unheard, the strategy and the
scale of the losses say why.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from moola.alerts import SILENT, Alert, Code
from moola.inertia import inertia
from moola.judgement import RunFacts, judge, skill_of, tasks_of
from moola.schema import TASK_NAMES, TASKS, Task
from moola.silence import RULES, EpochRow, SilenceRules, stored_shares, target_shares

Badge = Literal[
    "DEAD_PATH", "SILENCED", "STARVED", "HEAD_ONLY", "LOW_SKILL", "ENCODER_FROZEN", "OK"
]
BADGE_TONES: Mapping[Badge, Literal["good", "bad", "warn", "none"]] = {
    "DEAD_PATH": "bad",
    "SILENCED": "bad",
    "STARVED": "bad",
    "HEAD_ONLY": "warn",
    "LOW_SKILL": "warn",
    "ENCODER_FROZEN": "none",
    "OK": "good",
}
BY_CONSTRUCTION = ("epoch", "ema", "kendall")
"""Strategies whose loss shares are on target whatever happens: they cannot warn of anything."""
UNSCALED = ("raw", "manual")


@dataclass(frozen=True, slots=True)
class Action:
    """Something to try: in words, and as options of the next run."""

    text: str
    options: Mapping[str, Any] = field(default_factory=dict)


_TO_EPOCH = Action("Switch to the balance epoch", {"balance": "epoch"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Advice:
    """An alert, why it is likely so, and what to try first."""

    alert: Alert
    cause: str
    actions: tuple[Action, ...] = ()

    def __str__(self) -> str:
        steps = " ".join(f"{i}. {action.text}." for i, action in enumerate(self.actions, start=1))
        return f"{self.alert}. {self.cause}" + (f" → {steps}" if steps else "")


def advise(
    history: Sequence[EpochRow], facts: RunFacts, rules: SilenceRules = RULES
) -> list[Advice]:
    """Return every alert of `judge` with its likely cause and actions."""
    return [_advice(alert, history, facts) for alert in judge(history, facts, rules)]


def badges(
    history: Sequence[EpochRow], facts: RunFacts, rules: SilenceRules = RULES
) -> dict[Task, Badge]:
    """Return one word a task, the first that holds.

    ``DEAD_PATH`` (or a dead head), ``SILENCED`` (silent and not learning), ``STARVED`` (silent and
    far below a reference run), ``HEAD_ONLY`` (silent, but learning or too early to tell),
    ``LOW_SKILL`` (heard, yet not learning: data, label or head, so the weights should stay),
    ``OK``. Where the encoder is frozen there is no gradient on it to be heard by: every head learns
    alone by choice, so ``ENCODER_FROZEN`` stands in place of ``HEAD_ONLY`` and ``OK``.
    """
    codes: dict[Task, set[Code]] = {}
    for alert in judge(history, facts, rules):
        codes.setdefault(alert.task, set()).add(alert.code)
    return {
        task: _badge(codes.get(task, set()), skill_of(history[-1], task), task, facts, rules)
        for task in tasks_of(history)
    }


def _badge(
    codes: set[Code], skill: float | None, task: Task, facts: RunFacts, rules: SilenceRules
) -> Badge:
    if not codes.isdisjoint(("DEAD_PATH", "DEAD_HEAD")):
        return "DEAD_PATH"
    is_silent = not codes.isdisjoint(SILENT)
    if is_silent and "NOT_LEARNING" in codes:
        return "SILENCED"
    reference = facts.reference_skill.get(task)
    if is_silent and reference and skill is not None and skill < rules.starved_part * reference:
        return "STARVED"
    if not facts.is_frozen and (is_silent or "HEAD_ONLY" in codes):
        return "HEAD_ONLY"
    if "NOT_LEARNING" in codes:
        return "LOW_SKILL"
    return "ENCODER_FROZEN" if facts.is_frozen else "OK"


def blind_spot(facts: RunFacts) -> str | None:
    """Return what the judgement cannot see in this run, or None."""
    if facts.is_frozen:
        return (
            "The encoder is frozen: weights hardly change what is learned, and there is no "
            "gradient on it to share out."
        )
    if facts.balance in BY_CONSTRUCTION:
        return (
            f"Under {facts.balance} the loss shares are on target by construction and cannot warn: "
            "read the gradient shares and the skill."
        )
    return None


def _advice(alert: Alert, history: Sequence[EpochRow], facts: RunFacts) -> Advice:
    row = history[-1]
    if alert.code in SILENT:
        cause, actions = _of_silence(alert, history, facts)
    elif alert.code == "OUT_OF_BAND" and _boosted(row):
        cause, actions = f"The guard is at work: {_boosted(row)}; that is its price.", ()
    elif alert.code == "DEAD_HEAD" and (row.get("weight") or {}).get(alert.task) == 0:
        cause, actions = "Its weight is 0: nothing it gets wrong goes backward.", (_TO_EPOCH,)
    elif alert.code == "OUT_OF_BAND":
        cause, actions = _of_drift(facts)
    else:
        cause, actions = _OTHER[alert.code]
    return Advice(alert=alert, cause=cause, actions=actions)


def _of_silence(
    alert: Alert, history: Sequence[EpochRow], facts: RunFacts
) -> tuple[str, tuple[Action, ...]]:
    row = history[-1]
    if alert.code == "GRAD_SILENCED" and _loss_share_is_fine(row, alert.task):
        return _WEAK_PATH
    if facts.is_frozen:
        return _NOTHING_SHARED, ()
    largest = _dominant(row)
    if facts.balance in UNSCALED or facts.countdown == "raw":
        actions = (_TO_EPOCH,)
        if facts.countdown == "raw":
            clip = Action(
                "Clip the countdown to ±20 bars and divide by 20", {"countdown": "clip20"}
            )
            actions = (clip, *actions)
        raw = row.get("raw") or {}
        return (
            f"Scale: the raw loss of {TASK_NAMES[alert.task]} is {raw.get(alert.task, 0):.3g} "
            f"beside {raw.get(largest, 0):.3g} of {TASK_NAMES[largest]}"
            f"{_weighted_more(row, alert.task, largest)}.",
            actions,
        )
    if facts.balance == "kendall" and (evidence := inertia(history, alert.task, facts.epochs)):
        return f"Inertia: {evidence}.", (_TO_EPOCH,)
    return _of_drift(facts)


def _of_drift(facts: RunFacts) -> tuple[str, tuple[Action, ...]]:
    switch = (_TO_EPOCH,)
    if facts.balance in UNSCALED:
        return "Scale: the weights do not follow the sizes of the losses.", switch
    if facts.balance == "initial":
        return "The weights were fixed before training, and the losses fell unequally.", switch
    if facts.balance == "gradshare":
        return "The strategy holds gradient shares on target, and lets loss shares go.", ()
    if facts.balance == "gradnorm":
        return "The strategy evens out training rates and knows no target shares.", switch
    return "The losses moved faster than the weights follow.", ()


def _dominant(row: EpochRow) -> Task:
    """Return the task that takes most of the loss: what is summed is weights times losses."""
    shares = stored_shares(row, "loss")
    return max(TASKS, key=lambda task: shares.get(task, 0.0))


def _weighted_more(row: EpochRow, task: Task, dominant: Task) -> str:
    """Say so if the dominant task has the larger weight, and not only the larger loss."""
    weights = row.get("weight") or {}
    if not weights.get(task) or not weights.get(dominant):
        return ""
    ratio = weights[dominant] / weights[task]
    return f", weighted {ratio:.3g} times as much" if ratio > 1 else ""


def _loss_share_is_fine(row: EpochRow, task: Task) -> bool:
    shares = stored_shares(row, "loss")
    return shares.get(task, 0) >= target_shares(list(shares)).get(task, 1) / 2


def _boosted(row: EpochRow) -> str:
    boosts = row.get("boost") or {}
    raised = (
        f"{TASK_NAMES[task]} ×{boosts[task]:.1f}" for task in TASKS if boosts.get(task, 1) > 1.05
    )
    return ", ".join(raised)


_WEAK_PATH = (
    "A weak path: its loss share is on target, yet its head hardly reaches the encoder (mean "
    "pooling, a saturated output, or a loss it cannot lower).",
    (
        Action("Accept it as an auxiliary task if its skill rises, or label more windows"),
        Action("Switch the guard on, at a price for the others", {"guard": True}),
        Action("Balance by gradients", {"balance": "gradshare"}),
    ),
)
_NOTHING_SHARED = (
    "The encoder is frozen, so the heads share nothing: its head learns at its own pace, and other "
    "weights would hardly change that."
)
_OTHER: dict[Code, tuple[str, tuple[Action, ...]]] = {
    "DEAD_PATH": (
        "A broken connection, not a question of weights: a head without gradient, an exploding "
        "step, or labels of which no batch holds any.",
        (
            Action("Lower the learning rate", {"lr": 1e-3}),
            Action("Look at the labels of this task"),
        ),
    ),
    "DEAD_HEAD": (
        "A head that training no longer reaches: saturated by a step that was too large, or cut "
        "off from its loss. Weights do not bring it back.",
        (
            Action("Lower the learning rate from an epoch before on", {"lr": 1e-3}),
            Action("Look at the labels of this task"),
        ),
    ),
    "NOT_LEARNING": (
        "If its shares are on target, it is the labels, the data or the head: leave the weights.",
        (Action("Look at its labels"), Action("Label more windows")),
    ),
    "REGRESSING": (
        "Over-fitting, or another task pulls the encoder away from it.",
        (Action("Use the best checkpoint"), Action("Train fewer epochs")),
    ),
    "OVERRULED": ("Its gradient points against the sum of all; single epochs mean little.", ()),
    "CONSTANT_OUTPUT": (
        "The head says the same of every window: its input is cut off, or its task has all but "
        "constant labels.",
        (
            Action("Look at the labels of this task"),
            Action("Lower the learning rate", {"lr": 1e-3}),
        ),
    ),
    "SQUEEZED": (
        "The range of a sigmoid applied to a sigmoid: a loss that wants logits got probabilities, "
        "or the head never says no.",
        (Action("Look at the labels of this task"),),
    ),
    "HEAD_ONLY": ("The encoder serves it without learning from it.", ()),
}
