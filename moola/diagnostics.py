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

DEFAULT_S_PER_WINDOW = 0.005
"""Seconds a training window takes per epoch on one CPU core, until a run on this machine says."""


# ---- what a run got right and wrong


def window_errors(examples: Examples, predictions: pd.DataFrame) -> pd.DataFrame:
    """Return one row per predicted window, worst first.

    A window with several labelled spans is compared with the one nearest to the decoded span.

    Returns
    -------
    DataFrame
        ``window_uid, series_id, bar_start, split, start, end, type, predicted_start,
        predicted_end, predicted_type, confidence, error_bars, outcome``; spans are inclusive and
        ``NO_SPAN`` (-1) where there is none.
    """
    decoded = _per_window(predictions)
    rows = [
        _compare(examples, rows, decoded.loc[uid])
        for uid, rows in _rows_of_windows(examples).items()
        if uid in decoded.index
    ]
    table = pd.DataFrame(rows, columns=_ERROR_COLUMNS)
    return table.sort_values(
        ["error_bars", "confidence"], ascending=[False, True], kind="stable", ignore_index=True
    )


_ERROR_COLUMNS = [
    "window_uid", "series_id", "bar_start", "split", "start", "end", "type", "predicted_start",
    "predicted_end", "predicted_type", "confidence", "error_bars", "outcome",
]  # fmt: skip


def disagreements(errors: pd.DataFrame) -> dict[str, int]:
    """Return the error in bars of each window whose decoded span contradicts its label."""
    wrong = errors[errors["error_bars"] > DISAGREEMENT_BARS]
    return dict(zip(wrong["window_uid"], wrong["error_bars"].astype(int), strict=True))


def type_confusion(errors: pd.DataFrame) -> pd.DataFrame:
    """Return (3, 3) counts of windows: labelled type in the rows, predicted in the columns."""
    labelled = errors[errors["start"] != NO_SPAN]
    counts = pd.crosstab(labelled["type"], labelled["predicted_type"])
    names = list(SPAN_TYPES)
    return counts.reindex(index=names, columns=names, fill_value=0).astype(int)


def countdown_error_by_distance(errors: pd.DataFrame, predictions: pd.DataFrame) -> pd.DataFrame:
    """Return the countdown's absolute error by distance to the labelled start.

    Returns
    -------
    DataFrame
        ``distance_bars`` (start - bar, -20..20), ``mae_bars``, ``p90_bars``, ``n_windows``.
    """
    columns = ["distance_bars", "mae_bars", "p90_bars", "n_windows"]
    start = errors[errors["start"] != NO_SPAN].set_index("window_uid")["start"]
    known = predictions[predictions["window_uid"].isin(start.index)]
    known = known[known["countdown_bars"].notna()]
    if known.empty:
        return pd.DataFrame(columns=columns)
    limit = COUNTDOWN_CLIP_BARS
    distance = known["window_uid"].map(start) - known["bar"].astype(int)
    error = (known["countdown_bars"].clip(-limit, limit) - distance).abs()
    near = distance.abs() <= limit
    grouped = error[near].astype(float).groupby(distance[near].astype(int))
    table = grouped.agg(["mean", lambda e: e.quantile(0.9), "size"]).reset_index()
    return table.set_axis(columns, axis=1)


def curves(predictions: pd.DataFrame, window_uid: str) -> pd.DataFrame:
    """Return the rows of one window in the order of its bars."""
    return predictions[predictions["window_uid"] == window_uid].sort_values("bar")


def _per_window(predictions: pd.DataFrame) -> pd.DataFrame:
    return predictions.drop_duplicates("window_uid").set_index("window_uid")


def _rows_of_windows(examples: Examples) -> dict[str, list[int]]:
    rows: dict[str, list[int]] = {}
    for row, uid in enumerate(examples.window_uid.tolist()):
        rows.setdefault(uid, []).append(row)
    return rows


def _compare(examples: Examples, rows: list[int], decoded: pd.Series) -> tuple[Any, ...]:
    predicted = (int(decoded["start"]), int(decoded["end"]))
    row = min(rows, key=lambda r: _error_bars(_label(examples, r), predicted))
    label = _label(examples, row)
    error_bars = _error_bars(label, predicted)
    type_id = int(examples.type_id[row])
    probabilities = [decoded[f"prob_{name}"] for name in SPAN_TYPES]
    return (
        str(examples.window_uid[row]),
        str(examples.series_id[row]),
        int(examples.bar_start[row]),
        decoded["split"],
        *label,
        SPAN_TYPES[type_id] if type_id != NO_SPAN else "",
        *predicted,
        SPAN_TYPES[int(np.argmax(probabilities))],
        float(decoded["confidence"]),
        error_bars,
        _outcome(label, predicted, error_bars),
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


# ---- how long a run takes


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


# ---- histories


def thinned(history: Sequence[Mapping[str, Any]], *, n_max: int = 200) -> list[Mapping[str, Any]]:
    """Return at most about `n_max` epoch rows, evenly spaced and always with the newest."""
    step = -(-len(history) // n_max)
    return list(history[::-1][:: max(1, step)][::-1])


def series_of(history: Sequence[Mapping[str, Any]], metric: str) -> NDArray[np.float64]:
    """Return the values of one metric over the epochs, without the epochs that lack it."""
    values = [(row.get("metrics") or {}).get(metric) for row in history]
    return np.array([value for value in values if value is not None], float)
