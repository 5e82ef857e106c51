"""What the Review page reads of a run, and how its views are chosen."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from moola.desk import name_of
from moola.desk.overlay import PREDICTIONS, RUN_KINDS, RunResult, run_result
from moola.exceptions import MoolaError, RunError
from moola.review_tables import Reading
from moola.runs import RunFolder, list_runs
from moola.ui import cache, run_parts
from moola.workspace import Workspace

WINDOWS, CALIBRATION, ERRORS = "Windows", "Calibration", "Errors"
LEARNING, AUDIT, EXPORT = "Learning curve", "Label audit", "Card and export"
VIEWS = (WINDOWS, CALIBRATION, ERRORS, LEARNING, AUDIT, EXPORT)
MOST_OTHERS = 3
"""Further runs over the chart: more outlines than that could not be told apart."""
SPLITS = {"held-out": "val", "training": "train", "all": None}


def reviewable(workspace: Workspace) -> list[RunFolder]:
    """Return the runs that have predictions, cross-validations among them, newest first."""
    runs = list_runs(workspace.runs_dir, kinds=RUN_KINDS)
    return [run for run in runs if (run.path / PREDICTIONS).exists()]


def load(run: RunFolder) -> RunResult:
    """Return the run's predictions beside its labels."""
    result = run_result(run)
    if result is None:
        raise RunError(f"Run {run.id} should hold predictions. Found none in {run.path}.")
    return result


def choose_view() -> str:
    """Draw the switch between the views; what is not shown is not computed."""
    return st.segmented_control(
        "View",
        list(VIEWS),
        default=WINDOWS,
        required=True,
        key="review_view",
        label_visibility="collapsed",
        persist_state="session",
    )


def choose_others(run: RunFolder, found: Sequence[RunFolder]) -> dict[str, RunResult]:
    """Draw the choice of further runs to lay over the chart; return those that can be read."""
    by_id = {other.id: other for other in found if other.id != run.id}
    if not by_id:
        return {}
    chosen = st.multiselect(
        "Compare with",
        list(by_id),
        format_func=lambda run_id: run_parts.name_of(by_id[run_id]),
        max_selections=MOST_OTHERS,
        key="review_others",
        placeholder="up to three other runs",
        persist_state="session",
    )
    results = {}
    for run_id in chosen:
        try:
            results[run_parts.name_of(by_id[run_id])] = load(by_id[run_id])
        except MoolaError as error:
            st.warning(str(error), icon=":material/error:")
    return results


def held_out(result: RunResult) -> list[Reading]:
    """Return the windows that no training has seen."""
    return [row for row in result.rows if row.error.split == "val"]


def names_of(workspace: Workspace) -> dict[str, str]:
    """Return how a reader calls each window of the store."""
    return {row.window_uid: name_of(row) for row in cache.window_rows(workspace.store_url)}
