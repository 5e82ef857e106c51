"""A run's windows as the Review page's curves of `moola.confidence`, and hits by tolerance."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from moola.confidence import (
    Abstention,
    Point,
    Reliability,
    choose_abstention,
    near_edges,
    point,
    reliability,
)
from moola.diagnostics import Curves
from moola.examples import NO_SPAN
from moola.review_tables import Reading

TOLERANCES = tuple(range(6))
COVERAGES = tuple(round(0.05 * step, 2) for step in range(2, 21))


def span_reliability(rows: Sequence[Reading]) -> Reliability | None:
    """Return the confidence of decoded spans against hits, on labelled windows."""
    found = _decided(rows)
    return reliability(
        [row.error.confidence for row in found],
        [row.is_hit for row in found],
        np.array([row.group for row in found], np.int64),
    )


def edge_reliability(
    rows: Sequence[Reading],
    curves: Mapping[str, Curves],
    inside: Mapping[str, NDArray[np.bool_]],
) -> Reliability | None:
    """Return the probability of being inside against the label, on bars near a labelled edge."""
    stated, truth, group = [], [], []
    for row in rows:
        probability = curves[row.window_uid].binary_prob
        if probability is None or not row.error.is_labelled:
            continue
        near = near_edges(np.array([row.error.start]), np.array([row.error.end]))[0]
        stated.append(probability[near])
        truth.append(inside[row.window_uid][near].astype(float))
        group.append(np.full(int(near.sum()), row.group))
    if not stated:
        return None
    return reliability(np.concatenate(stated), np.concatenate(truth), np.concatenate(group))


def tolerance_curve(rows: Sequence[Reading], *, edges: str = "both") -> list[Point]:
    """Return the share of labelled windows found within 0..5 bars, of both edges or the start."""
    found = [row for row in rows if row.error.is_labelled]
    if not found:
        return []
    group = np.array([row.group for row in found], np.int64)
    off = np.array([_off(row, edges) for row in found])
    return [point(float(bars), (off <= bars).astype(float), group) for bars in TOLERANCES]


def _off(row: Reading, edges: str) -> float:
    if row.start_off is None or row.end_off is None:
        return float("inf")
    return float(abs(row.start_off) if edges == "start" else row.error.error_bars)


def kept_hits(rows: Sequence[Reading]) -> list[Point]:
    """Return the share of hits among the most confident windows, by their share of all."""
    found = _decided(rows)
    if not found:
        return []
    found = sorted(found, key=lambda row: -row.error.confidence)
    hit = np.array([row.is_hit for row in found], float)
    group = np.array([row.group for row in found], np.int64)
    sizes = dict.fromkeys(max(1, round(share * len(found))) for share in COVERAGES)
    return [point(n / len(found), hit[:n], group[:n]) for n in sizes]


def abstention(rows: Sequence[Reading], *, wanted: float) -> Abstention | None:
    """Return the lowest confidence from which hits reach a share; see `choose_abstention`."""
    found = _decided(rows)
    return choose_abstention(
        np.array([row.error.confidence for row in found], float),
        np.array([row.is_hit for row in found], bool),
        np.array([row.group for row in found], np.int64),
        wanted=wanted,
    )


def _decided(rows: Sequence[Reading]) -> list[Reading]:
    """Return labelled windows in which the run sees a span and says how sure it is."""
    return [
        row
        for row in rows
        if row.error.is_labelled
        and row.error.predicted_start != NO_SPAN
        and np.isfinite(row.error.confidence)
    ]
