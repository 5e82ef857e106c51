"""Is a run as sure as it is right, and what is won by speaking only where it is sure?

Plain arrays in: reliability of stated probabilities, misses by coverage, and a confidence below
which a run had better say nothing. Intervals are drawn over groups of `moola.draw_groups`.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from moola.examples import NO_SPAN
from moola.exceptions import RunError
from moola.resampling import Floats, Groups, Score, mean_interval, share_of_sums
from moola.schema import WINDOW_LENGTH

N_BINS = 8
MIN_PER_BIN = 8
NEAR_BARS = 10
"""Bars of an edge in which calibration is judged: elsewhere "outside" is right by itself."""
WANTED_SHARE = 0.8
MIN_KEPT = 10
"""A threshold that keeps fewer windows has not shown what its hits are worth."""
N_PARTS = 5
"""Parts of the windows of which four choose a threshold and one shows what it is worth."""
ABSTENTION_FILE = "abstention.json"


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


@dataclass(frozen=True, slots=True)
class Abstention:
    """Speak only from a confidence on: what is kept then, and how much of it is right.

    The threshold is chosen on the very windows of `coverage` and `share`, which flatters both.
    Those that are `judged` are of thresholds that four fifths of the groups chose, on the others.
    """

    wanted: float
    threshold: float
    coverage: float
    share: float
    low: float | None
    """Lower end of the share's interval."""
    n: int
    """Windows kept, of `n_windows`."""
    n_windows: int
    judged_coverage: float
    judged_share: float | None
    """None where nothing was kept."""

    def __str__(self) -> str:
        text = (
            f"confidence of {self.threshold:.2f} and above: {self.coverage:.0%} of "
            f"{self.n_windows} held-out windows, of which {self.share:.0%} were hit"
        )
        if self.judged_share is None:
            return text
        return (
            f"{text} (thresholds chosen on other windows: {self.judged_coverage:.0%}, of which "
            f"{self.judged_share:.0%})"
        )


def point(x: float, truth: Floats, group: Groups) -> Point:
    """Return the share of `truth` with its interval over groups."""
    low, high = mean_interval(truth, group, n_draws=400)
    return Point(x, float(truth.mean()), low, high, len(truth))


def bins_of(stated: Floats) -> NDArray[np.int64]:
    """Return (N,) the bin of each stated probability, equally many in each, lowest first.

    Bins of equal width would not do: most confidences lie close together.
    """
    n_bins = max(1, min(N_BINS, len(stated) // MIN_PER_BIN))
    rank = np.argsort(np.argsort(stated, kind="stable"), kind="stable")
    return rank * n_bins // max(len(stated), 1)


def reliability(probability: ArrayLike, truth: ArrayLike, group: Groups) -> Reliability | None:
    """Return N stated probabilities against what happened; None without any."""
    stated, happened = np.asarray(probability, float), np.asarray(truth, float)
    known = np.isfinite(stated)
    stated, happened, group = stated[known], happened[known], group[known]
    if not len(stated):
        return None
    number = bins_of(stated)
    bins = [np.flatnonzero(number == one) for one in np.unique(number)]
    points = tuple(point(float(stated[rows].mean()), happened[rows], group[rows]) for rows in bins)
    return Reliability(points, calibration_error(stated, happened, group).value, len(stated))


def calibration_error(stated: Floats, happened: NDArray, group: Groups) -> Score:
    """Return the mean gap between stated probability and what happened, over `bins_of` cases."""
    number = bins_of(stated)
    cells = np.eye(int(number.max(initial=0)) + 1)[number]
    parts = np.concatenate([cells * stated[:, None], cells * happened[:, None], cells], axis=1)

    def gap(sums: Floats) -> Floats:
        said, came, n = np.split(sums, 3, axis=1)
        return share_of_sums(np.stack([np.abs(said - came).sum(axis=1), n.sum(axis=1)], axis=1))

    return Score(parts, group, gap)


def near_edges(start: NDArray[np.int64], end: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Return (N, 105) which bars lie within `NEAR_BARS` of an edge of each span."""
    bar = np.arange(WINDOW_LENGTH)
    off = np.minimum(np.abs(bar - start[:, None]), np.abs(bar - end[:, None]))
    return off <= NEAR_BARS


def risk_coverage(confidence: Floats, hit: NDArray[np.bool_]) -> tuple[Floats, Floats]:
    """Return (N,) share of windows kept, surest first, and (N,) share of misses among them.

    >>> coverage, risk = risk_coverage(np.array([0.9, 0.2]), np.array([True, False]))
    >>> coverage.tolist(), risk.tolist()
    ([0.5, 1.0], [0.0, 0.5])
    """
    order = np.argsort(-confidence, kind="stable")
    n_kept = np.arange(1, len(order) + 1)
    return n_kept / len(order), np.cumsum(~hit[order]) / n_kept


def choose_abstention(
    confidence: Floats, hit: NDArray[np.bool_], group: Groups, *, wanted: float = WANTED_SHARE
) -> Abstention | None:
    """Return the lowest confidence from which hits reach a share; None if none keeps ten windows.

    Parameters
    ----------
    confidence, hit, group
        (N,) of held-out windows in which a span was found.
    """
    threshold = _threshold(confidence, hit, wanted)
    if threshold is None:
        return None
    part = np.unique(group, return_inverse=True)[1] % N_PARTS
    judged = np.zeros(len(hit), bool)
    for number in range(N_PARTS):
        here = part == number
        chosen = _threshold(confidence[~here], hit[~here], wanted)
        judged[here] = chosen is not None and confidence[here] >= chosen
    kept = confidence >= threshold
    shown = point(float(kept.mean()), hit[kept].astype(float), group[kept])
    return Abstention(
        wanted=wanted,
        threshold=threshold,
        coverage=shown.x,
        share=shown.share,
        low=shown.low,
        n=shown.n,
        n_windows=len(hit),
        judged_coverage=float(judged.mean()),
        judged_share=float(hit[judged].mean()) if judged.any() else None,
    )


def _threshold(confidence: Floats, hit: NDArray[np.bool_], wanted: float) -> float | None:
    if not len(hit):
        return None
    risk = risk_coverage(confidence, hit)[1]
    surest = np.sort(confidence)[::-1]
    is_last = np.append(surest[:-1] > surest[1:], True)  # equal confidences stay together
    reached = np.flatnonzero((1 - risk >= wanted - 1e-9) & is_last)
    return float(surest[reached[-1]]) if len(reached) and reached[-1] + 1 >= MIN_KEPT else None


def abstained(table: pd.DataFrame, threshold: float) -> pd.DataFrame:
    """Return predictions without the spans below a confidence; ``abstained`` says where one was.

    A run that states no confidence is sure of nothing.
    """
    unsure = (table["start"] != NO_SPAN) & ~(table["confidence"] >= threshold)
    kept = {name: table[name].where(~unsure, NO_SPAN) for name in ("start", "end")}
    return table.assign(**kept, abstained=unsure)


def none_offered(wanted: float) -> str:
    """Return why there is no threshold."""
    return f"No confidence keeps {MIN_KEPT} held-out windows of which {wanted:.0%} are hits."


def as_stored(found: Abstention | None, *, wanted: float) -> dict[str, Any]:
    """Return a run's threshold, or that there is none, as `ABSTENTION_FILE` holds it."""
    return {"none": none_offered(wanted)} if found is None else asdict(found)


def stored_abstention(folder: Path) -> Abstention:
    """Return the threshold that a run keeps; a run without one is refused with the reason."""
    path = folder / ABSTENTION_FILE
    try:
        stored = json.loads(path.read_text(encoding="utf-8"))
        if "none" not in stored:
            return Abstention(**stored)
    except FileNotFoundError:
        raise RunError(
            f"A run should be evaluated before it abstains (moola evaluate). Found no {path.name} "
            f"in {folder.name}."
        ) from None
    except (OSError, ValueError, TypeError) as error:
        raise RunError(f"{path.name} should hold a threshold. Found: {error!r}.") from error
    raise RunError(
        f"A run should have a confidence to abstain below. Found none in {folder.name}: "
        f"{stored['none']}"
    )
