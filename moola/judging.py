"""Judge the run of a folder: its rows, what its configuration says, and the best run before it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from moola.advice import Advice, Badge, advise, badges, blind_spot
from moola.config import FinetuneConfig
from moola.judgement import RunFacts
from moola.runs import RunFolder
from moola.schema import TASKS, Task
from moola.silence import RULES, SilenceRules


def facts_of(
    config: FinetuneConfig, reference_skill: Mapping[Task, float] | None = None
) -> RunFacts:
    """Return what `judge` has to know of a run beside its rows."""
    return RunFacts(
        epochs=config.epochs,
        balance=config.balance,
        countdown=config.countdown,
        is_frozen=config.freeze_encoder,
        reference_skill=reference_skill or {},
    )


def reference_skill(run: RunFolder, others: Iterable[RunFolder]) -> dict[Task, float]:
    """Return each task's best skill at this run's last epoch in other runs on the same data."""
    history = run.history()
    if not history or not (data := run.resolved().get("data_hash")):
        return {}
    best: dict[Task, float] = {}
    for other in others:
        if other.id == run.id or other.resolved().get("data_hash") != data:
            continue
        row = next((r for r in other.history() if r["epoch"] == history[-1]["epoch"]), {})
        for task in TASKS:
            skill: float | None = (row.get("skill") or {}).get(task)
            if skill is not None and skill >= best.get(task, skill):
                best[task] = skill
    return best


def judge_run(
    run: RunFolder, others: Iterable[RunFolder], rules: SilenceRules = RULES
) -> tuple[dict[Task, Badge], list[Advice], str | None]:
    """Return a badge for every task, the alerts with their advice, and what cannot be judged."""
    history = run.history()
    facts = facts_of(run.config(), reference_skill(run, others))
    return badges(history, facts, rules), advise(history, facts, rules), blind_spot(facts)
