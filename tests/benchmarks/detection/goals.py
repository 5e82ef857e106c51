"""The goals of the design notes, each against what was measured, as rows of a table."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd

from .cells import MAIN
from .finding import RULES
from .means import Mean, Which, difference, values_of

BAR: Which = {"data": MAIN, "model": "bar head", "decoder": "start"}
TWO_STAGE = {"data": "s1.2", "model": "bar head", "decoder": "start"}
HARDER = (
    "planted harder to see: the best rule hits 0.34 and boosting 0.43 here, 0.50 and 0.71 in the "
    "prototype; at strength 1.1, where the rule hits 0.49, the head hits 0.67"
)


@dataclass(frozen=True)
class Goal:
    """A score of one row, and the limit it should reach."""

    what: str
    which: Which
    score: str
    limit: float
    at_most: bool = False
    lower_bound: float | None = None
    """What the lower end of the interval should exceed."""
    if_missed: str = ""
    """What is known of the reason."""

    def measured(self, table: pd.DataFrame) -> Mean | None:
        """Return the mean over seeds, None without any."""
        values = values_of(table, self.which, self.score)
        return Mean.of(values.tolist()) if len(values) else None

    def verdict(self, found: Mean) -> str:
        """Return whether the mean, and the interval where one is asked for, reach the limit."""
        met = found.value <= self.limit if self.at_most else found.value >= self.limit
        least = self.lower_bound
        verdict = _verdict(met, None if least is None else least - (found.value - found.half))
        return f"{verdict}: {self.if_missed}" if verdict == "missed" and self.if_missed else verdict


GOALS = (
    Goal("start ±3, lower bound above 0.60", BAR, "start_at_3", 0.63, lower_bound=0.60),
    Goal("start ±3 of the surest half", BAR, "start_at_3@0.5", 0.83),
    Goal("start ±3 of the surest quarter", BAR, "start_at_3@0.25", 0.90),
    Goal("calibration error of the start", BAR, "start_ece", 0.05, at_most=True),
    Goal("centre MAE on hits", BAR, "center_mae_on_hits", 0.017, at_most=True),
    Goal("centre MAE of the surest quarter", BAR, "center_mae@0.25", 0.028, at_most=True),
    Goal(
        "countdown MAE, clipped at 20 bars",
        BAR,
        "countdown_mae",
        5.0,
        at_most=True,
        if_missed="no information is 6.7 bars off here, 5.7 in the prototype; twice the epochs, "
        "the learning rate or the head's weight leave it at 6.0 to 6.3 (one seed that had 6.0)",
    ),
    Goal(
        "countdown skill",
        BAR,
        "countdown_skill",
        0.12,
        if_missed="the head's regression blurs what it is unsure of: the model knows more (below)",
    ),
    Goal(
        "countdown MAE, bars to the median start", BAR, "implied_countdown_mae", 5.0, at_most=True
    ),
    Goal(
        "mean head as in the source, best weights, edge decoder",
        {"data": MAIN, "model": "mean head, weights .1/.1/.5/.3", "decoder": "edge"},
        "start_at_3",
        0.60,
        if_missed="the interval holds the goal; the first of the seeds alone reached it",
    ),
    Goal("two-stage type, 2 classes, s1.2", TWO_STAGE, "stage_f1_two", 0.63),
    Goal("two-stage type, 3 classes, s1.2", TWO_STAGE, "stage_f1", 0.50),
    Goal(
        "50 labels and planted pretraining",
        BAR | {"model": "bar head, 50 labels, planted pretraining"},
        "start_at_3",
        0.62,
    ),
    Goal(
        "rplant0.7: start ±3",
        BAR | {"data": "rplant0.7"},
        "start_at_3",
        0.78,
        if_missed=HARDER,
    ),
    Goal("rplant0.7: IoU", BAR | {"data": "rplant0.7"}, "iou_mean", 0.57, if_missed=HARDER),
)
MARGINS = (("the best rule", RULES, 0.12), ("boosting on starts", ("boosting, start",), 0.02))


def _verdict(met: bool, lacking: float | None) -> str:
    """Return the verdict on a mean, and on what its interval lacks (NaN with too few seeds)."""
    if met and lacking is not None and np.isnan(lacking):
        return "reached, too few seeds for an interval"
    return "met" if met and (lacking is None or lacking < 0) else "missed"


def goal_rows(table: pd.DataFrame) -> Iterator[tuple[str, str, str, str]]:
    """Yield what was to be reached, the limit, what was measured, and the verdict."""
    for goal in GOALS:
        found = goal.measured(table)
        if found is not None:
            sign = "≤" if goal.at_most else "≥"
            yield goal.what, f"{sign} {goal.limit:g}", str(found), goal.verdict(found)
    for name, models, limit in MARGINS:
        margins = [
            difference(table, BAR, {"data": MAIN, "model": model}, "start_at_3") for model in models
        ]
        least = min(margins, key=lambda margin: margin.value)
        if not np.isnan(least.value):
            verdict = _verdict(least.value >= limit, least.half - least.value)
            yield f"margin over {name}, interval above 0", f"≥ {limit:g}", str(least), verdict
