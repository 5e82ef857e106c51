"""What the success table has no line for: events, tolerances, surest windows, honest confidence.

``moola evaluate`` keeps them in ``measures.json``. Intervals are drawn over groups of windows
(`moola.draw_groups`), like those of the table.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import numpy as np
from numpy.typing import NDArray

from moola.confidence import (
    WANTED_SHARE,
    calibration_error,
    choose_abstention,
    near_edges,
    none_offered,
    reliability,
    risk_coverage,
)
from moola.examples import NO_SPAN, Examples
from moola.labels import encode_pointers
from moola.metrics import Predicted, edge_hits
from moola.resampling import Score, quotient, share_of_sums

Floats = NDArray[np.float64]
TOLERANCES = range(6)
COVERAGES = (1.0, 0.75, 0.5, 0.25)


def measure(
    examples: Examples,
    predicted: Predicted,
    confidence: Floats,
    inside_prob: Floats | None = None,
) -> dict[str, Any]:
    """Return every measure as plain numbers and lists.

    Parameters
    ----------
    confidence
        (N,) how sure the decoder is of each row's span; NaN where it does not say.
    inside_prob
        (N, 105) probability of each bar to lie inside; NaN, or None, where a run does not say.
    """
    labelled, found = examples.take(examples.has_span), predicted.take(examples.has_span)
    sure = confidence[examples.has_span]
    true: dict[str, Any] = {"true_start": labelled.start, "true_end": labelled.end}
    both, starts = [], []
    for bars in TOLERANCES:
        hits = edge_hits(found.start, found.end, tolerance_bars=bars, **true)
        both.append(_shown(_share(hits.both, labelled.draw_group)))
        starts.append(_shown(_share(hits.start, labelled.draw_group)))
    hit = edge_hits(found.start, found.end, **true).both
    center = np.abs(found.center_norm - encode_pointers(labelled.start, labelled.end)[..., 0])
    values: dict[str, Any] = {
        "tolerance_curve": both,
        "tolerance_curve_start": starts,
        "center_mae_norm_on_hits": _shown(_share(center[hit], labelled.draw_group[hit])),
        **{name: _shown(line) for name, line in event_scores(examples, predicted).items()},
    }
    known = np.isfinite(sure) & (found.start != NO_SPAN)
    if known.any():
        values |= _of_confidence(sure[known], hit[known], center[known], labelled.draw_group[known])
        chosen = choose_abstention(sure[known], hit[known], labelled.draw_group[known])
        values["abstention"] = (
            {"none": none_offered(WANTED_SHARE)} if chosen is None else asdict(chosen)
        )
    if inside_prob is not None:
        values |= _near_edges(labelled, inside_prob[examples.has_span])
    return values


def event_scores(examples: Examples, predicted: Predicted) -> dict[str, Score]:
    """Return precision, recall and F1 of spans, where a match has both edges within ±3 bars.

    A window holds one predicted span at most, which may match one of its labelled ones.
    """
    uids, window = np.unique(examples.window_uid, return_inverse=True)
    hits = edge_hits(
        predicted.start, predicted.end, true_start=examples.start, true_end=examples.end
    )
    n_true, n_hit = np.zeros(len(uids)), np.zeros(len(uids))
    n_found, group = np.zeros(len(uids)), np.zeros(len(uids), np.int64)
    np.add.at(n_true, window, examples.has_span)
    np.maximum.at(n_hit, window, hits.both & examples.has_span)
    np.maximum.at(n_found, window, predicted.start != NO_SPAN)
    group[window] = examples.draw_group
    parts = np.stack([n_hit, n_found, n_true], axis=1)
    return {
        "event_precision": Score(parts, group, lambda s: quotient(s[:, 0], s[:, 1])),
        "event_recall": Score(parts, group, lambda s: quotient(s[:, 0], s[:, 2])),
        "event_f1": Score(parts, group, lambda s: quotient(2 * s[:, 0], s[:, 1] + s[:, 2])),
    }


def _of_confidence(
    confidence: Floats, hit: NDArray[np.bool_], center: Floats, group: NDArray[np.int64]
) -> dict[str, Any]:
    coverage, risk = risk_coverage(confidence, hit)
    order = np.argsort(-confidence, kind="stable")
    surest = {share: order[: max(1, round(share * len(order)))] for share in COVERAGES}
    return {
        **_calibrated("span", confidence, hit, group),
        "brier_span": _shown(_share((confidence - hit) ** 2, group)),
        "aurc": float(risk.mean()),
        "risk_coverage": [coverage.tolist(), risk.tolist()],
        "hit_by_coverage": {f"{k:g}": float(hit[rows].mean()) for k, rows in surest.items()},
        "center_by_coverage": {f"{k:g}": float(center[rows].mean()) for k, rows in surest.items()},
    }


def _near_edges(labelled: Examples, inside_prob: Floats) -> dict[str, Any]:
    """Return how honest the probability of being inside is on bars near a labelled edge."""
    near = near_edges(labelled.start, labelled.end) & ~labelled.ignore & np.isfinite(inside_prob)
    if not near.any():
        return {}
    group = np.broadcast_to(labelled.draw_group[:, None], near.shape)[near]
    return _calibrated("edges", inside_prob[near], labelled.inside[near], group)


def _calibrated(
    name: str, stated: Floats, happened: NDArray[np.bool_], group: NDArray[np.int64]
) -> dict[str, Any]:
    """Return calibration error and reliability, bin by bin with how many cases it holds."""
    found = reliability(stated, happened, group)
    return {
        f"ece_{name}": _shown(calibration_error(stated, happened.astype(float), group)),
        f"reliability_{name}": [
            {"stated": p.x, "happened": p.share, "low": p.low, "high": p.high, "n": p.n}
            for p in (found.points if found else ())
        ],
    }


def _share(values: NDArray[Any], group: NDArray[np.int64]) -> Score:
    parts = np.stack([values, np.ones(len(values))], axis=1, dtype=float)
    return Score(parts, group, share_of_sums)


def _shown(line: Score) -> dict[str, float | None]:
    """Return a score's value and interval; None where nothing was counted."""
    numbers = dict(zip(("value", "low", "high"), (line.value, *line.interval()), strict=True))
    return {name: number if np.isfinite(number) else None for name, number in numbers.items()}
