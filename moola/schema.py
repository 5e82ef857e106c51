"""Names, units and ranges that the whole package shares.

A *window* is a view of 105 consecutive bars. An *expansion* is a span ``start..end`` of bars
inside it; **both ends are inclusive**, so ``length_bars = end - start + 1``. Bars inside a window
count from 0 to 104; a bar's absolute position in its series is its *sequence number*.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

from moola.exceptions import SchemaError

WINDOW_LENGTH = 105
PRICE_COLUMNS = ("open", "high", "low", "close")

Task = Literal["ptr", "binary", "countdown", "type"]
TASKS: tuple[Task, ...] = get_args(Task)
"""Pointers, per-bar binary, per-bar countdown, type: this order everywhere."""

TASK_NAMES: dict[Task, str] = {
    "ptr": "Pointers",
    "binary": "Binary",
    "countdown": "Countdown",
    "type": "Type",
}
TARGET_SHARES: dict[Task, float] = {"ptr": 0.7, "binary": 0.1, "countdown": 0.1, "type": 0.1}

SpanType = Literal["consolidation", "retracement", "reversal"]
SPAN_TYPES: tuple[SpanType, ...] = get_args(SpanType)
"""The market state *before* the expansion, not its direction; the class id is the index."""

Direction = Literal["up", "down"]

Grade = Literal["A", "B", "C"]
GRADES: tuple[Grade, ...] = get_args(Grade)
"""How clear an expansion is, A clearest; a D of older label files is a rejection here."""

Confidence = Literal[1, 2, 3]
CONFIDENCES: tuple[Confidence, ...] = get_args(Confidence)
"""How sure its annotator is of a span, 3 surest."""

ReviewState = Literal[
    "unseen", "proposed", "verified", "edited", "rejected", "flagged", "deferred", "stale"
]
REVIEW_STATES: tuple[ReviewState, ...] = get_args(ReviewState)
"""``unseen`` and ``proposed`` are derived (no decision yet); the rest are stored decisions.

``edited`` is a span that a person drew or moved, ``verified`` one that he accepted as drawn;
``flagged`` waits for a second look, ``deferred`` carries no judgement at all; ``stale`` is a
decision whose bars, spans or rule were changed afterwards.
"""

OpenState = Literal["unseen", "proposed"]
OPEN_STATES: tuple[OpenState, ...] = get_args(OpenState)
"""States of a window that nobody has decided: they are derived, never stored."""
DECISIONS: tuple[ReviewState, ...] = tuple(
    state for state in REVIEW_STATES if state not in OPEN_STATES
)
"""States that a review row can hold."""

SpanOrigin = Literal["human", "accepted", "edited", "import"]
"""Whether a person drew a span, took a proposal as it was or moved, or a file brought it."""

ReviewMode = Literal["normal", "blind", "catch", "repeat"]
REVIEW_MODES: tuple[ReviewMode, ...] = get_args(ReviewMode)
"""How a window was shown: with its proposals, without them, with a shifted one, or once more."""

HIDING_MODES: tuple[ReviewMode, ...] = ("blind", "repeat")
"""Modes in which a person judges alone: no proposal and no model is shown."""

Standing = Literal["single", "agreed", "disputed", "adjudicated"]
"""What the people who decided a window make of it together; derived, never stored."""

LABELLED_STATES: tuple[ReviewState, ...] = ("verified", "edited")

RejectReason = Literal[
    "no_expansion",
    "ambiguous_start",
    "ambiguous_end",
    "too_small",
    "chop",
    "news_spike",
    "gap_or_halt",
    "roll",
    "bad_bars",
    "cut_by_view",
    "duplicate",
    "other",
]
REJECT_REASONS: tuple[RejectReason, ...] = get_args(RejectReason)
TRUE_NEGATIVE_REASONS: tuple[RejectReason, ...] = ("no_expansion", "too_small", "chop")
"""Rejections that say "nothing here": such windows train as negatives, all others are left out."""


@dataclass(frozen=True, slots=True)
class Span:
    """An expansion inside a window: bars ``start..end``, both inclusive, counted from 0.

    >>> Span(50, 65).length_bars
    16
    """

    start: int
    end: int
    type: SpanType = "consolidation"

    def __post_init__(self) -> None:
        check_span(self.start, self.end)
        check_type(self.type)

    @property
    def length_bars(self) -> int:
        """Number of bars, both ends counted."""
        return self.end - self.start + 1


def check_span(
    start: int, end: int, *, window_length: int = WINDOW_LENGTH, where: str = ""
) -> None:
    """Raise `SchemaError` unless ``0 <= start <= end < window_length``."""
    place = f" ({where})" if where else ""
    if not 0 <= start < window_length:
        raise SchemaError(
            f"expansion_start should be in 0..{window_length - 1}. Found {start}{place}."
        )
    if not 0 <= end < window_length:
        raise SchemaError(f"expansion_end should be in 0..{window_length - 1}. Found {end}{place}.")
    if end < start:
        raise SchemaError(
            f"expansion_end should not come before expansion_start. Found {start}..{end}{place}."
        )


def check_type(name: object, *, where: str = "") -> SpanType:
    """Return `name` as a span type or raise `SchemaError`."""
    for known in SPAN_TYPES:
        if name == known:
            return known
    place = f" ({where})" if where else ""
    raise SchemaError(f"The type should be one of {', '.join(SPAN_TYPES)}. Found {name!r}{place}.")
