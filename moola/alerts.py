"""What is found wrong with a run: `moola.judgement` finds it and says under which conditions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from moola.schema import TASK_NAMES, Task

Code = Literal[
    "DEAD_PATH",
    "LOSS_SILENCED",
    "GRAD_SILENCED",
    "NOT_LEARNING",
    "REGRESSING",
    "OUT_OF_BAND",
    "OVERRULED",
    "HEAD_ONLY",
    "DEAD_HEAD",
    "CONSTANT_OUTPUT",
    "SQUEEZED",
]
Level = Literal["error", "warn", "info"]
SILENT: tuple[Code, ...] = ("LOSS_SILENCED", "GRAD_SILENCED")


@dataclass(frozen=True, slots=True, kw_only=True)
class Alert:
    """One finding about one task as of the last epoch."""

    code: Code
    level: Level
    task: Task
    since_epoch: int
    evidence: str
    """The numbers that speak for it, as a clause."""

    def __str__(self) -> str:
        return (
            f"{self.code} {TASK_NAMES[self.task]} since epoch {self.since_epoch}: {self.evidence}"
        )
