"""One row a window of what a run says: by which to sort, group and judge it on the Review page.

``readings(examples, predictions)`` compares label and prediction; `SORTS` names every order of the
list; `grouped` counts hits by anything that a window has, with intervals over groups of windows
(`moola.draw_groups`). Columns that an older run lacks are NaN, and what needs them is not offered.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from moola.decoders import start_from_countdown
from moola.diagnostics import WindowError, window_errors
from moola.examples import NO_SPAN, Examples
from moola.metrics import span_iou
from moola.resampling import mean_interval
from moola.schema import WINDOW_LENGTH

SPREAD_BARS = 5
"""Three estimates of one start further apart than this ask for a second look."""
STARTS = {
    "binary": "start_binary",
    "pointer": "start_pointer",
    "countdown": "start_countdown",
}
"""What estimates a start, and the column that holds it."""
NAN = float("nan")


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """Label and prediction of one window in every respect that the page sorts by."""

    error: WindowError
    group: int
    """Windows of one number are drawn together for intervals."""
    start_off: int | None
    """Bars that the predicted start lies after the labelled one; None without both."""
    end_off: int | None
    iou: float
    """0 where only one of the two has a span, NaN where neither has."""
    p_no_span: float
    edge_entropy: float
    starts: Mapping[str, float]
    """The start by each head that gave one, in bars."""

    @property
    def window_uid(self) -> str:
        """Id of the window."""
        return self.error.window_uid

    @property
    def is_hit(self) -> bool:
        """Whether both edges lie within the tolerance."""
        return self.error.outcome == "hit"

    @property
    def start_spread(self) -> float:
        """Bars between the earliest and the latest estimate of the start; NaN with fewer than two.

        A window in which the run sees no span has no start to disagree about.
        """
        if len(self.starts) < 2 or self.error.predicted_start == NO_SPAN:
            return NAN
        return max(self.starts.values()) - min(self.starts.values())

    @property
    def is_torn(self) -> bool:
        """Whether the estimates of the start contradict each other."""
        return self.start_spread > SPREAD_BARS


@dataclass(frozen=True, slots=True)
class Sort:
    """One order of the window list: the value it goes by, largest or smallest first."""

    title: str
    value: Callable[[Reading], float]
    show: Callable[[float], str]
    rising: bool = False


def _bars(value: float) -> str:
    return f"{value:.0f} {'bar' if round(value) == 1 else 'bars'}"


def _share(value: float) -> str:
    return f"{value:.0%}"


def _size(off: int | None) -> float:
    return NAN if off is None else float(abs(off))


SORTS: dict[str, Sort] = {
    "error": Sort("Error of both edges", lambda r: r.error.error_bars, _bars),
    "start": Sort("Error of the start", lambda r: _size(r.start_off), _bars),
    "end": Sort("Error of the end", lambda r: _size(r.end_off), _bars),
    "iou": Sort("Overlap (IoU)", lambda r: r.iou, lambda v: f"IoU {v:.2f}", rising=True),
    "confident": Sort(
        "Confidence in an error",
        lambda r: NAN if r.is_hit or r.error.outcome == "quiet" else r.error.confidence,
        _share,
    ),
    "confidence": Sort("Confidence, least first", lambda r: r.error.confidence, _share, True),
    "entropy": Sort("Doubt about the edges", lambda r: r.edge_entropy, lambda v: f"{v:.2f} of 1"),
    "none": Sort("P(no span)", lambda r: r.p_no_span, _share),
    "spread": Sort("Three starts apart", lambda r: r.start_spread, _bars),
}
"""Every order by its key; the list offers those for which some window has a value."""
BETWEEN = "runs"
"""Key of the order by disagreement between runs, which needs a second run."""


def readings(examples: Examples, predictions: pd.DataFrame) -> list[Reading]:
    """Return a row for every predicted window, worst first."""
    first = predictions.drop_duplicates("window_uid").set_index("window_uid")
    uids: list[str] = first.index.to_numpy(str).tolist()
    columns = {
        "p_no_span": _column(first, "p_no_span"),
        "edge_entropy": _column(first, "edge_entropy"),
        **_starts(first, predictions),
    }
    at = {uid: row for row, uid in enumerate(uids)}
    groups = dict(zip(examples.window_uid.tolist(), examples.draw_group.tolist(), strict=True))
    found = []
    for error in window_errors(examples, predictions):
        row = at[error.window_uid]
        values = {name: float(column[row]) for name, column in columns.items()}
        found.append(_reading(error, groups[error.window_uid], values))
    return found


def _reading(error: WindowError, group: int, values: Mapping[str, float]) -> Reading:
    label, found = (error.start, error.end), (error.predicted_start, error.predicted_end)
    both = NO_SPAN not in (label[0], found[0])
    # A head that sees no span names no start.
    starts = {name: float(values[name]) for name in STARTS if values[name] >= 0}
    return Reading(
        error=error,
        group=group,
        start_off=found[0] - label[0] if both else None,
        end_off=found[1] - label[1] if both else None,
        iou=_iou(label, found),
        p_no_span=float(values["p_no_span"]),
        edge_entropy=float(values["edge_entropy"]),
        starts=starts,
    )


def _iou(label: tuple[int, int], found: tuple[int, int]) -> float:
    if label[0] == NO_SPAN:
        return NAN if found[0] == NO_SPAN else 0.0
    start, end, true_start, true_end = (np.array([bar]) for bar in (*found, *label))
    return float(span_iou(start, end, true_start=true_start, true_end=true_end)[0])


def _column(first: pd.DataFrame, name: str) -> NDArray[np.float64]:
    return first[name].to_numpy(float) if name in first else np.full(len(first), NAN)


def _starts(first: pd.DataFrame, predictions: pd.DataFrame) -> dict[str, NDArray[np.float64]]:
    """Return the start by each head, W windows; an older run's are worked out from its columns."""
    found = {name: _column(first, column) for name, column in STARTS.items()}
    if "start_pointer" not in first and "ptr_start" in first:
        found["pointer"] = first["ptr_start"].to_numpy(float)
    if "start_binary" not in first and _has(predictions, "binary_prob"):
        start = first["start"].to_numpy(float)
        found["binary"] = np.where(start == NO_SPAN, NAN, start)
    if "start_countdown" not in first and _has(predictions, "countdown_bars"):
        table = predictions.sort_values(["window_uid", "bar"])
        uids = table["window_uid"].to_numpy(str)[::WINDOW_LENGTH]
        countdown = table["countdown_bars"].to_numpy(float).reshape(-1, WINDOW_LENGTH)
        by_uid = dict(zip(uids.tolist(), start_from_countdown(countdown).tolist(), strict=True))
        found["countdown"] = np.array([by_uid[uid] for uid in first.index.to_numpy(str)])
    return found


def _has(predictions: pd.DataFrame, name: str) -> bool:
    return name in predictions and bool(predictions[name].notna().all())


def offered(rows: Iterable[Reading]) -> dict[str, Sort]:
    """Return the orders for which some window has a value."""
    rows = list(rows)
    return {
        key: sort
        for key, sort in SORTS.items()
        if any(math.isfinite(sort.value(row)) for row in rows)
    }


def ordered(rows: Iterable[Reading], sort: Sort) -> list[Reading]:
    """Return windows in an order; those without a value come last, worst first."""

    def key(row: Reading) -> tuple[bool, float, float]:
        value = sort.value(row)
        missing = not math.isfinite(value)
        place = 0.0 if missing else value if sort.rising else -value
        return missing, place, -row.error.error_bars

    return sorted(rows, key=key)


def between_runs(runs: Sequence[Sequence[Reading]]) -> Sort:
    """Return the order by how far several runs' spans lie apart, in bars of the further edge.

    A run that sees none where another sees one lies a whole window apart.
    """
    spans: dict[str, list[tuple[int, int]]] = {}
    for rows in runs:
        for row in rows:
            found = (row.error.predicted_start, row.error.predicted_end)
            spans.setdefault(row.window_uid, []).append(found)
    apart = {uid: _apart(found) for uid, found in spans.items()}
    return Sort("Disagreement of the runs", lambda row: apart.get(row.window_uid, NAN), _bars)


def _apart(spans: Sequence[tuple[int, int]]) -> float:
    if len(spans) < 2:
        return NAN
    seen = [span for span in spans if span[0] != NO_SPAN]
    if not seen:
        return 0.0
    if len(seen) < len(spans):
        return float(WINDOW_LENGTH)
    return float(max(max(edge) - min(edge) for edge in zip(*seen, strict=True)))


@dataclass(frozen=True, slots=True)
class Bucket:
    """Hits among the labelled windows of one kind; no interval from too few groups."""

    name: str
    n_windows: int
    n_hits: int
    low: float | None
    high: float | None
    median_off: float
    """Median distance of the start from its label, in bars; a missed span counts as none."""

    @property
    def share(self) -> float:
        """Share of windows with both edges within the tolerance."""
        return self.n_hits / self.n_windows


def grouped(rows: Iterable[Reading], kind_of: Callable[[Reading], str | None]) -> list[Bucket]:
    """Return a bucket for every kind of labelled window; `kind_of` may leave a window out."""
    of_kind: dict[str, list[Reading]] = {}
    for row in rows:
        kind = kind_of(row) if row.error.is_labelled else None
        if kind is not None:
            of_kind.setdefault(kind, []).append(row)
    return [_bucket(name, found) for name, found in of_kind.items()]


def _bucket(name: str, rows: Sequence[Reading]) -> Bucket:
    hits = np.array([row.is_hit for row in rows], float)
    group = np.array([row.group for row in rows], np.int64)
    low, high = mean_interval(hits, group)
    offs = [_size(row.start_off) for row in rows if row.start_off is not None]
    return Bucket(name, len(rows), int(hits.sum()), low, high, float(np.median(offs or [NAN])))


LENGTHS = ((1, 4), (5, 8), (9, 15), (16, WINDOW_LENGTH))
POSITIONS = ((0, 29), (30, 44), (45, 59), (60, 74), (75, WINDOW_LENGTH - 1))


def length_kind(row: Reading) -> str:
    """Return the class of length of a labelled span."""
    n_bars = row.error.end - row.error.start + 1
    first, last = next(pair for pair in LENGTHS if pair[0] <= n_bars <= pair[1])
    return f"{first}–{last} bars" if last < WINDOW_LENGTH else f"{first} bars or more"


def position_kind(row: Reading) -> str:
    """Return where in its window a labelled span starts."""
    first, last = next(pair for pair in POSITIONS if pair[0] <= row.error.start <= pair[1])
    return f"{first}–{last}"


LENGTH_KINDS = tuple(
    f"{a}–{b} bars" if b < WINDOW_LENGTH else f"{a} bars or more" for a, b in LENGTHS
)
POSITION_KINDS = tuple(f"{a}–{b}" for a, b in POSITIONS)
