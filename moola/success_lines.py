"""The scored lines of the success table: value, interval, floors, verdict, and a note."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from moola.criteria import (
    CENTER,
    COUNTDOWN,
    COUNTDOWN_FROM_START,
    F1,
    HIT,
    RECALL,
    TYPE_AT_LABELS,
    Criterion,
    Goal,
)
from moola.examples import Examples
from moola.metrics import Predicted, false_alarm_rate, recalls
from moola.resampling import LEAST_GROUPS, Score, over_seeds
from moola.schema import SPAN_TYPES, WINDOW_LENGTH

BASELINE_KINDS = ("rules", "boosting")


@dataclass(frozen=True, eq=False)
class Scored:
    """The validation rows, and their scores for the model and for the constant predictors."""

    examples: Examples
    predicted: Predicted
    seeds: list[dict[str, Score]]  # one a seed that predicted the same rows, the run's own first
    floor: dict[str, Score]
    baselines: dict[str, dict[str, dict[str, float]]]
    has_heads: bool
    type_note: str  # by what the types were named

    @property
    def model(self) -> dict[str, Score]:
        """The scores of the run's own seed."""
        return self.seeds[0]


def scored_line(goal: Goal, scored: Scored) -> Criterion:
    """Return one line; over several seeds the value is their mean, and the interval draws both."""
    metric = scored.model.get(goal.key)
    if metric is None:
        why = "Not measured: this run trained no countdown head."
        return goal.line(verdict="not measured", note=why)
    found = over_seeds([scores[goal.key] for scores in scored.seeds])
    n_windows, value = len(metric.group), found.value
    if not math.isfinite(value):
        why = "the predictions are not finite" if n_windows else "no labelled validation window"
        return goal.line(n_windows=n_windows, note=f"Not computed: {why}.")
    interval, floor = (found.low, found.high), scored.floor[goal.key].value
    if len(scored.seeds) == 1:
        interval = metric.interval()  # of few groups too: the note says how few they are
    verdict, too_few = goal.verdict(*interval), _too_few(goal, metric)
    others = {kind: _best_of(goal, scored.baselines.get(kind, {})) for kind in BASELINE_KINDS}
    n_seeds = len(scored.seeds)
    notes = [
        _NOTES[goal.key](scored),
        f"Mean over {n_seeds} seeds; the interval draws seeds and windows." if n_seeds > 1 else "",
        _floor_note(goal, value, floor=floor, interval=interval),
        *(
            f"No better than {kind}."
            for kind, other in others.items()
            if other is not None and not goal.is_better(value, other)
        ),
        too_few if verdict != "undecided" else _to_decide(goal, value, interval, n_windows),
    ]
    low, high = (edge if math.isfinite(edge) else None for edge in interval)
    return goal.line(
        value=value,
        low=low,
        high=high,
        floor=floor,
        **others,
        n_windows=n_windows,
        verdict="undecided" if too_few else verdict,
        note=" ".join(note for note in notes if note),
    )


def _best_of(goal: Goal, scores: dict[str, dict[str, float]]) -> float | None:
    """Return the best value of several baselines: chosen after the fact, in their favour."""
    values = [found[goal.key] for found in scores.values() if goal.key in found]
    return (max if math.isinf(goal.high) else min)(values, default=None)


def _to_decide(goal: Goal, value: float, interval: tuple[float, float], n_windows: int) -> str:
    needed = goal.windows_to_decide(value, interval, n_windows)
    return f"About {needed:,} windows like these would decide." if needed else ""


def _too_few(goal: Goal, metric: Score) -> str:
    """Return why the windows cannot decide whatever the interval says, or nothing."""
    n_groups = len(np.unique(metric.group))
    if not goal.is_target:
        return ""
    if n_groups < LEAST_GROUPS:
        return (
            f"Undecided: {n_groups} groups of neighbouring windows are fewer than {LEAST_GROUPS}."
        )
    return _rare_types(goal, metric) if goal is RECALL else ""


def _rare_types(goal: Goal, metric: Score) -> str:
    """Return which types are too rare to judge, unless a common one fails by itself."""
    counts = _type_cells(metric).sum(axis=1)
    rare = [name for name, n in zip(SPAN_TYPES, counts, strict=True) if 0 < n < LEAST_GROUPS]
    is_common = np.repeat(counts >= LEAST_GROUPS, len(SPAN_TYPES))
    common = Score(metric.parts * is_common, metric.group, metric.statistic)
    if not rare or goal.verdict(*common.interval()) == "not met":
        return ""
    return f"Undecided: fewer than {LEAST_GROUPS} windows of {' and '.join(rare)}."


def _floor_note(goal: Goal, value: float, *, floor: float, interval: tuple[float, float]) -> str:
    if not goal.is_better(value, floor):
        return "No better than the best constant predictor."
    if goal.verdict(floor, floor) == "met":
        return "The best constant predictor reaches the target too."
    if interval[0] <= floor <= interval[1]:
        return "Not clearly better than the best constant predictor: it lies in the interval."
    return ""


def _hit_note(scored: Scored) -> str:
    notes = [f"Start alone {scored.model['start_at_3'].value:.0%}."]
    notes += [] if scored.has_heads else ["Spans come from the pointers: no binary head."]
    n_empty = int((~scored.examples.has_span).sum())
    if n_empty:
        rate = false_alarm_rate(scored.examples, scored.predicted)
        notes.append(f"False alarms: {rate:.0%} of {n_empty} windows without a span.")
    return " ".join(notes)


def _countdown_note(scored: Scored) -> str:
    near = scored.model["countdown_near_mae_bars"].value
    return (
        f"All bars, clipped to ±20: {_skill(scored, COUNTDOWN)}{near:.1f} bars where the start is "
        "within 20."
    )


def _countdown_from_start_note(scored: Scored) -> str:
    head = scored.model.get(COUNTDOWN.key)
    return (
        "Bars to the median of the bar head's start posterior, clipped to ±20: "
        f"{_skill(scored, COUNTDOWN_FROM_START)}"
        + (f"the countdown head says {head.value:.2f} bars. " if head else "")
        + "The target is the head's alone."
    )


def _skill(scored: Scored, goal: Goal) -> str:
    value, floor = (side[goal.key].value for side in (scored.model, scored.floor))
    return f"skill {1 - value / floor:.0%} over one profile for all windows; " if floor else ""


def _center_note(scored: Scored) -> str:
    return f"{scored.model[CENTER.key].value * (WINDOW_LENGTH - 1):.1f} bars."


def _type_note(scored: Scored) -> str:
    cells = _type_cells(scored.model[RECALL.key])
    counts = cells.sum(axis=1).astype(int)
    known = [
        f"{name} {recall:.2f} ({n})"
        for name, recall, n in zip(SPAN_TYPES, recalls(cells), counts, strict=True)
        if n
    ]
    absent = [name for name, n in zip(SPAN_TYPES, counts, strict=True) if n == 0]
    text = f"Recall (windows): {', '.join(known)}."
    return text + (f" Not among them: {', '.join(absent)}." if absent else "")


def _type_cells(metric: Score) -> np.ndarray:
    return metric.parts.sum(axis=0).reshape(len(SPAN_TYPES), -1)


_NOTES: dict[str, Callable[[Scored], str]] = {
    HIT.key: _hit_note,
    COUNTDOWN.key: _countdown_note,
    COUNTDOWN_FROM_START.key: _countdown_from_start_note,
    CENTER.key: _center_note,
    F1.key: lambda scored: scored.type_note,
    RECALL.key: _type_note,
    TYPE_AT_LABELS.key: lambda _: "By the type stage alone, at the starts that people marked.",
}
