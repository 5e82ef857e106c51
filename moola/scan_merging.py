"""One list of spans out of what every window of a series says: votes, then the best first.

Neighbouring windows see the same expansion: a span of 15 bars lies in about 60 windows with room
on both sides. Each window votes for its span with its confidence. The support of a span is

    sum of confidences of the windows that say it within ±3 bars at both edges
    --------------------------------------------------------------------------
    number of windows that hold it with 15 bars of context on both sides

so that windows which see it and say something else, or nothing, count against it. The best
supported span is kept with the bars it covers, then the next that does not overlap it, and so on
(non-maximum suppression). Of equally supported ones the one that more windows say to the bar wins.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from moola.examples import NO_SPAN
from moola.schema import WINDOW_LENGTH

TOLERANCE_BARS = 3
CONTEXT_BARS = 15
MIN_SUPPORT = 0.05
TIE_WEIGHT = 0.05


class WindowVotes(NamedTuple):
    """What each of W windows says, on the bars of the series; a scan's raw result."""

    bar_start: NDArray[np.int64]  # (W,) ascending
    start: NDArray[np.int64]  # (W,) bar of the series, NO_SPAN without a span
    end: NDArray[np.int64]  # (W,) inclusive
    confidence: NDArray[np.float32]  # (W,)
    type_probabilities: NDArray[np.float32]  # (W, 3)

    def surer_than(self, threshold: float) -> WindowVotes:
        """Return the same windows, of which those below a confidence say nothing."""
        sure = self.confidence >= threshold
        return self._replace(
            start=np.where(sure, self.start, NO_SPAN), end=np.where(sure, self.end, NO_SPAN)
        )


class MergedSpans(NamedTuple):
    """Disjoint spans, best supported first."""

    start: NDArray[np.int64]
    end: NDArray[np.int64]  # inclusive
    support: NDArray[np.float64]  # 0..1
    confidence: NDArray[np.float64]  # mean of the voters'
    n_windows: NDArray[np.int64]  # voters
    type_probabilities: NDArray[np.float64]  # (S, 3) mean of the voters'


def merge_votes(
    votes: WindowVotes,
    *,
    n_bars: int,
    run_start: NDArray[np.int64] | None = None,
    min_support: float = MIN_SUPPORT,
) -> MergedSpans:
    """Return the disjoint spans that windows agree on.

    Parameters
    ----------
    n_bars
        Bars of the series.
    run_start
        (n_bars,) first bar of the unbroken run each bar belongs to (`moola.proposals.run_starts`):
        a span that reaches across a pause is no vote.
    """
    from moola.compiled.votes import disjoint, votes_near  # numba: loaded when it is needed

    is_vote = _is_seen_well(votes)
    if run_start is not None:
        is_vote[is_vote] = run_start[votes.start[is_vote]] == run_start[votes.end[is_vote]]
    rows = np.flatnonzero(is_vote)
    order = rows[np.lexsort((votes.end[rows], votes.start[rows]))]
    start, end = votes.start[order], votes.end[order]
    weight = votes.confidence[order].astype(np.float64)
    total, exact = votes_near(start, end, weight, TOLERANCE_BARS)
    n_witnesses = np.maximum(_n_witnesses(start, end, votes.bar_start), 1)
    support = total / n_witnesses
    rank = (total + TIE_WEIGHT * exact) / n_witnesses
    best_first = np.lexsort((start, -np.round(rank, 12)))
    kept = disjoint(best_first[support[best_first] >= min_support], start, end, n_bars)
    return _described(kept, order, votes, support)


def _is_seen_well(votes: WindowVotes) -> NDArray[np.bool_]:
    """Tell which windows have a span with context on both sides, but for the series' ends."""
    first, last = int(votes.bar_start.min(initial=0)), int(votes.bar_start.max(initial=0))
    before = votes.start - votes.bar_start >= CONTEXT_BARS
    after = votes.bar_start + WINDOW_LENGTH - 1 - votes.end >= CONTEXT_BARS
    before |= votes.bar_start == first
    after |= votes.bar_start == last
    return (votes.start != NO_SPAN) & before & after


def _n_witnesses(
    start: NDArray[np.int64], end: NDArray[np.int64], bar_start: NDArray[np.int64]
) -> NDArray[np.int64]:
    """Return how many windows hold each span with context on both sides."""
    earliest = end + CONTEXT_BARS - (WINDOW_LENGTH - 1)
    latest = start - CONTEXT_BARS
    first = np.searchsorted(bar_start, earliest, side="left")
    return np.searchsorted(bar_start, latest, side="right") - first


def _described(
    kept: NDArray[np.int64], order: NDArray[np.int64], votes: WindowVotes, support: NDArray
) -> MergedSpans:
    """Return the kept spans with what their voters say together."""
    start, end = votes.start[order], votes.end[order]
    rows = []
    for i in kept:
        low = int(np.searchsorted(start, start[i] - TOLERANCE_BARS, side="left"))
        high = int(np.searchsorted(start, start[i] + TOLERANCE_BARS, side="right"))
        near = np.arange(low, high)[np.abs(end[low:high] - end[i]) <= TOLERANCE_BARS]
        voters = order[near]
        confidence = float(votes.confidence[voters].mean())
        rows.append((confidence, len(near), votes.type_probabilities[voters].mean(axis=0)))
    columns = list(zip(*rows, strict=True)) if rows else [()] * 3
    return MergedSpans(
        start[kept],
        end[kept],
        np.minimum(support[kept], 1.0),
        np.array(columns[0], np.float64),
        np.array(columns[1], np.int64),
        np.array(columns[2], np.float64).reshape(-1, 3),
    )
