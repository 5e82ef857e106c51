"""What the store hands out and takes in: plain frozen records, without the database in them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from moola.schema import Direction, RejectReason, ReviewState, Span, SpanType

SeriesKind = Literal["feed", "window"]
Origin = Literal["human", "accepted", "edited", "import"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """Bars of one instrument; a ``window`` series is a window imported alone, without time."""

    series_id: str
    kind: SeriesKind
    symbol: str
    bar: str
    content_hash: str
    n_bars: int
    tick_size: float | None = None
    start_ts: datetime | None = None
    end_ts: datetime | None = None
    source: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredSpan:
    """A live span seen from a window: bars count from the window's bar 0.

    A span that crosses the border has ends outside 0..104 and is listed apart.
    """

    span_id: str
    start: int
    end: int
    type: SpanType
    direction: Direction | None
    origin: Origin
    rev: int

    @property
    def length_bars(self) -> int:
        """Number of bars, both ends counted."""
        return self.end - self.start + 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposal:
    """A proposed span seen from its window."""

    proposal_id: str
    start: int
    end: int
    type: SpanType
    direction: Direction | None
    source: str
    score: float


@dataclass(frozen=True, slots=True, kw_only=True)
class WindowRow:
    """One line of the queue."""

    window_uid: str
    series_id: str
    bar_start: int
    start_ts: datetime | None
    alias: str | None
    state: ReviewState
    reason: RejectReason | None
    types: tuple[SpanType, ...]
    score: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class WindowView:
    """Everything about one window, as one annotator sees it."""

    window_uid: str
    series_id: str
    bar_start: int
    start_ts: datetime | None
    aliases: tuple[str, ...]
    state: ReviewState
    reason: RejectReason | None
    note: str
    rev: int
    annotator: str
    updated_at: datetime | None
    spans: tuple[StoredSpan, ...]
    cut_spans: tuple[StoredSpan, ...]
    proposals: tuple[Proposal, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One line of the history."""

    seq: int
    op_id: str
    ts: datetime
    annotator: str
    kind: str
    window_uid: str | None
    undoes: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportedWindow:
    """A window to import with its verified spans; `rows` are the file's row numbers."""

    series_id: str
    bar_start: int
    start_ts: datetime | None = None
    aliases: tuple[str, ...] = ()
    spans: tuple[Span, ...] = ()
    rows: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ProposedWindow:
    """A proposed span by absolute bar sequence, and the window to show it in."""

    bar_start: int
    seq_start: int
    seq_end: int
    type: SpanType
    direction: Direction
    score: float
    start_ts: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportSummary:
    """What an import added."""

    n_windows: int
    n_spans: int
    already_there: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ProposeSummary:
    """What a proposal run added, and what it left out."""

    n_new: int
    n_known: int
    n_labelled: int
