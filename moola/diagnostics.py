"""Tables and sentences for the pages: what a run got wrong, how long it takes, what it neglects."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import median
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from moola.config import COUNTDOWN_CLIP_BARS
from moola.examples import NO_SPAN, Examples
from moola.exceptions import MoolaError
from moola.runs import RunFolder
from moola.schema import SPAN_TYPES, WINDOW_LENGTH
from moola.type_stage import decided_type

Floats = NDArray[np.float64]
DISAGREEMENT_BARS = 3
"""A decoded edge further than this from its label is worth a second look."""

Outcome = Literal["hit", "off", "missed", "false alarm", "quiet"]
OUTCOME_HELP: dict[Outcome, str] = {
    "hit": f"both edges within ±{DISAGREEMENT_BARS} bars",
    "off": f"an edge more than {DISAGREEMENT_BARS} bars away",
    "missed": "labelled, but no span decoded",
    "false alarm": "decoded, but no span labelled",
    "quiet": "no span labelled and none decoded",
}

MISSED_BARS = WINDOW_LENGTH
"""Error of a window where only one of label and prediction has a span: worse than any edge."""

EDGE_COLUMNS = ("start_prob", "end_prob")
"""Per bar: the posterior of the span's first and of its last bar."""
DEFAULT_S_PER_WINDOW = 0.003
"""Seconds a training window takes per epoch on one CPU core, until a run on this machine says."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WindowError:
    """Label and prediction of one window; spans are inclusive, ``NO_SPAN`` (-1) where none is."""

    window_uid: str
    split: str
    start: int
    end: int
    type: str
    predicted_start: int
    predicted_end: int
    predicted_type: str
    confidence: float
    error_bars: int
    outcome: Outcome

    @property
    def is_labelled(self) -> bool:
        """Whether the window has a labelled span."""
        return self.start != NO_SPAN


@dataclass(frozen=True, eq=False)
class Curves:
    """What the per-bar heads say in one window; None for a run without them."""

    binary_prob: Floats | None  # (105,)
    countdown_bars: Floats | None  # (105,)
    start_prob: Floats | None = None  # (105,) posterior of the first bar
    end_prob: Floats | None = None  # (105,) posterior of the last bar


@dataclass(frozen=True, eq=False)
class CountdownErrors:
    """Absolute countdown errors at D distances (start - bar) from the labelled start, in bars."""

    distance_bars: NDArray[np.int64]  # (D,)
    mae_bars: Floats  # (D,)
    p90_bars: Floats  # (D,)
    n_windows: NDArray[np.int64]  # (D,)


def window_errors(examples: Examples, predictions: pd.DataFrame) -> list[WindowError]:
    """Return label and prediction of every predicted window, worst first.

    A window with several labelled spans is compared with the one nearest to the decoded span.
    """
    decoded = {row["window_uid"]: row for row in _first_rows(predictions)}
    errors = [
        _compare(examples, rows, decoded[uid])
        for uid, rows in _rows_of_windows(examples).items()
        if uid in decoded
    ]
    return sorted(errors, key=lambda error: (-error.error_bars, error.confidence))


def curves_by_window(predictions: pd.DataFrame) -> dict[str, Curves]:
    """Return the per-bar predictions of every window, in the order of the bars."""
    table = predictions.sort_values(by=["window_uid", "bar"])
    uids = table["window_uid"].to_numpy(str)[::WINDOW_LENGTH]
    # A run made before there were posteriors of the edges lacks their columns.
    names = ("binary_prob", "countdown_bars", *(n for n in EDGE_COLUMNS if n in table))
    columns = (_per_bar(table, name) for name in names)
    return {str(uid): Curves(*values) for uid, *values in zip(uids, *columns, strict=True)}


def disagreements(errors: Iterable[WindowError]) -> dict[str, int]:
    """Return the error in bars of each window whose decoded span contradicts its label."""
    return {e.window_uid: e.error_bars for e in errors if e.error_bars > DISAGREEMENT_BARS}


def type_confusion(errors: Iterable[WindowError]) -> NDArray[np.int64]:
    """Return (3, 3) counts of windows: labelled type in the rows, predicted in the columns."""
    counts = np.zeros((len(SPAN_TYPES), len(SPAN_TYPES)), np.int64)
    index = {name: i for i, name in enumerate(SPAN_TYPES)}
    for error in errors:
        if error.is_labelled:
            counts[index[error.type], index[error.predicted_type]] += 1
    return counts


def countdown_errors(
    errors: Iterable[WindowError], curves: Mapping[str, Curves]
) -> CountdownErrors | None:
    """Return the countdown's error by distance, -20..20; None if no window can tell."""
    limit = COUNTDOWN_CLIP_BARS
    table = np.full((0, 2 * limit + 1), np.nan)
    for error in errors:
        countdown = curves[error.window_uid].countdown_bars
        if error.is_labelled and countdown is not None:
            distance = error.start - np.arange(WINDOW_LENGTH)
            near = np.abs(distance) <= limit
            row = np.full(2 * limit + 1, np.nan)
            miss = np.abs(np.clip(countdown, -limit, limit) - distance)
            row[distance[near] + limit] = miss[near]
            table = np.vstack([table, row])
    seen = np.isfinite(table).any(axis=0)
    if not seen.any():
        return None
    return CountdownErrors(
        distance_bars=np.arange(-limit, limit + 1)[seen],
        mae_bars=np.nanmean(table[:, seen], axis=0),
        p90_bars=np.nanquantile(table[:, seen], 0.9, axis=0),
        n_windows=np.isfinite(table[:, seen]).sum(axis=0),
    )


def _per_bar(table: pd.DataFrame, name: str) -> Iterable[Floats | None]:
    values = table[name].to_numpy(float).reshape(-1, WINDOW_LENGTH)
    return [None if np.isnan(row).all() else row for row in values]


def _first_rows(predictions: pd.DataFrame) -> list[dict[str, Any]]:
    """Return one row per window: what is said of a window stands on each of its bars."""
    rows: list[dict[Any, Any]] = predictions.drop_duplicates("window_uid").to_dict("records")
    return rows


def _rows_of_windows(examples: Examples) -> dict[str, list[int]]:
    rows: dict[str, list[int]] = {}
    for row, uid in enumerate(examples.window_uid.tolist()):
        rows.setdefault(uid, []).append(row)
    return rows


def _compare(examples: Examples, rows: list[int], decoded: Mapping[str, Any]) -> WindowError:
    predicted = (int(decoded["start"]), int(decoded["end"]))
    row = min(rows, key=lambda r: _error_bars(_label(examples, r), predicted))
    label = _label(examples, row)
    error_bars = _error_bars(label, predicted)
    return WindowError(
        window_uid=str(examples.window_uid[row]),
        split=str(decoded["split"]),
        start=label[0],
        end=label[1],
        type="" if label[0] == NO_SPAN else SPAN_TYPES[examples.type_id[row]],
        predicted_start=predicted[0],
        predicted_end=predicted[1],
        predicted_type=decided_type(decoded),
        confidence=float(decoded["confidence"]),
        error_bars=error_bars,
        outcome=_outcome(label, predicted, error_bars),
    )


def _label(examples: Examples, row: int) -> tuple[int, int]:
    return int(examples.start[row]), int(examples.end[row])


def _error_bars(label: tuple[int, int], predicted: tuple[int, int]) -> int:
    """Return the larger of the two edge errors."""
    if (label[0] == NO_SPAN) != (predicted[0] == NO_SPAN):
        return MISSED_BARS
    return max(abs(label[0] - predicted[0]), abs(label[1] - predicted[1]))


def _outcome(label: tuple[int, int], predicted: tuple[int, int], error_bars: int) -> Outcome:
    if label[0] == NO_SPAN:
        return "quiet" if predicted[0] == NO_SPAN else "false alarm"
    if predicted[0] == NO_SPAN:
        return "missed"
    return "hit" if error_bars <= DISAGREEMENT_BARS else "off"


@dataclass(frozen=True, slots=True)
class Pace:
    """Seconds per training window and epoch, and where the number comes from."""

    s_per_window: float
    source: str


def epoch_seconds(history: Sequence[Mapping[str, Any]]) -> float | None:
    """Return the median seconds of an epoch; a pause between stop and resume does not count."""
    walls = [0.0, *(row.get("wall") or 0.0 for row in history)]
    steps = [after - before for before, after in pairwise(walls)]
    positive = [step for step in steps if step > 0]
    return median(positive) if positive else None


def time_left_s(history: Sequence[Mapping[str, Any]], *, epochs: int) -> float | None:
    """Return the seconds until the last planned epoch, or None before the first has finished."""
    seconds = epoch_seconds(history)
    if seconds is None or not history:
        return None
    return max(0, epochs - history[-1]["epoch"]) * seconds


def measured_pace(runs: Iterable[RunFolder], *, device: str) -> Pace:
    """Return the pace of the newest run on `device` that can tell, or a stated default."""
    for run in runs:
        try:
            resolved, seconds = run.resolved(), epoch_seconds(run.history())
        except MoolaError:
            continue
        n_train = resolved.get("n_train")
        if seconds and n_train and _same_device(resolved.get("device", ""), device):
            return Pace(seconds / n_train, f"measured in run {run.id}")
    return Pace(DEFAULT_S_PER_WINDOW, "a guess for one CPU core: no run has been measured here yet")


def _same_device(used: str, wanted: str) -> bool:
    return wanted == "auto" or used.split(":")[0] == wanted


def duration_text(seconds: float) -> str:
    """Return a duration as a reader would say it.

    >>> [duration_text(s) for s in (0.4, 42, 150, 4000)]
    ['less than a second', '42 s', '2 min 30 s', '1 h 6 min']
    """
    if seconds < 1:
        return "less than a second"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        minutes, rest = divmod(whole, 60)
        return f"{minutes} min {rest} s" if rest else f"{minutes} min"
    hours, rest = divmod(whole, 3600)
    return f"{hours} h {rest // 60} min"


def thinned(history: Sequence[Mapping[str, Any]], *, n_max: int = 200) -> list[Mapping[str, Any]]:
    """Return at most about `n_max` epoch rows, evenly spaced and always with the newest."""
    step = -(-len(history) // n_max)
    return list(history[::-1][:: max(1, step)][::-1])


def series_of(history: Sequence[Mapping[str, Any]], metric: str) -> Floats:
    """Return the values of one metric over the epochs, without the epochs that lack it."""
    values = [(row.get("metrics") or {}).get(metric) for row in history]
    return np.array([value for value in values if value is not None], float)
