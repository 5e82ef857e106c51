"""The lines of the success table: what is asked of a run, and how a verdict is reached."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

Verdict = Literal["met", "not met", "undecided", "not measured", "no target"]
VERDICT_TONES: Mapping[Verdict, Literal["good", "bad", "none"]] = {
    "met": "good",
    "not met": "bad",
    "undecided": "none",
    "not measured": "none",
    "no target": "none",
}
Unit = Literal["share", "bars", "norm", "score", "count"]
_FORMATS: dict[Unit, str] = {
    "share": "{:.1%}",
    "bars": "{:.2f} bars",
    "norm": "{:.3f}",
    "score": "{:.2f}",
    "count": "{:.0f}",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Criterion:
    """One line of the success table; what could not be computed is None and the note says why."""

    key: str
    name: str
    target: str
    value: float | None = None
    low: float | None = None
    high: float | None = None
    floor: float | None = None
    rules: float | None = None
    """The best of the written rules on the same windows, which flatters the rules."""
    boosting: float | None = None
    """The better of two ways of gradient boosting on the same windows."""
    n_windows: int | None = None
    verdict: Verdict = "undecided"
    note: str = ""
    unit: Unit = "share"

    def show(self, number: float | None) -> str:
        """Return `number` in this line's unit; a dash for none."""
        return "–" if number is None else _FORMATS[self.unit].format(number)


@dataclass(frozen=True, slots=True)
class Goal:
    """Where a number should lie: strictly between `low` and `high`."""

    key: str
    name: str
    target: str
    unit: Unit
    low: float = -math.inf
    high: float = math.inf

    def verdict(self, low: float, high: float) -> Verdict:
        """Return on which side of the target the interval low..high lies.

        An interval of NaN lies on neither side. A goal without bounds is no target.

        >>> HIT.verdict(0.61, 0.83), HIT.verdict(0.41, 0.58), HIT.verdict(0.5, 0.7)
        ('met', 'not met', 'undecided')
        """
        if not self.is_target:
            return "no target"
        if self.low < low and high < self.high:
            return "met"
        return "not met" if high <= self.low or low >= self.high else "undecided"

    @property
    def is_target(self) -> bool:
        """Whether there is a bound to meet."""
        return math.isfinite(self.low) or math.isfinite(self.high)

    def windows_to_decide(self, value: float, interval: tuple[float, float], n: int) -> int | None:
        """Return how many windows would bring the whole interval to one side of the target.

        If `value` stays what it is: the interval's half towards the target shrinks with the square
        root of the number of windows. None where no number would do, or where the interval lies
        on one side already.

        >>> HIT.windows_to_decide(0.70, (0.55, 0.82), 36)
        82
        """
        low, high = interval
        edge = self.low if math.isinf(self.high) else self.high
        half = value - low if value > edge else high - value
        distance = abs(value - edge)
        if not (math.isfinite(half) and 0 < distance <= half):
            return None
        return math.floor(n * (half / distance) ** 2 + 1e-9) + 1

    def is_better(self, value: float, other: float) -> bool:
        """Return whether `value` is better than `other`, for a goal with one side."""
        return value < other if math.isinf(self.low) else value > other

    def line(self, **values: Any) -> Criterion:
        """Return this goal's line of the table."""
        return Criterion(key=self.key, name=self.name, target=self.target, unit=self.unit, **values)


HIT = Goal("hit_at_3", "Hit@±3 (both edges)", "> 60%", "share", low=0.60)
COUNTDOWN = Goal("countdown_mae_bars", "Countdown MAE", "< 5 bars", "bars", high=5.0)
COUNTDOWN_FROM_START = Goal(
    "countdown_from_start_mae_bars", "Countdown MAE, read off the start", "–", "bars"
)
CENTER = Goal("center_mae_norm", "Pointer centre MAE", "< 0.02", "norm", high=0.02)
F1 = Goal("type_f1_macro", "Type macro F1", "> 0.50", "score", low=0.50)
TYPE_AT_LABELS = Goal(
    "type_f1_at_labels", "Type macro F1 at labelled starts", "> 0.50", "score", low=0.50
)
RECALL = Goal("type_recall_min", "Lowest recall of a type", "> 0.30", "score", low=0.30)
PTR_SHARE = Goal("ptr_loss_share", "Pointer loss share", "60–80%", "share", low=0.60, high=0.80)
TYPE_SHARE = Goal("type_loss_share", "Type loss share", "< 20%", "share", high=0.20)
SILENCED = Goal("n_silenced", "Silenced tasks", "none", "count", high=1)
SCORED_GOALS = (HIT, COUNTDOWN, CENTER, F1, RECALL)
"""What every run is scored by, from its predictions."""


def targets_met(lines: Sequence[Criterion]) -> str:
    """Return in words how many targets are met, of those that the run can be judged by."""
    unjudged: tuple[Verdict, ...] = ("no target", "not measured")
    verdicts = [line.verdict for line in lines if line.verdict not in unjudged]
    return f"{verdicts.count('met')} of {len(verdicts)} targets met"
