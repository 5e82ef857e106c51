"""The numbers of one decoder on the test windows, as plain floats."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from moola.baselines.rules import Spans
from moola.config import COUNTDOWN_CLIP_BARS
from moola.decode import DecodedSpans
from moola.examples import Examples
from moola.labels import encode_pointers
from moola.metrics import confusion, countdown_errors, edge_hits, f1_macro, span_iou
from moola.schema import SPAN_TYPES, WINDOW_LENGTH
from moola.type_stage import TypeStage

Floating = NDArray[np.floating]
COVERAGES = (0.75, 0.5, 0.25)
ECE_BINS = 10
TWO_TYPES = (SPAN_TYPES.index("consolidation"), SPAN_TYPES.index("retracement"))


def span_scores(test: Examples, spans: Spans | DecodedSpans) -> dict[str, float]:
    """Return how well spans match the labels, on all windows and on the surest ones."""
    true = {"true_start": test.start, "true_end": test.end}
    hits = edge_hits(spans.start, spans.end, true_start=test.start, true_end=test.end)
    center = encode_pointers(spans.start, spans.end)[:, 0]
    error = np.abs(center - encode_pointers(test.start, test.end)[:, 0])
    surest = np.argsort(-spans.confidence, kind="stable")
    values = {
        "start_at_3": hits.start.mean(),
        "hit_at_3": hits.both.mean(),
        "iou_mean": span_iou(spans.start, spans.end, **true).mean(),
        "center_mae": error.mean(),
        "center_mae_on_hits": error[hits.start].mean() if hits.start.any() else np.nan,
    }
    for coverage in COVERAGES if np.isfinite(spans.confidence).all() else ():
        rows = surest[: round(coverage * len(surest))]
        values[f"start_at_3@{coverage:g}"] = hits.start[rows].mean()
        values[f"center_mae@{coverage:g}"] = error[rows].mean()
    return {name: float(value) for name, value in values.items()}


def calibration_error(test: Examples, spans: DecodedSpans) -> float:
    """Return the gap between confidence and start hits over ten bins of equal size."""
    hits = edge_hits(spans.start, spans.end, true_start=test.start, true_end=test.end).start
    order = np.argsort(spans.confidence)
    gaps = [
        abs(spans.confidence[rows].mean() - hits[rows].mean()) * len(rows)
        for rows in np.array_split(order, ECE_BINS)
    ]
    return float(sum(gaps) / len(order))


def countdown_scores(
    train: Examples, test: Examples, countdown_bars: Floating | None
) -> dict[str, float]:
    """Return the clipped error in bars, and the skill over what each bar's place alone says."""
    if countdown_bars is None:
        return {}
    bar = np.arange(WINDOW_LENGTH)
    limits = -COUNTDOWN_CLIP_BARS, COUNTDOWN_CLIP_BARS
    usual = np.median(np.clip(train.start[:, None] - bar, *limits), axis=0)
    nothing = countdown_errors(np.tile(usual, (len(test), 1)), true_start=test.start, clip=True)
    errors = countdown_errors(countdown_bars, true_start=test.start, clip=True)
    return {
        "countdown_mae": float(errors.mean()),
        "countdown_skill": float(1 - errors.mean() / nothing.mean()),
    }


def type_scores(test: Examples, probabilities: Floating, prefix: str) -> dict[str, float]:
    """Return macro F1 over all types, and over two on the windows labelled with one of them."""
    rows = np.isin(test.type_id, TWO_TYPES)
    two = np.array(TWO_TYPES)[probabilities[rows][:, TWO_TYPES].argmax(axis=1)]
    return {
        f"{prefix}_f1": float(f1_macro(confusion(test.type_id, probabilities.argmax(axis=1)))),
        f"{prefix}_f1_two": float(f1_macro(confusion(test.type_id[rows], two))),
    }


def staged_types(
    stage: TypeStage | None, test: Examples, spans: DecodedSpans, head: Floating
) -> Floating:
    """Return (N, 3) type probabilities of the second stage at `spans`; the head's without one."""
    if stage is None:
        return head
    known = stage.probabilities(test.ohlc, spans.start, spans.end)
    return np.where(np.isfinite(known), known, head)
