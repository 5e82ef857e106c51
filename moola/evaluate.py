"""Judge a run against its targets: ``python -m moola evaluate --run RUN``.

Eight lines, and one more each with a type stage and with a bar head, on validation windows only,
with 95 % intervals and the score of the best constant predictors on the same windows. A
cross-validation has no lines of loss shares: they belong to epochs, and only its folds have those.
A verdict is *met* or *not met* when the whole interval lies on one side of the target, else
*undecided*: a handful of windows proves nothing. What a run lacks the head for is *not measured*.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from moola.atomic import write_json
from moola.confidence import ABSTENTION_FILE, WANTED_SHARE, as_stored, choose_abstention
from moola.criteria import (
    COUNTDOWN,
    COUNTDOWN_FROM_START,
    F1,
    SCORED_GOALS,
    TYPE_AT_LABELS,
    Criterion,
)
from moola.decode import countdown_to_median_start
from moola.examples import NO_SPAN, Examples
from moola.exceptions import RunError
from moola.floors import fit_constants
from moola.metrics import Predicted, edge_hits, score
from moola.runs import RunFolder
from moola.schema import SPAN_TYPES, WINDOW_LENGTH
from moola.share_lines import SHARE_GOALS, share_lines
from moola.span_measures import measure
from moola.success_lines import Scored, scored_line
from moola.type_stage import STAGE_COLUMNS, TypeStage, decided_types

CROSSVAL = "crossval"
"""The kind of a run that only gathers what its folds predict."""
OOF_FILE = "oof.parquet"
"""What every repeat of a cross-validation says of every window."""
SUCCESS_FILE = "success.json"
FLOOR_FILE = "floor.npz"
BASELINES_FILE = "baselines.json"
"""Scores of rules and boosting on the held-out windows, as `moola.baselines` wrote them."""
MEASURES_FILE = "measures.json"
"""What the table has no line for; see `moola.span_measures`."""
SUCCESS_SCHEMA = 1


def evaluate_run(run: RunFolder, *, wanted_hits: float = WANTED_SHARE) -> list[Criterion]:
    """Return the success table of `run` and store it as ``success.json``.

    Beside it goes ``abstention.json``: the confidence from which on hits reach `wanted_hits`.
    """
    criteria = _scored_lines(run, wanted_hits)
    if run.kind != CROSSVAL:
        criteria += share_lines(run.history())
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
        lines = [Criterion(**line) for line in stored["criteria"]]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise RunError(
            f"Run {run.id}: {SUCCESS_FILE} should hold a success table. Found: {error!r}."
        ) from error
    if run.kind != CROSSVAL:
        return lines
    never_measured = {goal.key for goal in SHARE_GOALS}  # which an older table lists all the same
    return [line for line in lines if line.key not in never_measured]


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
    countdown = _per_bar(table, "countdown_bars", window)
    start_prob = _per_bar(table, "start_prob", window)
    return Predicted(
        start=first["start"].to_numpy(np.int64),
        end=first["end"].to_numpy(np.int64),
        center_norm=first["ptr_center_norm"].to_numpy(float),
        type_id=decided_types(first),
        countdown_bars=countdown,
        countdown_from_start_bars=(
            None if start_prob is None else countdown_to_median_start(start_prob)
        ),
    )


def _per_bar(
    table: pd.DataFrame, name: str, window: NDArray[np.int64]
) -> NDArray[np.float64] | None:
    """Return (N, 105) a column of a sorted table; None where a run does not say."""
    if name not in table:
        return None
    values = table[name].to_numpy(float).reshape(-1, WINDOW_LENGTH)[window]
    return None if np.isnan(values).all() else values


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


def predicted_by_seed(run: RunFolder, examples: Examples) -> list[Predicted]:
    """Return what each seed of a run says of `examples`: a cross-validation has one a repeat.

    Nothing before the run has predicted.
    """
    table = run.predictions()
    if table is None:
        return []
    path = run.path / OOF_FILE
    tables = [table]
    if path.exists():
        every = pd.read_parquet(path)
        tables = [found for _, found in every.groupby("repeat")]
    try:
        return [align_predictions(found, examples) for found in tables]
    except (KeyError, ValueError, TypeError) as error:
        raise RunError(f"Run {run.id}: predictions.parquet cannot be used: {error}.") from error


def _scored_lines(run: RunFolder, wanted_hits: float) -> list[Criterion]:
    table = run.predictions()
    if table is None:
        why = "Not computed yet: predictions are written when the run ends."
        return [goal.line(note=why) for goal in SCORED_GOALS]
    examples = run.examples()
    is_val = examples.is_val
    floor = read_floor(run, examples)
    seeds = [found.take(is_val) for found in predicted_by_seed(run, examples)]
    val, predicted = examples.take(is_val), seeds[0]
    if val.has_span.any():
        _keep_measures(run, table, val, predicted, wanted_hits)
    scored = Scored(
        examples=val,
        predicted=predicted,
        seeds=[score(val, found) for found in seeds],
        floor=score(val, floor),
        baselines=read_baselines(run),
        has_heads=run.config().use_expansion_heads,
        type_note=_by_what(table, val),
    )
    lines = [scored_line(goal, scored) for goal in SCORED_GOALS]
    stage = _type_stage_line(run, table, scored)
    beside = {F1: stage, COUNTDOWN: _countdown_from_start_line(run, scored)}
    return [
        line
        for goal, own in zip(SCORED_GOALS, lines, strict=True)
        for line in (own, beside.get(goal))
        if line is not None
    ]


def _keep_measures(
    run: RunFolder, table: pd.DataFrame, val: Examples, predicted: Predicted, wanted_hits: float
) -> None:
    """Write what the table has no line for, and the confidence to abstain below."""
    sure = _confidence(table, val)
    inside = _inside(table, val)
    write_json(run.path / MEASURES_FILE, measure(val, predicted, sure, inside_prob=inside))
    known = val.has_span & np.isfinite(sure) & (predicted.start != NO_SPAN)
    hit = edge_hits(predicted.start, predicted.end, true_start=val.start, true_end=val.end).both
    chosen = choose_abstention(sure[known], hit[known], val.draw_group[known], wanted=wanted_hits)
    write_json(run.path / ABSTENTION_FILE, as_stored(chosen, wanted=wanted_hits))


def _type_stage_line(run: RunFolder, table: pd.DataFrame, scored: Scored) -> Criterion | None:
    """Return how well the type stage names types where the start is known; None without one."""
    val = scored.examples
    said = np.full((len(val), len(SPAN_TYPES)), np.nan)
    folder = _stage_folders(run, table, val)
    for name in np.unique(folder):
        stage, rows = TypeStage.load(Path(name)), folder == name
        if stage is not None:
            said[rows] = stage.probabilities(val.ohlc[rows], val.start[rows], val.end[rows])
    if not np.isfinite(said[val.has_span]).all() or not val.has_span.any():
        return None
    type_id = np.nan_to_num(said, nan=-1.0).argmax(axis=1)
    named = replace(scored.predicted, start=val.start, end=val.end, type_id=type_id)
    scores = {TYPE_AT_LABELS.key: score(val, named)[F1.key]}
    floor = {TYPE_AT_LABELS.key: scored.floor[F1.key]}
    return scored_line(TYPE_AT_LABELS, replace(scored, seeds=[scores], floor=floor))


def _countdown_from_start_line(run: RunFolder, scored: Scored) -> Criterion | None:
    """Return how far off the countdown to the start's median is; None without a bar head."""
    key = COUNTDOWN_FROM_START.key
    if run.config().pointer_head != "bar" or key not in scored.model:
        return None
    # The others' countdown follows from their start as well.
    baselines = {
        kind: {
            name: {key: values[COUNTDOWN.key]}
            for name, values in found.items()
            if COUNTDOWN.key in values
        }
        for kind, found in scored.baselines.items()
    }
    floor = scored.floor | {key: scored.floor[COUNTDOWN.key]}
    return scored_line(COUNTDOWN_FROM_START, replace(scored, floor=floor, baselines=baselines))


def _stage_folders(run: RunFolder, table: pd.DataFrame, val: Examples) -> NDArray[np.str_]:
    """Return (N,) the folder whose type stage never saw each row."""
    if "fold" not in table:
        return np.full(len(val), str(run.path))
    first = table.drop_duplicates("window_uid").set_index("window_uid")["fold"]
    folds = first.reindex(val.window_uid).to_numpy(np.int64)
    return np.array([str(run.path / "folds" / f"r0-f{fold}") for fold in folds.tolist()])


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


def _inside(table: pd.DataFrame, examples: Examples) -> NDArray[np.float64] | None:
    """Return (N, 105) the probability of each bar to lie inside; None where a table has none."""
    if "binary_prob" not in table:
        return None
    wide = table.pivot(index="window_uid", columns="bar", values="binary_prob")
    return wide.reindex(examples.window_uid).to_numpy(np.float64)
