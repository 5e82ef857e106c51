"""Judge a run against its targets: ``python -m moola evaluate --run RUN``.

Eight lines, on validation windows only, with 95 % intervals and the score of the best constant
predictors on the same windows. A verdict is *met* or *not met* when the whole interval lies on
one side of the target, else *undecided*: a handful of windows proves nothing.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from moola.criteria import (
    CENTER,
    COUNTDOWN,
    F1,
    HIT,
    RECALL,
    Criterion,
    Goal,
)
from moola.examples import Examples
from moola.exceptions import RunError
from moola.floors import fit_constants
from moola.metrics import Predicted, false_alarm_rate, recalls, score
from moola.resampling import Score
from moola.runs import RunFolder, write_json
from moola.schema import SPAN_TYPES, WINDOW_LENGTH
from moola.share_lines import share_lines
from moola.span_measures import measure
from moola.type_stage import STAGE_COLUMNS, decided_types

SUCCESS_FILE = "success.json"
FLOOR_FILE = "floor.npz"
BASELINES_FILE = "baselines.json"
"""Scores of rules and boosting on the held-out windows, as `moola.baselines` wrote them."""
MEASURES_FILE = "measures.json"
"""What the table has no line for; see `moola.span_measures`."""
SUCCESS_SCHEMA = 1
MIN_GROUPS = 10
"""With fewer a bootstrap interval can shrink to one point: three hits of three prove nothing."""
BASELINE_KINDS = ("rules", "boosting")
SCORED_GOALS = (HIT, COUNTDOWN, CENTER, F1, RECALL)


@dataclass(frozen=True, eq=False)
class _Scored:
    """The validation rows, and their scores for the model and for the constant predictors."""

    examples: Examples
    predicted: Predicted
    model: dict[str, Score]
    floor: dict[str, Score]
    baselines: dict[str, dict[str, dict[str, float]]]
    has_heads: bool
    type_note: str  # by what the types were named


def evaluate_run(run: RunFolder) -> list[Criterion]:
    """Return the success table of `run` and store it as ``success.json``."""
    history = run.history()
    criteria = [*_scored_lines(run), *share_lines(history)]
    stored = {"schema": SUCCESS_SCHEMA, "criteria": [asdict(line) for line in criteria]}
    write_json(run.path / SUCCESS_FILE, stored)
    return criteria


def read_success(run: RunFolder) -> list[Criterion] | None:
    """Return the stored success table, or None before the run was evaluated."""
    path = run.path / SUCCESS_FILE
    if not path.exists():
        return None
    try:
        stored = json.loads(path.read_text(encoding="utf-8"))
        return [Criterion(**line) for line in stored["criteria"]]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise RunError(
            f"Run {run.id}: {SUCCESS_FILE} should hold a success table. Found: {error!r}."
        ) from error


def read_baselines(run: RunFolder) -> dict[str, dict[str, dict[str, float]]]:
    """Return the score of every rule and boosting by kind, name and metric; none before stored."""
    path = run.path / BASELINES_FILE
    if not path.exists():
        return {}
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise RunError(f"Run {run.id}: {BASELINES_FILE} should be JSON. Found: {error}.") from error


def format_success(criteria: Sequence[Criterion]) -> str:
    """Return the table as text, each note below its line."""
    head = "constant", "rules", "boosting", "windows", "verdict"
    rows: list[tuple[str, ...]] = [("", "target", "value", "95 % interval", *head)]
    for line in criteria:
        interval = "–" if line.low is None else f"{line.show(line.low)} .. {line.show(line.high)}"
        n_windows = "–" if line.n_windows is None else str(line.n_windows)
        others = (line.show(number) for number in (line.floor, line.rules, line.boosting))
        row = line.name, line.target, line.show(line.value), interval, *others
        rows.append((*row, n_windows, line.verdict))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    notes = ["", *(line.note for line in criteria)]
    text = ""
    for row, note in zip(rows, notes, strict=True):
        cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        text += "  ".join(cells).rstrip() + "\n" + (f"    {note}\n" if note else "")
    return text.rstrip("\n")


def align_predictions(table: pd.DataFrame, examples: Examples) -> Predicted:
    """Return the predictions of ``predictions.parquet`` row for row with `examples`."""
    table = table.sort_values(["window_uid", "bar"])
    uids, n_bars = np.unique(table["window_uid"].to_numpy(str), return_counts=True)
    n_missing = len(set(examples.window_uid.tolist()) - set(uids.tolist()))
    n_partial = int((n_bars != WINDOW_LENGTH).sum())
    if n_missing or n_partial:
        raise RunError(
            f"Predictions should hold {WINDOW_LENGTH} bars of every window of the run. "
            f"Found {n_missing} windows missing and {n_partial} incomplete."
        )
    window = np.searchsorted(uids, examples.window_uid)
    first = table.iloc[window * WINDOW_LENGTH]
    countdown = table["countdown_bars"].to_numpy(float).reshape(-1, WINDOW_LENGTH)[window]
    return Predicted(
        start=first["start"].to_numpy(np.int64),
        end=first["end"].to_numpy(np.int64),
        center_norm=first["ptr_center_norm"].to_numpy(float),
        type_id=decided_types(first),
        countdown_bars=None if np.isnan(countdown).all() else countdown,
    )


def write_floor(run: RunFolder, floor: Predicted) -> None:
    """Keep the constant predictions for the held-out rows of a run, where each fold has its own."""
    columns = {k: v for k, v in vars(floor).items() if v is not None}
    np.savez_compressed(run.path / FLOOR_FILE, **columns)


def read_floor(run: RunFolder, examples: Examples) -> Predicted:
    """Return what the best constants say of the held-out rows of a run."""
    path = run.path / FLOOR_FILE
    if not path.exists():
        n_val = int(examples.is_val.sum())
        return fit_constants(examples.take(~examples.is_val)).predict(n_val)
    with np.load(path, allow_pickle=False) as stored:
        return Predicted(**{name: stored[name] for name in stored.files})


def _scored_lines(run: RunFolder) -> list[Criterion]:
    table = run.predictions()
    if table is None:
        why = "Not computed yet: predictions are written when the run ends."
        return [goal.line(note=why) for goal in SCORED_GOALS]
    examples = run.examples()
    try:
        predicted = align_predictions(table, examples)
    except (KeyError, ValueError, TypeError) as error:
        raise RunError(f"Run {run.id}: predictions.parquet cannot be used: {error}.") from error
    floor = read_floor(run, examples)
    val, predicted = examples.take(examples.is_val), predicted.take(examples.is_val)
    if val.has_span.any():
        sure = _confidence(table, val)
        write_json(run.path / MEASURES_FILE, measure(val, predicted, sure))
    scored = _Scored(
        examples=val,
        predicted=predicted,
        model=score(val, predicted),
        floor=score(val, floor),
        baselines=read_baselines(run),
        has_heads=run.config().use_expansion_heads,
        type_note=_by_what(table, val),
    )
    return [_scored_line(goal, scored) for goal in SCORED_GOALS]


def _by_what(table: pd.DataFrame, val: Examples) -> str:
    """Say if the type stage names the types, and what the network's own head reaches."""
    if not table.filter(STAGE_COLUMNS).notna().any(axis=None):  # an older run
        return ""
    head = score(val, align_predictions(table.drop(columns=STAGE_COLUMNS), val))[F1.key].value
    return f"Named from the bars before the predicted start; the network's own head: {head:.2f}."


def _confidence(table: pd.DataFrame, examples: Examples) -> NDArray[np.float64]:
    """Return (N,) how sure the decoder is of each row's span; NaN where the table does not say."""
    if "confidence" not in table:
        return np.full(len(examples), np.nan)
    first = table.drop_duplicates("window_uid").set_index("window_uid")["confidence"]
    return first.reindex(examples.window_uid).to_numpy(np.float64)


def _scored_line(goal: Goal, scored: _Scored) -> Criterion:
    metric = scored.model.get(goal.key)
    if metric is None:
        return goal.line(note="Not computed: this run trained no countdown head.")
    n_windows, value = len(metric.group), metric.value
    if not math.isfinite(value):
        why = "the predictions are not finite" if n_windows else "no labelled validation window"
        return goal.line(n_windows=n_windows, note=f"Not computed: {why}.")
    interval, floor = metric.interval(), scored.floor[goal.key].value
    verdict, too_few = goal.verdict(*interval), _too_few(goal, metric)
    others = {kind: _best_of(goal, scored.baselines.get(kind, {})) for kind in BASELINE_KINDS}
    notes = [
        _NOTES[goal.key](scored),
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
    if n_groups < MIN_GROUPS:
        return f"Undecided: {n_groups} groups of overlapping windows are fewer than {MIN_GROUPS}."
    return _rare_types(goal, metric) if goal is RECALL else ""


def _rare_types(goal: Goal, metric: Score) -> str:
    """Return which types are too rare to judge, unless a common one fails by itself."""
    counts = _type_cells(metric).sum(axis=1)
    rare = [name for name, n in zip(SPAN_TYPES, counts, strict=True) if 0 < n < MIN_GROUPS]
    is_common = np.repeat(counts >= MIN_GROUPS, len(SPAN_TYPES))
    common = Score(metric.parts * is_common, metric.group, metric.statistic)
    if not rare or goal.verdict(*common.interval()) == "not met":
        return ""
    return f"Undecided: fewer than {MIN_GROUPS} windows of {' and '.join(rare)}."


def _floor_note(goal: Goal, value: float, *, floor: float, interval: tuple[float, float]) -> str:
    if not goal.is_better(value, floor):
        return "No better than the best constant predictor."
    if goal.verdict(floor, floor) == "met":
        return "The best constant predictor reaches the target too."
    if interval[0] <= floor <= interval[1]:
        return "Not clearly better than the best constant predictor: it lies in the interval."
    return ""


def _hit_note(scored: _Scored) -> str:
    notes = [f"Start alone {scored.model['start_at_3'].value:.0%}."]
    notes += [] if scored.has_heads else ["Spans come from the pointers: no binary head."]
    n_empty = int((~scored.examples.has_span).sum())
    if n_empty:
        rate = false_alarm_rate(scored.examples, scored.predicted)
        notes.append(f"False alarms: {rate:.0%} of {n_empty} windows without a span.")
    return " ".join(notes)


def _countdown_note(scored: _Scored) -> str:
    value, floor = (side[COUNTDOWN.key].value for side in (scored.model, scored.floor))
    near = scored.model["countdown_near_mae_bars"].value
    skill = f"skill {1 - value / floor:.0%} over one profile for all windows; " if floor else ""
    return f"All bars, clipped to ±20: {skill}{near:.1f} bars where the start is within 20."


def _center_note(scored: _Scored) -> str:
    return f"{scored.model[CENTER.key].value * (WINDOW_LENGTH - 1):.1f} bars."


def _type_note(scored: _Scored) -> str:
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


_NOTES: dict[str, Callable[[_Scored], str]] = {
    HIT.key: _hit_note,
    COUNTDOWN.key: _countdown_note,
    CENTER.key: _center_note,
    F1.key: lambda scored: scored.type_note,
    RECALL.key: _type_note,
}
