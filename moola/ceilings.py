"""What people reach on a run's own windows: the second person scored as if he were the model.

A model cannot be measured beyond what two people agree on. The pair with most of the run's windows
in common is taken, and the first one's spans are the labels.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from moola import agreement, comparing
from moola.agreement import Estimate, Pair
from moola.agreement.scores import estimate
from moola.bars import BarStore
from moola.comparing import People
from moola.metrics import TOLERANCE_BARS
from moola.resampling import share_of_sums
from moola.store import LabelStore

ANY_OVERLAP = 1e-6
"""Spans that share a bar are compared: of short ones, edges 3 bars apart leave less than half."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ceiling:
    """How far two people agree on windows of a run, by the measures that the run is judged by."""

    first: str
    second: str
    n_windows: int
    scores: Mapping[str, Estimate]
    """By the keys of `moola.metrics.score`, as far as people can be scored by them, and ``f1``."""


def ceiling(
    people: People, uids: Collection[str], store: LabelStore, bar_store: BarStore
) -> Ceiling | None:
    """Return how far the two people with most of these windows in common agree; None without."""
    own = set(uids)
    decided = {
        name: {item.window_uid for item in people.by_layer[name]} & own for name in people.persons
    }
    common = {
        (a, b): len(decided[a] & decided[b])
        for i, a in enumerate(people.persons)
        for b in people.persons[i + 1 :]
    }
    best = max(common, key=lambda pair: common[pair], default=None)
    if best is None or not common[best]:
        return None
    first, second = ([j for j in people.by_layer[n] if j.window_uid in own] for n in best)
    groups = comparing.groups_of(people, store, bar_store)
    pair = agreement.compare(first, second, groups, iou_min=ANY_OVERLAP)
    exact = agreement.compare(first, second, groups)
    scores = _edges(pair.take(pair.has_events))
    scores["f1"] = agreement.score(exact)["f1"]
    return Ceiling(first=best[0], second=best[1], n_windows=len(pair), scores=scores)


def _edges(pair: Pair) -> dict[str, Estimate]:
    """Return hits and types of the second person over the first one's spans."""
    start, end = (np.abs(diff) <= TOLERANCE_BARS for diff in (pair.start_diff, pair.end_diff))
    same = pair.type_id[:, 0] == pair.type_id[:, 1]
    n_spans, n_matched = pair.n_spans[:, 0].astype(float), pair.n_matched.astype(float)
    kinds = {
        "hit_at_3": (start & end, n_spans),
        "start_at_3": (start, n_spans),
        "same_type": (same, n_matched),
    }
    return {name: _share(pair, hit, of) for name, (hit, of) in kinds.items()}


def _share(pair: Pair, hit: NDArray[np.bool_], of: NDArray[np.float64]) -> Estimate:
    hits = np.bincount(pair.match_window, weights=hit, minlength=len(pair))
    return estimate(
        np.stack([hits, of], axis=1, dtype=float), pair.group, share_of_sums, n=int(of.sum())
    )
