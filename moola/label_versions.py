"""Two versions of the labels, and what two runs make of the windows that did not change.

After some labels were corrected, a metric over all windows changes by the correction itself. What a
correction did for the *model* shows on the windows whose labels stayed: there the two runs are
compared window for window, with an interval over groups of windows (`moola.draw_groups`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from moola.examples import NO_SPAN, Examples
from moola.metrics import TOLERANCE_BARS
from moola.resampling import mean_interval
from moola.review_tables import Reading
from moola.schema import LABELLED_STATES, SPAN_TYPES, TRUE_NEGATIVE_REASONS
from moola.store import WindowView

Label = frozenset[tuple[int, int, str]]
"""The spans of a window: first bar, last bar, type."""


class Reviewed(Protocol):
    """A run's examples with a reading of each window."""

    @property
    def examples(self) -> Examples:
        """What the run was given."""
        ...

    @property
    def rows(self) -> Sequence[Reading]:
        """Label and prediction of every window."""
        ...


def labels_of(examples: Examples) -> dict[str, Label]:
    """Return the label of every window that a run was given."""
    found: dict[str, set[tuple[int, int, str]]] = {}
    for uid, start, end, kind in zip(
        examples.window_uid, examples.start, examples.end, examples.type_id, strict=True
    ):
        here = found.setdefault(str(uid), set())
        if start != NO_SPAN:
            here.add((int(start), int(end), SPAN_TYPES[kind]))
    return {uid: frozenset(spans) for uid, spans in found.items()}


def labels_of_views(views: Iterable[WindowView]) -> dict[str, Label]:
    """Return the label of every window of the store that says what there is in it."""
    return {
        view.window_uid: frozenset((span.start, span.end, span.type) for span in view.spans)
        for view in views
        if view.state in LABELLED_STATES
        or (view.state == "rejected" and view.reason in TRUE_NEGATIVE_REASONS)
    }


@dataclass(frozen=True, slots=True)
class Changes:
    """How many labels of a run stand unchanged, changed, or no longer as labels."""

    n_same: int
    n_changed: int
    n_gone: int
    n_new: int

    def __str__(self) -> str:
        n_labels = self.n_same + self.n_changed + self.n_gone
        return (
            f"Since this run {self.n_changed:,} of its {n_labels:,} labels changed, "
            f"{self.n_gone:,} are no labels any more, {self.n_new:,} came new."
        )


def changes(before: Mapping[str, Label], now: Mapping[str, Label]) -> Changes:
    """Return what became of the labels of a run."""
    same = sum(now.get(uid) == label for uid, label in before.items())
    gone = sum(uid not in now for uid in before)
    new = sum(uid not in before for uid in now)
    return Changes(same, len(before) - same - gone, gone, new)


@dataclass(frozen=True, slots=True)
class Difference:
    """One measure of two runs on the same windows with the same labels."""

    name: str
    before: float
    after: float
    low: float | None
    high: float | None
    n_windows: int

    @property
    def difference(self) -> float:
        """What the later run has more."""
        return self.after - self.before

    @property
    def interval_text(self) -> str:
        """The paired 95 % interval of the difference."""
        if self.low is None or self.high is None:
            return "too few windows"
        return f"{self.low:+.3f} – {self.high:+.3f}"


def differences(before: Reviewed, after: Reviewed) -> list[Difference]:
    """Return what changed on labelled windows held out in both runs, with one label in both."""
    first, second = ({row.window_uid: row for row in run.rows} for run in (before, after))
    labels = labels_of(before.examples), labels_of(after.examples)
    pairs = [
        (first[uid], second[uid])
        for uid in first
        if uid in second
        and labels[0][uid] == labels[1][uid] != frozenset()
        and first[uid].error.split == second[uid].error.split == "val"
    ]
    if not pairs:
        return []
    return [
        _difference("Both edges within 3 bars", pairs, lambda row: float(row.is_hit)),
        _difference("Start within 3 bars", pairs, _start_hit),
        _difference("Overlap (IoU)", pairs, lambda row: row.iou),
    ]


def _start_hit(row: Reading) -> float:
    return float(row.start_off is not None and abs(row.start_off) <= TOLERANCE_BARS)


def _difference(
    name: str, pairs: Sequence[tuple[Reading, Reading]], value: Callable[[Reading], float]
) -> Difference:
    values = np.array([[value(one), value(other)] for one, other in pairs])
    group = np.array([one.group for one, _ in pairs], np.int64)
    low, high = mean_interval(values[:, 1] - values[:, 0], group)
    first, second = values.mean(axis=0).tolist()
    return Difference(name, first, second, low, high, len(values))
