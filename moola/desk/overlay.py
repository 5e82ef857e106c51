"""What a run says about a window, for the desk to draw over the candles."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

from moola import diagnostics
from moola.diagnostics import Curves, WindowError
from moola.examples import NO_SPAN, Examples
from moola.exceptions import MoolaError, RunError
from moola.review_tables import Reading, readings
from moola.runs import RunFolder, list_runs
from moola.schema import WINDOW_LENGTH

PREDICTIONS = "predictions.parquet"
RUN_KINDS = ("finetune", "crossval")
"""Kinds of runs that say something about labelled windows."""


@dataclass(frozen=True, eq=False)
class RunResult:
    """A finished run's examples and predictions, and how they compare."""

    examples: Examples
    rows: list[Reading]  # worst first
    curves: dict[str, Curves]

    @cached_property
    def errors(self) -> list[WindowError]:
        """Label and prediction of every window, worst first."""
        return [row.error for row in self.rows]

    @cached_property
    def by_uid(self) -> dict[str, Reading]:
        """What the run says of each window, by its id."""
        return {row.window_uid: row for row in self.rows}

    def disagreements(self) -> dict[str, int]:
        """Return the error in bars of every window that the run reads otherwise."""
        return diagnostics.disagreements(self.errors)


def run_result(run: RunFolder) -> RunResult | None:
    """Return what a run predicted, or None while it has written no predictions."""
    try:
        written_ns = (run.path / PREDICTIONS).stat().st_mtime_ns
    except OSError:
        return None
    return _run_result(run.path, written_ns)


@lru_cache(maxsize=8)
def _run_result(folder: Path, written_ns: int) -> RunResult | None:
    run = RunFolder(folder)
    examples, predictions = run.examples(), run.predictions()
    if predictions is None:
        return None
    try:
        rows = readings(examples, predictions)
        return RunResult(examples, rows, diagnostics.curves_by_window(predictions))
    except (KeyError, ValueError, TypeError) as error:
        raise RunError(
            f"Run {run.id}: {PREDICTIONS} should hold {WINDOW_LENGTH} bars of every window "
            f"in the columns that predict writes. Found a problem with {error}."
        ) from error


def result_of(runs_dir: Path, run_id: str | None) -> RunResult | None:
    """Return what a run predicted; without an id, the newest run that can be read."""
    runs = list_runs(runs_dir, kinds=RUN_KINDS)
    if run_id is None:
        return next(filter(None, map(_readable, runs)), None)
    for run in runs:
        if run.id == run_id:
            return run_result(run)
    raise RunError(f"A run should have the id {run_id!r}. Found none.")


def _readable(run: RunFolder) -> RunResult | None:
    try:
        return run_result(run)
    except MoolaError:
        return None  # a damaged run is told of where runs are shown


def overlay(result: RunResult | None, window_uid: str) -> Mapping[str, Any] | None:
    """Return the decoded span and the per-bar heads of one window; None if the run knows it not."""
    if result is None or window_uid not in result.curves:
        return None
    error = result.by_uid[window_uid].error
    curves, has_span = result.curves[window_uid], error.predicted_start != NO_SPAN
    return {
        "start": error.predicted_start if has_span else None,
        "end": error.predicted_end if has_span else None,
        "confidence": None if error.confidence != error.confidence else error.confidence,
        "binary": None if curves.binary_prob is None else curves.binary_prob.round(4).tolist(),
        "countdown": (
            None if curves.countdown_bars is None else curves.countdown_bars.round(2).tolist()
        ),
    }
