"""What the success table has no line for: events, tolerances, surest windows, honest confidence.

``moola evaluate`` keeps them in ``measures.json``. Intervals are drawn over groups of windows that
share bars, like those of the table.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from moola.examples import NO_SPAN, Examples
from moola.labels import encode_pointers
from moola.metrics import Predicted, edge_hits
from moola.resampling import Score

Floats = NDArray[np.float64]
TOLERANCES = range(6)
COVERAGES = (1.0, 0.75, 0.5, 0.25)
N_BINS = 8
WANTED_RISK = 0.2
N_PARTS = 5
"""Parts of the windows of which four choose a threshold and one shows what it is worth."""


def measure(
    examples: Examples,
    predicted: Predicted,
    confidence: Floats,
    *,
    wanted_risk: float = WANTED_RISK,
) -> dict[str, Any]:
    """Return every measure as plain numbers and lists.

    Parameters
    ----------
    confidence
        (N,) how sure the decoder is of each row's span; NaN where it does not say.
    """
    labelled, found = examples.take(examples.has_span), predicted.take(examples.has_span)
    sure = confidence[examples.has_span]
    true: dict[str, Any] = {"true_start": labelled.start, "true_end": labelled.end}
    both, starts = [], []
    for bars in TOLERANCES:
        hits = edge_hits(found.start, found.end, tolerance_bars=bars, **true)
        both.append(_shown(_share(hits.both, labelled.group)))
        starts.append(_shown(_share(hits.start, labelled.group)))
    hit = edge_hits(found.start, found.end, **true).both
    center = np.abs(found.center_norm - encode_pointers(labelled.start, labelled.end)[..., 0])
    values: dict[str, Any] = {
        "tolerance_curve": both,
        "tolerance_curve_start": starts,
        "center_mae_norm_on_hits": _shown(_share(center[hit], labelled.group[hit])),
        **{name: _shown(line) for name, line in event_scores(examples, predicted).items()},
    }
    known = np.isfinite(sure) & (found.start != NO_SPAN)
    if known.any():
        values |= _of_confidence(sure[known], hit[known], center[known], labelled.group[known])
        values["abstention"] = abstention(
            sure[known], hit[known], labelled.group[known], wanted_risk=wanted_risk
        )
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
    group[window] = examples.group
    parts = np.stack([n_hit, n_found, n_true], axis=1)
    return {
        "event_precision": Score(parts, group, lambda s: _over(s[:, 0], s[:, 1])),
        "event_recall": Score(parts, group, lambda s: _over(s[:, 0], s[:, 2])),
        "event_f1": Score(parts, group, lambda s: _over(2 * s[:, 0], s[:, 1] + s[:, 2])),
    }


def calibration_error(confidence: Floats, hit: NDArray[np.bool_], group: Any) -> Score:
    """Return the mean gap between confidence and hits, over bins of equally many windows."""
    n_bins = max(1, min(N_BINS, len(hit) // N_BINS))
    rank = np.argsort(np.argsort(confidence, kind="stable"), kind="stable")
    cells = np.eye(n_bins)[rank * n_bins // len(rank)]
    parts = np.concatenate([cells * confidence[:, None], cells * hit[:, None], cells], axis=1)

    def gap(sums: Floats) -> Floats:
        stated, right, n = np.split(sums, 3, axis=1)
        return _over(np.abs(stated - right).sum(axis=1), n.sum(axis=1))

    return Score(parts, group, gap)


def risk_coverage(confidence: Floats, hit: NDArray[np.bool_]) -> tuple[Floats, Floats]:
    """Return (N,) share of windows kept, surest first, and (N,) share of misses among them.

    >>> coverage, risk = risk_coverage(np.array([0.9, 0.2]), np.array([True, False]))
    >>> coverage.tolist(), risk.tolist()
    ([0.5, 1.0], [0.0, 0.5])
    """
    order = np.argsort(-confidence, kind="stable")
    n_kept = np.arange(1, len(order) + 1)
    return n_kept / len(order), np.cumsum(~hit[order]) / n_kept


def abstention(
    confidence: Floats, hit: NDArray[np.bool_], group: NDArray[np.int64], *, wanted_risk: float
) -> dict[str, float | None]:
    """Return the confidence above which misses stay within a share, and what that is worth.

    The threshold is chosen on all windows, where it flatters itself. ``risk`` and ``coverage`` are
    therefore those of thresholds that four fifths of the groups chose, on the remaining fifth.
    """
    part = np.unique(group, return_inverse=True)[1] % N_PARTS
    kept = np.zeros(len(hit), bool)
    for number in range(N_PARTS):
        here = part == number
        threshold = _threshold(confidence[~here], hit[~here], wanted_risk)
        kept[here] = threshold is not None and confidence[here] >= threshold
    return {
        "wanted_risk": wanted_risk,
        "threshold": _threshold(confidence, hit, wanted_risk),
        "coverage": float(kept.mean()),
        "risk": float((~hit[kept]).mean()) if kept.any() else None,
    }


def _threshold(confidence: Floats, hit: NDArray[np.bool_], wanted_risk: float) -> float | None:
    if not len(hit):
        return None
    within = np.flatnonzero(risk_coverage(confidence, hit)[1] <= wanted_risk)
    return float(np.sort(confidence)[::-1][within[-1]]) if len(within) else None


def _of_confidence(
    confidence: Floats, hit: NDArray[np.bool_], center: Floats, group: NDArray[np.int64]
) -> dict[str, Any]:
    coverage, risk = risk_coverage(confidence, hit)
    order = np.argsort(-confidence, kind="stable")
    surest = {share: order[: max(1, round(share * len(order)))] for share in COVERAGES}
    return {
        "ece_span": _shown(calibration_error(confidence, hit, group)),
        "brier_span": _shown(_share((confidence - hit) ** 2, group)),
        "aurc": float(risk.mean()),
        "risk_coverage": [coverage.tolist(), risk.tolist()],
        "hit_by_coverage": {f"{k:g}": float(hit[rows].mean()) for k, rows in surest.items()},
        "center_by_coverage": {f"{k:g}": float(center[rows].mean()) for k, rows in surest.items()},
    }


def _share(values: NDArray[Any], group: NDArray[np.int64]) -> Score:
    parts = np.stack([values, np.ones(len(values))], axis=1, dtype=float)
    return Score(parts, group, lambda sums: _over(sums[:, 0], sums[:, 1]))


def _over(above: Floats, below: Floats) -> Floats:
    return np.divide(above, below, out=np.full(len(below), np.nan), where=below > 0)


def _shown(line: Score) -> dict[str, float | None]:
    """Return a score's value and interval; None where nothing was counted."""
    numbers = dict(zip(("value", "low", "high"), (line.value, *line.interval()), strict=True))
    return {name: number if np.isfinite(number) else None for name, number in numbers.items()}
