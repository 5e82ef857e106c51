"""Line up two layers: the windows that both have decided, and which of their spans are the same."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, Protocol, Self

import numpy as np
from numpy.typing import NDArray

from moola.schema import SPAN_TYPES
from moola.second_look import DECISION_NAMES, IOU_MIN, Marked, decision_of, match_spans

Ints = NDArray[np.int64]
FLAGGED = DECISION_NAMES.index("flagged")


class Decided(Protocol):
    """A decision with what agreement needs of it."""

    @property
    def window_uid(self) -> str:
        """Id of the window."""
        ...

    @property
    def state(self) -> str:
        """The stored decision."""
        ...

    @property
    def reason(self) -> str | None:
        """Why it was rejected."""
        ...

    @property
    def spans(self) -> Sequence[Marked]:
        """The spans that lie in the window."""
        ...


@dataclass(frozen=True, kw_only=True, eq=False)
class Pair:
    """Two layers on the W windows that both have decided; M of their spans are the same."""

    window_uid: NDArray[np.str_]  # (W,)
    group: Ints  # (W,) windows of one number are drawn together
    decision: Ints  # (W, 2) index into DECISION_NAMES
    n_spans: Ints  # (W, 2) 0 unless kept
    reason: NDArray[np.object_]  # (W, 2) of a rejection, else None
    match_window: Ints  # (M,) row of the window above
    start_diff: Ints  # (M,) bars, second layer less first
    end_diff: Ints  # (M,)
    type_id: Ints  # (M, 2)

    def __len__(self) -> int:
        return len(self.window_uid)

    @property
    def has_events(self) -> NDArray[np.bool_]:
        """(W,) whether both said which spans there are: a flag says nothing about that."""
        return (self.decision != FLAGGED).all(axis=1)

    @property
    def n_matched(self) -> Ints:
        """(W,) spans of the one that are spans of the other."""
        return np.bincount(self.match_window, minlength=len(self))

    def take(self, windows: NDArray[np.bool_]) -> Self:
        """Return the pair on the windows where the mask (W,) is True."""
        kept = windows[self.match_window]
        row = np.cumsum(windows) - 1
        columns: dict[str, Any] = {}
        for item in fields(self):
            values = getattr(self, item.name)
            per_match = item.name in ("match_window", "start_diff", "end_diff", "type_id")
            columns[item.name] = values[kept] if per_match else values[windows]
        columns["match_window"] = row[columns["match_window"]]
        return replace(self, **columns)


def compare(
    a: Sequence[Decided],
    b: Sequence[Decided],
    groups: Mapping[str, int],
    *,
    iou_min: float = IOU_MIN,
) -> Pair:
    """Return what two layers say of the windows that both have decided.

    Parameters
    ----------
    a, b
        The decisions of each layer, one a window. Deferred and stale ones carry no judgement and
        are left out.
    groups
        Number of every window; intervals draw windows of one number together.
    """
    first, second = _by_window(a), _by_window(b)
    uids = [uid for uid in first if uid in second]
    both = [(first[uid], second[uid]) for uid in uids]
    matches = [_matches(one, other, iou_min) for one, other in both]
    rows = [(w, *match) for w, found in enumerate(matches) for match in found]
    table = np.array(rows, np.int64).reshape(-1, 5)
    return Pair(
        window_uid=np.array(uids, dtype=np.str_),
        group=np.array([groups[uid] for uid in uids], np.int64),
        decision=_two_columns([[_decision_id(item) for item in pair] for pair in both]),
        n_spans=_two_columns([[len(_spans(item)) for item in pair] for pair in both]),
        reason=_reasons(both),
        match_window=table[:, 0],
        start_diff=table[:, 1],
        end_diff=table[:, 2],
        type_id=table[:, 3:],
    )


def _by_window(layer: Sequence[Decided]) -> dict[str, Decided]:
    return {item.window_uid: item for item in layer if decision_of(item.state) is not None}


def _matches(a: Decided, b: Decided, iou_min: float) -> list[tuple[int, int, int, int]]:
    """Return start and end difference and the two types of every span that both drew."""
    one, other = _spans(a), _spans(b)
    return [
        (
            other[j].start - one[i].start,
            other[j].end - one[i].end,
            _type_id(one[i]),
            _type_id(other[j]),
        )
        for i, j in match_spans(one, other, iou_min=iou_min)
    ]


def _spans(item: Decided) -> Sequence[Marked]:
    """Return the spans that the decision keeps."""
    return item.spans if decision_of(item.state) == "kept" else ()


def _decision_id(item: Decided) -> int:
    name = decision_of(item.state)
    return -1 if name is None else DECISION_NAMES.index(name)


def _type_id(span: Marked) -> int:
    return next(i for i, name in enumerate(SPAN_TYPES) if name == span.type)


def _two_columns(rows: list[list[int]]) -> Ints:
    return np.array(rows, np.int64).reshape(-1, 2)


def _reasons(both: Sequence[tuple[Decided, Decided]]) -> NDArray[np.object_]:
    table = np.full((len(both), 2), None, object)
    for row, pair in enumerate(both):
        for column, item in enumerate(pair):
            if decision_of(item.state) == "rejected":
                table[row, column] = item.reason
    return table
