"""When two people's decisions about a window are the same, and where a window stands with them.

What one person says of the windows is his *layer*. It has his name; ``<name>~repeat`` holds his
second judgements, ``<name>~catch`` what he said of spans shifted on purpose, and `GOLD` what an
adjudicator made of a dispute.

Two decisions agree if they are of one kind and, for kept windows, the spans pair off one to one:
each pair shares at least `IOU_MIN` of its bars and has one type. A flag asks for a second look, so
a flagged window is never agreed.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping, Sequence
from typing import Literal, Protocol

from moola.schema import LABELLED_STATES, Standing

IOU_MIN = 0.5
"""Bars in both spans over bars in either, from which two spans count as the same expansion."""

GOLD = "~gold"
"""The layer of adjudicated labels."""
REPEAT = "~repeat"
"""Ending of the layer that holds a person's second judgement of a window."""
CATCH = "~catch"
"""Ending of the layer that holds his decisions about shifted proposals."""

DecisionName = Literal["kept", "rejected", "flagged"]
DECISION_NAMES: tuple[DecisionName, ...] = ("kept", "rejected", "flagged")


class Marked(Protocol):
    """A span of a window."""

    @property
    def start(self) -> int:
        """First bar, inclusive."""
        ...

    @property
    def end(self) -> int:
        """Last bar, inclusive."""
        ...

    @property
    def type(self) -> str:
        """State of the market before it."""
        ...


class Judged(Protocol):
    """One person's decision about one window."""

    @property
    def state(self) -> str:
        """The stored decision, see `decision_of`."""
        ...

    @property
    def spans(self) -> Sequence[Marked]:
        """The spans that lie in the window."""
        ...


def decision_of(state: str) -> DecisionName | None:
    """Return the kind of a decision; None for a state that carries no judgement.

    >>> decision_of("edited"), decision_of("deferred")
    ('kept', None)
    """
    if state in LABELLED_STATES:
        return "kept"
    return next((name for name in DECISION_NAMES if name == state), None)


def is_person(layer: str) -> bool:
    """Return whether a layer holds a person's own labels."""
    return "~" not in layer


def iou(a: Marked, b: Marked) -> float:
    """Return the bars in both spans over the bars in either."""
    both = min(a.end, b.end) - max(a.start, b.start) + 1
    if both <= 0:
        return 0.0
    return both / ((a.end - a.start + 1) + (b.end - b.start + 1) - both)


def match_spans(
    a: Sequence[Marked], b: Sequence[Marked], *, iou_min: float = IOU_MIN
) -> list[tuple[int, int]]:
    """Return the pairs (index in `a`, index in `b`) of spans that mark the same expansion.

    Each span is in one pair at most; the closest pairs are taken first. Spans of one person share
    no bar but a turning point, so from an `iou_min` of 0.5 on no choice would hold more pairs.
    """
    close = [
        (-share, one.start + other.start, i, j)
        for (i, one), (j, other) in itertools.product(enumerate(a), enumerate(b))
        if (share := iou(one, other)) >= iou_min
    ]
    pairs: list[tuple[int, int]] = []
    for *_, i, j in sorted(close):
        if all(i != taken and j != other for taken, other in pairs):
            pairs.append((i, j))
    return sorted(pairs)


def differences(a: Judged, b: Judged) -> list[str]:
    """Return in words why two decisions about a window do not agree; nothing if they do."""
    decisions = decision_of(a.state), decision_of(b.state)
    if "flagged" in decisions:
        return ["flagged for a second look"]
    if decisions[0] != decisions[1]:
        return [f"{decisions[0]} against {decisions[1]}"]
    if decisions[0] != "kept":
        return []
    pairs = match_spans(a.spans, b.spans)
    found = []
    if alone := len(a.spans) + len(b.spans) - 2 * len(pairs):
        found.append(f"{alone} {'span' if alone == 1 else 'spans'} without a partner")
    for i, j in pairs:
        if a.spans[i].type != b.spans[j].type:
            found.append(f"{a.spans[i].type} against {b.spans[j].type}")
    return found


def agree(a: Judged, b: Judged) -> bool:
    """Return whether two people's decisions about a window say the same."""
    return not differences(a, b)


def all_agree(judged: Iterable[Judged]) -> bool:
    """Return whether every two of the decisions about one window say the same."""
    return all(agree(a, b) for a, b in itertools.combinations(judged, 2))


def standing_of(by_layer: Mapping[str, Judged]) -> Standing | None:
    """Return where a window stands between people; None if nobody has judged it."""
    judged = {
        layer: item for layer, item in by_layer.items() if decision_of(item.state) is not None
    }
    if GOLD in judged:
        return "adjudicated"
    people = [item for layer, item in judged.items() if is_person(layer)]
    if len(people) < 2:
        return "single" if people else None
    return "agreed" if all_agree(people) else "disputed"
