"""Is a run as sure as it is right, and what is won by looking only where it is sure?

Reliability of the span's confidence and of the bars near an edge, hits by tolerance, and hits by
coverage. Every interval is drawn over groups of windows that share bars.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from moola.diagnostics import Curves
from moola.examples import NO_SPAN
from moola.resampling import group_interval, share_of_sums
from moola.review_tables import MIN_GROUPS, Reading
from moola.schema import WINDOW_LENGTH

Floats = NDArray[np.float64]
N_BINS = 8
MIN_PER_BIN = 8
NEAR_BARS = 10
"""Bars of an edge in which calibration is judged: elsewhere "outside" is right by itself."""
TOLERANCES = tuple(range(6))
COVERAGES = tuple(round(0.05 * step, 2) for step in range(2, 21))


@dataclass(frozen=True, slots=True)
class Point:
    """One point of a curve, with its interval where the windows are enough for one."""

    x: float
    share: float
    low: float | None
    high: float | None
    n: int


@dataclass(frozen=True, slots=True)
class Reliability:
    """Stated probability against what happened, in bins of about equal many cases."""

    points: tuple[Point, ...]
    error: float
    """Expected calibration error: the mean distance of the two, weighted by cases."""
    n: int


def point(x: float, truth: Floats, group: NDArray[np.int64]) -> Point:
    """Return the share of `truth` with its interval over groups."""
    low = high = None
    if len(np.unique(group)) >= MIN_GROUPS:
        parts = np.stack([truth, np.ones(len(truth))], axis=1)
        low, high = group_interval(parts, group, share_of_sums, n_draws=400)
    return Point(x, float(truth.mean()), low, high, len(truth))


def reliability(
    probability: ArrayLike, truth: ArrayLike, group: NDArray[np.int64]
) -> Reliability | None:
    """Return N stated probabilities against what happened; None without any."""
    stated, happened = np.asarray(probability, float), np.asarray(truth, float)
    known = np.isfinite(stated)
    stated, happened, group = stated[known], happened[known], group[known]
    if not len(stated):
        return None
    n_bins = max(1, min(N_BINS, len(stated) // MIN_PER_BIN))
    # Bins hold equal many cases, not equal widths: most confidences lie close together.
    bins = np.array_split(np.argsort(stated, kind="stable"), n_bins)
    points = tuple(point(float(stated[rows].mean()), happened[rows], group[rows]) for rows in bins)
    error = sum(item.n * abs(item.share - item.x) for item in points) / len(stated)
    return Reliability(points, float(error), len(stated))


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
    bar = np.arange(WINDOW_LENGTH)
    for row in rows:
        probability = curves[row.window_uid].binary_prob
        if probability is None or not row.error.is_labelled:
            continue
        edges = np.array([row.error.start, row.error.end])
        near = np.abs(bar[:, None] - edges).min(axis=1) <= NEAR_BARS
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


def risk_coverage(rows: Sequence[Reading]) -> list[Point]:
    """Return the share of hits among the most confident windows, by their share of all."""
    found = _decided(rows)
    if not found:
        return []
    found = sorted(found, key=lambda row: -row.error.confidence)
    hit = np.array([row.is_hit for row in found], float)
    group = np.array([row.group for row in found], np.int64)
    sizes = dict.fromkeys(max(1, round(share * len(found))) for share in COVERAGES)
    return [point(n / len(found), hit[:n], group[:n]) for n in sizes]


@dataclass(frozen=True, slots=True)
class Abstention:
    """Speak only above a confidence: what is kept then, and how much of it is right."""

    threshold: float
    coverage: float
    share: float
    low: float | None
    n: int


def abstention(rows: Sequence[Reading], *, wanted: float) -> Abstention | None:
    """Return the lowest confidence above which hits reach a share; None if none does.

    It is chosen on the very windows that it is judged on, so among few windows it flatters: a
    threshold that keeps fewer than 10 windows is not offered.
    """
    found = sorted(_decided(rows), key=lambda row: -row.error.confidence)
    if len(found) < MIN_GROUPS:
        return None
    hit = np.array([row.is_hit for row in found], float)
    group = np.array([row.group for row in found], np.int64)
    reached = np.flatnonzero(np.cumsum(hit) / np.arange(1, len(hit) + 1) >= wanted)
    if not len(reached) or reached[-1] + 1 < MIN_GROUPS:
        return None
    n = int(reached[-1]) + 1
    kept = point(n / len(found), hit[:n], group[:n])
    return Abstention(found[n - 1].error.confidence, kept.x, kept.share, kept.low, n)


def _decided(rows: Sequence[Reading]) -> list[Reading]:
    """Return labelled windows in which the run sees a span and says how sure it is."""
    return [
        row
        for row in rows
        if row.error.is_labelled
        and row.error.predicted_start != NO_SPAN
        and np.isfinite(row.error.confidence)
    ]
