"""What the label store hands out and takes in. Bars of spans count from the window's first bar."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from moola.schema import Direction, RejectReason, ReviewState, SpanType

SeriesKind = Literal["feed", "window"]
SpanOrigin = Literal["human", "accepted", "edited", "import"]


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


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredSpan:
    """A live span as seen from a window; a cut one begins below 0 or ends above 104."""

    span_id: str
    start: int
    end: int
    type: SpanType
    origin: SpanOrigin
    direction: Direction | None = None

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


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportedSpan:
    """One labelled span of a file, in bars of its window, with the row it stood in."""

    start: int
    end: int
    type: SpanType
    row: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportedWindow:
    """One labelled window of a file and where its bars are."""

    series: Series
    bar_start: int
    start_ts: datetime | None
    aliases: tuple[str, ...]
    spans: tuple[ImportedSpan, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportSummary:
    """What an import of labels wrote: everything the file holds, and how much of it was new."""

    n_windows: int
    n_spans: int
    n_new_windows: int
    n_new_spans: int
    repaired: tuple[str, ...] = ()
    """Sentences about rows that needed care but were not refused."""
    already_there: bool = False
    """Whether nothing had to be written."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProposeSummary:
    """What a run of proposals wrote."""

    n_proposals: int
    n_new: int
    n_labelled: int
    """Left out, because their bars carry a span already."""
    n_new_windows: int

    def __str__(self) -> str:
        n_known = self.n_proposals - self.n_new - self.n_labelled
        return (
            f"{self.n_new:,} new proposals in {self.n_new_windows:,} new windows; "
            f"{n_known:,} were there already, {self.n_labelled:,} lie on labelled bars"
        )
