"""Score predicted spans, countdowns, centres and types, with intervals over groups of windows.

Every metric is a function of sums over windows (errors and bar counts, hits, cells of a confusion
matrix). That makes one bootstrap serve all of them: it draws groups of windows
(`moola.draw_groups`), adds up their sums, and applies the same function.

A window with several labelled spans has one prediction; it is scored against the span its
prediction comes nearest to, and a constant predictor is treated in the same way.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from moola.config import COUNTDOWN_CLIP_BARS
from moola.examples import NO_SPAN, Examples
from moola.exceptions import SchemaError
from moola.labels import encode_pointers
from moola.resampling import Floats, Score, Statistic, quotient, share_of_sums
from moola.schema import SPAN_TYPES, WINDOW_LENGTH

TOLERANCE_BARS = 3


@dataclass(frozen=True, kw_only=True, eq=False)
class Predicted:
    """What a model, or a constant, says about N rows of `Examples`, row for row."""

    start: NDArray[np.int64]  # (N,) decoded span, NO_SPAN without one
    end: NDArray[np.int64]  # (N,) inclusive
    center_norm: NDArray[np.floating]  # (N,) of the pointer head
    type_id: NDArray[np.int64]  # (N,)
    countdown_bars: NDArray[np.floating] | None  # (N, 105), None without a countdown head
    countdown_from_start_bars: NDArray[np.floating] | None = None  # (N, 105) to the median start

    @classmethod
    def join(cls, parts: Sequence[Self]) -> Self:
        """Return the rows of several predictions, one after another."""
        columns: dict[str, Any] = {}
        for name in (f.name for f in fields(cls)):
            values = [getattr(part, name) for part in parts]
            columns[name] = None if values[0] is None else np.concatenate(values)
        return cls(**columns)

    def take(self, rows: NDArray[Any]) -> Self:
        """Return the predictions at `rows` (indices or a boolean mask)."""
        columns = {f.name: getattr(self, f.name) for f in fields(self)}
        return replace(self, **{k: v if v is None else v[rows] for k, v in columns.items()})


class EdgeHits(NamedTuple):
    """(N,) each: whether both edges, the start, the end, the centre lie within the tolerance."""

    both: NDArray[np.bool_]
    start: NDArray[np.bool_]
    end: NDArray[np.bool_]
    center: NDArray[np.bool_]


def edge_hits(
    start: NDArray[np.int64],
    end: NDArray[np.int64],
    *,
    true_start: NDArray[np.int64],
    true_end: NDArray[np.int64],
    tolerance_bars: int = TOLERANCE_BARS,
) -> EdgeHits:
    """Compare predicted with labelled spans; no predicted span is a miss in every respect."""
    found = start != NO_SPAN
    start_hit = found & (np.abs(start - true_start) <= tolerance_bars)
    end_hit = found & (np.abs(end - true_end) <= tolerance_bars)
    center_hit = found & (np.abs(start + end - true_start - true_end) <= 2 * tolerance_bars)
    return EdgeHits(start_hit & end_hit, start_hit, end_hit, center_hit)


def span_iou(
    start: NDArray[np.int64],
    end: NDArray[np.int64],
    *,
    true_start: NDArray[np.int64],
    true_end: NDArray[np.int64],
) -> Floats:
    """Return (N,) bars in both spans over bars in either; 0 without a predicted span."""
    both = np.maximum(np.minimum(end, true_end) - np.maximum(start, true_start) + 1, 0)
    either = (end - start + 1) + (true_end - true_start + 1) - both
    return np.where(start == NO_SPAN, 0.0, both / either)


def countdown_errors(
    countdown_bars: NDArray[np.floating], *, true_start: NDArray[np.int64], clip: bool
) -> Floats:
    """Return (N, 105) absolute countdown errors in bars.

    With `clip`, prediction and target are cut at ±20 bars first: bars far from the start then
    cost nothing once their side is right, which flatters. Without it they are taken as they are.
    """
    target = true_start[:, None] - np.arange(WINDOW_LENGTH)
    if clip:
        limits = -COUNTDOWN_CLIP_BARS, COUNTDOWN_CLIP_BARS
        return np.abs(np.clip(countdown_bars, *limits) - np.clip(target, *limits))
    return np.abs(countdown_bars - target)


def confusion(true_type: ArrayLike, type_id: ArrayLike) -> Floats:
    """Return (3, 3) counts [labelled type, predicted type]."""
    cells = np.zeros((len(SPAN_TYPES), len(SPAN_TYPES)))
    np.add.at(cells, (np.asarray(true_type), np.asarray(type_id)), 1)
    return cells


def recalls(cells: Floats) -> Floats:
    """Return (..., 3) recall of each type; NaN where no window is labelled with it."""
    return quotient(np.diagonal(cells, axis1=-2, axis2=-1), cells.sum(-1))


def f1_macro(cells: Floats) -> Floats:
    """Return (...,) mean F1 over the types that occur among the labels."""
    labelled = cells.sum(-1)
    hits = np.diagonal(cells, axis1=-2, axis2=-1)
    f1 = np.where(labelled > 0, quotient(2 * hits, labelled + cells.sum(-2)), 0.0)
    return quotient(f1.sum(-1), (labelled > 0).sum(-1))


def recall_min(cells: Floats) -> Floats:
    """Return (...,) recall of the worst type among those that occur in the labels."""
    lowest = np.where(cells.sum(-1) > 0, np.nan_to_num(recalls(cells)), np.inf).min(-1)
    return np.where(np.isinf(lowest), np.nan, lowest)


def false_alarm_rate(examples: Examples, predicted: Predicted) -> float:
    """Return the share of windows without a label in which a span was found; NaN without any."""
    found = predicted.start[~examples.has_span] != NO_SPAN
    return float(found.mean()) if found.size else float("nan")


def score(examples: Examples, predicted: Predicted) -> dict[str, Score]:
    """Return every metric that can be computed; rows without a labelled span are left out.

    Keys: ``hit_at_3, start_at_3, end_at_3, center_at_3, iou_mean, iou_half_share,
    center_mae_norm, countdown_mae_bars, countdown_near_mae_bars, countdown_from_start_mae_bars,
    type_f1_macro, type_recall_min``; the countdown ones only where one was predicted.
    """
    if len(predicted.start) != len(examples):
        raise SchemaError(
            f"Predictions should match the examples row for row. "
            f"Found {len(predicted.start)} for {len(examples)}."
        )
    rows = examples.has_span
    examples, predicted = examples.take(rows), predicted.take(rows)
    return (
        _span_scores(examples, predicted)
        | _center_scores(examples, predicted)
        | _countdown_scores(examples, predicted)
        | _type_scores(examples, predicted)
    )


def _span_scores(examples: Examples, predicted: Predicted) -> dict[str, Score]:
    rows = _nearest_rows(examples, _edge_distance(examples, predicted))
    examples, predicted = examples.take(rows), predicted.take(rows)
    found, true = (predicted.start, predicted.end), (examples.start, examples.end)
    hits = edge_hits(*found, true_start=true[0], true_end=true[1])
    iou = span_iou(*found, true_start=true[0], true_end=true[1])
    values = {
        "hit_at_3": hits.both,
        "start_at_3": hits.start,
        "end_at_3": hits.end,
        "center_at_3": hits.center,
        "iou_mean": iou,
        "iou_half_share": iou >= 0.5,
    }
    return {key: _mean(value, examples.draw_group) for key, value in values.items()}


def _center_scores(examples: Examples, predicted: Predicted) -> dict[str, Score]:
    true_center = encode_pointers(examples.start, examples.end)[..., 0]
    error = np.abs(predicted.center_norm - true_center)
    rows = _nearest_rows(examples, error)
    return {"center_mae_norm": _mean(error[rows], examples.draw_group[rows])}


def _countdown_scores(examples: Examples, predicted: Predicted) -> dict[str, Score]:
    scores: dict[str, Score] = {}
    if predicted.countdown_bars is not None:
        clipped, rows = _clipped_countdown(examples, predicted.countdown_bars)
        plain = countdown_errors(predicted.countdown_bars, true_start=examples.start, clip=False)
        distance = np.abs(examples.start[:, None] - np.arange(WINDOW_LENGTH))
        near = ~examples.ignore & (distance <= COUNTDOWN_CLIP_BARS)
        scores["countdown_mae_bars"] = clipped
        scores["countdown_near_mae_bars"] = _bar_mean(plain[rows], near[rows], clipped.group)
    if predicted.countdown_from_start_bars is not None:
        found = _clipped_countdown(examples, predicted.countdown_from_start_bars)
        scores["countdown_from_start_mae_bars"] = found[0]
    return scores


def _clipped_countdown(
    examples: Examples, countdown_bars: NDArray[np.floating]
) -> tuple[Score, NDArray[np.int64]]:
    """Return the clipped error over all bars that count, and the rows that it is of."""
    counted = ~examples.ignore
    errors = countdown_errors(countdown_bars, true_start=examples.start, clip=True)
    rows = _nearest_rows(examples, (errors * counted).sum(axis=1))
    return _bar_mean(errors[rows], counted[rows], examples.draw_group[rows]), rows


def _type_scores(examples: Examples, predicted: Predicted) -> dict[str, Score]:
    rows = _nearest_rows(examples, _edge_distance(examples, predicted))
    n_types = len(SPAN_TYPES)
    cell = examples.type_id[rows] * n_types + predicted.type_id[rows]
    parts, group = np.eye(n_types**2)[cell], examples.draw_group[rows]

    def of_cells(metric: Statistic) -> Statistic:
        return lambda sums: metric(sums.reshape(-1, n_types, n_types))

    return {
        "type_f1_macro": Score(parts, group, of_cells(f1_macro)),
        "type_recall_min": Score(parts, group, of_cells(recall_min)),
    }


def _edge_distance(examples: Examples, predicted: Predicted) -> Floats:
    """Return (N,) bars between the edges, start plus end; infinite without a decoded span."""
    distance = np.abs(predicted.start - examples.start) + np.abs(predicted.end - examples.end)
    return np.where(predicted.start == NO_SPAN, np.inf, distance)


def _nearest_rows(examples: Examples, distance: Floats) -> NDArray[np.int64]:
    """Return one row per window: the one of smallest distance, the first of equal ones."""
    order = np.lexsort((distance, examples.window_uid))
    first = np.unique(examples.window_uid[order], return_index=True)[1]
    return np.sort(order[first])


def _mean(values: NDArray[Any], group: NDArray[np.int64]) -> Score:
    return Score(
        np.stack([values, np.ones(len(values))], axis=1, dtype=float), group, share_of_sums
    )


def _bar_mean(errors: Floats, counted: NDArray[np.bool_], group: NDArray[np.int64]) -> Score:
    parts = np.stack([(errors * counted).sum(axis=1), counted.sum(axis=1)], axis=1)
    return Score(parts, group, share_of_sums)
