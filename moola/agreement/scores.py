"""Scores of a pair of layers, each with an interval over groups of windows (`moola.draw_groups`).

Every score is a function of sums over windows, so that one bootstrap serves all of them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from moola.agreement.pairs import Pair
from moola.resampling import LEAST_GROUPS, group_interval
from moola.schema import REJECT_REASONS, SPAN_TYPES, WINDOW_LENGTH
from moola.second_look import DECISION_NAMES

Floats = NDArray[np.float64]
KEPT, REJECTED = DECISION_NAMES.index("kept"), DECISION_NAMES.index("rejected")


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """A score with its 95 % interval; both NaN where they cannot be had."""

    value: float
    low: float
    high: float
    n_windows: int
    n_groups: int
    n: int
    """What was counted: spans, pairs of spans or windows."""

    @property
    def has_interval(self) -> bool:
        """Whether the windows are enough, and differ enough, for an interval."""
        return bool(np.isfinite(self.low))

    @property
    def note(self) -> str:
        """Why there is no value or no interval, in a sentence; empty if there is one."""
        if not self.n_windows:
            return "No window has been decided by both."
        if not np.isfinite(self.value):
            return f"Not defined on these {self.n_windows} windows."
        if self.n_groups < LEAST_GROUPS:
            return (
                f"Too few windows for an interval: {self.n_windows}, which make {self.n_groups} "
                f"groups of neighbours. {LEAST_GROUPS} groups are wanted."
            )
        if not self.has_interval:
            return f"No spread: every draw of these {self.n_windows} windows gives the same."
        return ""


def estimate(
    parts: Floats, group: NDArray[np.int64], statistic: Callable[[Floats], Floats], *, n: int
) -> Estimate:
    """Return `statistic` of the summed (W, K) parts, with its interval over groups."""
    n_groups = len(np.unique(group))
    value = float(statistic(parts.sum(axis=0, keepdims=True))[0])
    low = high = float("nan")
    if n_groups >= LEAST_GROUPS and np.isfinite(value):
        low, high = group_interval(parts, group, statistic)
        if low == high:
            low = high = float("nan")
    return Estimate(value=value, low=low, high=high, n_windows=len(parts), n_groups=n_groups, n=n)


def score(pair: Pair) -> dict[str, Estimate]:
    """Return every score of a pair of layers.

    ``precision`` is the share of the second layer's spans that the first has too, ``recall`` the
    share of the first's that the second has, ``f1`` their harmonic mean. ``start_mae``,
    ``start_median``, ``end_mae`` and ``end_median`` are in bars, over spans that both drew;
    ``same_type`` is the share of those with one type. They count the windows that neither flagged,
    a rejected one as holding no span.
    ``decision_share`` and ``kappa`` are over kept, rejected and flagged; ``type_kappa`` is over the
    types of the spans that both drew, ``reason_kappa`` over the reasons where both rejected.
    """
    events = pair.take(pair.has_events)
    return _event_scores(events) | _edge_scores(events) | _type_scores(events) | _kappas(pair)


def _event_scores(pair: Pair) -> dict[str, Estimate]:
    parts = np.column_stack([pair.n_matched, pair.n_spans]).astype(float)
    matched, first, second = parts.sum(axis=0).astype(int).tolist() if len(parts) else (0, 0, 0)
    kinds: dict[str, tuple[Callable[[Floats], Floats], int]] = {
        "precision": (lambda s: _ratio(s[:, 0], s[:, 2]), second),
        "recall": (lambda s: _ratio(s[:, 0], s[:, 1]), first),
        "f1": (lambda s: _ratio(2 * s[:, 0], s[:, 1] + s[:, 2]), first + second - matched),
    }
    return {
        name: estimate(parts, pair.group, statistic, n=n) for name, (statistic, n) in kinds.items()
    }


def _edge_scores(pair: Pair) -> dict[str, Estimate]:
    found = {}
    for edge, diff in (("start", pair.start_diff), ("end", pair.end_diff)):
        # (W, 105) how often each error occurs in a window: mean and median are functions of it
        counts = np.zeros((len(pair), WINDOW_LENGTH))
        np.add.at(counts, (pair.match_window, np.abs(diff)), 1)
        for name, statistic in (("mae", _mean_bars), ("median", _median_bars)):
            found[f"{edge}_{name}"] = estimate(counts, pair.group, statistic, n=len(diff))
    return found


def _type_scores(pair: Pair) -> dict[str, Estimate]:
    n_types = len(SPAN_TYPES)
    cells = np.zeros((len(pair), n_types**2))
    np.add.at(cells, (pair.match_window, _cell(pair.type_id, n_types)), 1)
    n = len(pair.match_window)
    return {
        "same_type": estimate(cells, pair.group, observed_share, n=n),
        "type_kappa": estimate(cells, pair.group, cohen_kappa, n=n),
    }


def _kappas(pair: Pair) -> dict[str, Estimate]:
    n_kinds = len(DECISION_NAMES)
    cells = np.eye(n_kinds**2)[_cell(pair.decision, n_kinds)]
    found = {
        "decision_share": estimate(cells, pair.group, observed_share, n=len(pair)),
        "kappa": estimate(cells, pair.group, cohen_kappa, n=len(pair)),
    }
    rejected = pair.take((pair.decision == REJECTED).all(axis=1))
    index = {reason: i for i, reason in enumerate(REJECT_REASONS)}
    ids = np.array([[index[name] for name in row] for row in rejected.reason], int).reshape(-1, 2)
    cells = np.eye(len(index) ** 2)[_cell(ids, len(index))]
    found["reason_kappa"] = estimate(cells, rejected.group, cohen_kappa, n=len(rejected))
    return found


def _cell(ids: NDArray[np.int64], n_kinds: int) -> NDArray[np.int64]:
    """Return (N,) the cell of a K x K table, row by row, that each pair of ids (N, 2) is in."""
    return ids[:, 0] * n_kinds + ids[:, 1]


def cohen_kappa(cells: Floats) -> Floats:
    """Return (B,) Cohen's kappa of (B, K * K) counts [first, second], row by row.

    NaN where both always gave one and the same answer: chance would have agreed as well.
    """
    n_kinds = round(cells.shape[1] ** 0.5)
    table = cells.reshape(-1, n_kinds, n_kinds)
    total = table.sum(axis=(1, 2))
    by_chance = (table.sum(axis=2) * table.sum(axis=1)).sum(axis=1)
    agreed = np.trace(table, axis1=1, axis2=2) * total
    return _ratio(agreed - by_chance, total**2 - by_chance)


def observed_share(cells: Floats) -> Floats:
    """Return (B,) share of the counts (B, K * K) on the diagonal."""
    n_kinds = round(cells.shape[1] ** 0.5)
    return _ratio(cells[:, :: n_kinds + 1].sum(axis=1), cells.sum(axis=1))


class Bucket(NamedTuple):
    """The scores of the windows that fall in one bucket, such as one part of the trading day."""

    name: str
    n_windows: int
    f1: Estimate
    kappa: Estimate


def by_bucket(pair: Pair, buckets: Sequence[str]) -> list[Bucket]:
    """Return F1 and kappa per bucket, given (W,) the bucket of every window."""
    names = np.asarray(buckets, dtype=np.str_)
    rows = []
    for name in dict.fromkeys(names.tolist()):
        here = pair.take(names == name)
        f1 = _event_scores(here.take(here.has_events))["f1"]
        rows.append(Bucket(name, len(here), f1, _kappas(here)["kappa"]))
    return rows


class ReasonRow(NamedTuple):
    """How two layers use one reason of rejection, on the windows that both have decided."""

    reason: str
    n_first: int
    n_second: int
    n_both: int
    n_kept: int
    """Windows that one rejected for this reason and the other kept."""

    @property
    def share(self) -> float:
        """Specific agreement: of all its uses, the share that the other one made too."""
        return 2 * self.n_both / (self.n_first + self.n_second)


def reason_rows(pair: Pair) -> list[ReasonRow]:
    """Return one row for every reason that was given, the most used first."""
    rows = []
    for reason in REJECT_REASONS:
        used = pair.reason == reason
        if used.any():
            other_kept = (pair.decision[:, ::-1] == KEPT) & used
            first, second = used.sum(axis=0).tolist()
            both, kept = int(used.all(axis=1).sum()), int(other_kept.sum())
            rows.append(ReasonRow(reason, first, second, both, kept))
    return sorted(rows, key=lambda row: -(row.n_first + row.n_second))


def decision_table(pair: Pair) -> NDArray[np.int64]:
    """Return (3, 3) counts [first, second] of kept, rejected and flagged windows."""
    cells = np.zeros((len(DECISION_NAMES),) * 2, np.int64)
    np.add.at(cells, (pair.decision[:, 0], pair.decision[:, 1]), 1)
    return cells


def _mean_bars(counts: Floats) -> Floats:
    return _ratio(counts @ np.arange(WINDOW_LENGTH), counts.sum(axis=1))


def _median_bars(counts: Floats) -> Floats:
    """Return (B,) medians of errors whose counts (B, 105) are given; NaN without any."""
    total = counts.sum(axis=1)
    running = counts.cumsum(axis=1)
    middle = [(running > place[:, None]).argmax(axis=1) for place in ((total - 1) // 2, total // 2)]
    return np.where(total > 0, (middle[0] + middle[1]) / 2, np.nan)


def _ratio(above: Floats, below: Floats) -> Floats:
    """Return the quotient, NaN where nothing was counted."""
    return np.divide(above, below, out=np.full(np.shape(below), np.nan), where=below > 0)
