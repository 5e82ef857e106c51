"""What the label store hands out and takes in. Bars of spans count from the window's first bar."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

from moola.schema import (
    Confidence,
    Direction,
    Grade,
    RejectReason,
    ReviewMode,
    ReviewState,
    SpanOrigin,
    SpanType,
)

SeriesKind = Literal["feed", "window"]
DecisionKind = Literal[
    "save_span",
    "set_span",
    "delete_span",
    "accept",
    "adopt",
    "reject",
    "set_reason",
    "flag",
    "defer",
    "set_note",
    "undo",
    "redo",
]
SPAN_FIELDS = ("type", "direction", "grade", "confidence", "start_range", "end_range", "pre_start")
"""What a person says of a span beside its bars; bars count from the window's first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """A run of bars: a feed, or the 105 bars of a window that came alone and without time."""

    series_id: str
    kind: SeriesKind
    symbol: str
    bar: str | None
    """Usual distance of the bars, such as ``1min``; None without times."""
    tick_size: float | None
    content_hash: str
    n_bars: int
    start_ts: datetime | None
    end_ts: datetime | None
    source: str
    """Name of the file the bars came from."""
    tz_exchange: str | None = None
    """Zone of the exchange's clock, such as ``America/New_York``, if anybody said."""
    price_basis: str | None = None
    """What the prices are: last, bid, ask, mid; None if nobody said."""
    roll_rule: str | None = None
    """How contract months were joined; None if nobody said."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredSpan:
    """A live span as seen from a window; a cut one begins below 0 or ends above 104."""

    span_id: str
    start: int
    end: int
    type: SpanType
    origin: SpanOrigin
    direction: Direction | None = None
    grade: Grade | None = None
    confidence: Confidence | None = None
    start_range: tuple[int, int]
    """Earliest and latest bar that it may be; both the start if nobody doubts it."""
    end_range: tuple[int, int]
    pre_start: int | None = None
    """First bar of the consolidation or counter-move before; its last bar is the start."""
    rule_version: str | None = None

    @property
    def length_bars(self) -> int:
        """Number of bars, both ends counted."""
        return self.end - self.start + 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposal:
    """A span that a rule or a model proposes, inside a window and clear of its live spans."""

    proposal_id: str
    start: int
    end: int
    type: SpanType
    score: float
    source: str
    direction: Direction | None = None
    rule_version: str | None = None
    run_id: str | None = None
    edge_entropy: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class WindowRow:
    """A window in the queue."""

    window_uid: str
    series_id: str
    bar_start: int
    start_ts: datetime | None
    alias: str | None
    state: ReviewState
    reason: RejectReason | None
    types: tuple[SpanType, ...]
    """Types of its spans, in the order of the bars; of its proposals if it has no span."""
    score: float | None
    """Score of its best proposal."""
    mode: ReviewMode
    """How the window was shown when it was decided; normal before that."""
    seconds: float | None
    """Time from its first frame to the decision."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WindowView(WindowRow):
    """Everything about one window, as one annotator sees it."""

    spans: tuple[StoredSpan, ...]
    cut_spans: tuple[StoredSpan, ...]
    """Live spans that cross the border: they belong to other windows."""
    proposals: tuple[Proposal, ...]
    """What accepting a proposed window would add: disjoint, and clear of its live spans."""
    aliases: tuple[str, ...]
    note: str
    rev: int
    """Number of changes so far; a writer names it, and so never overwrites what he has not seen."""
    updated_at: datetime | None
    annotator: str
    """The layer whose spans and decision these are: a person's own, or one of `moola.store`'s."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """What one layer decided about one window."""

    window_uid: str
    series_id: str
    bar_start: int
    layer: str
    state: ReviewState
    reason: RejectReason | None
    mode: ReviewMode
    seconds: float | None
    note: str
    updated_at: datetime
    spans: tuple[StoredSpan, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """A version of the written rule that labels follow."""

    rule_version: str
    text_md: str
    params: Mapping[str, Any]
    author: str
    created_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Release:
    """A named dataset that never changes."""

    release_id: str
    """Hash of its content."""
    name: str
    event_seq: int
    """The newest event that it holds."""
    manifest: Mapping[str, Any]
    created_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Lease:
    """A window that somebody works on."""

    window_uid: str
    annotator: str
    client_id: str
    until: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """An operation that a person makes on a window, as the desk sends it.

    ``args`` by kind: ``save_span`` {span_id, new, start, end} and any of `SPAN_FIELDS`;
    ``set_span`` {span_id} and any of `SPAN_FIELDS`; ``delete_span`` {span_id}; ``reject`` and
    ``set_reason`` {reason, note}; ``set_note`` {note}; ``adopt`` {layer}, which takes over what
    another layer says; ``accept``, ``flag``, ``defer``, ``undo`` and ``redo`` {}.
    """

    op_id: str
    kind: DecisionKind
    window_uid: str | None = None
    """None for undo and redo, which find the window themselves."""
    rev: int | None = None
    """Revision of the window that the person saw."""
    after: str | None = None
    """Instead of ``rev``: the person's own operation on this window that he had made before."""
    args: Mapping[str, Any] = field(default_factory=dict)
    seconds: float | None = None
    mode: ReviewMode = "normal"


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What became of a decision."""

    op_id: str
    status: Literal["done", "conflict", "refused"]
    message: str | None = None
    rev: int | None = None
    """Revision of the window after it: the same whenever the operation is sent."""
    view: WindowView | None = None
    """The window as it stands now."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One entry of the append-only log."""

    seq: int
    op_id: str
    ts: datetime
    annotator: str
    kind: str
    window_uid: str | None
    undoes: str | None
    """The op that this event took back."""
    payload: Mapping[str, Any]
    """``args`` of the operation, its ``answer`` and the row ``changes`` it made."""
