"""What files and runs bring into the label store, and what it answers that it wrote."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from moola.label_records import ImportedProposal, ImportedSpan
from moola.schema import (
    RejectReason,
    ReviewMode,
    ReviewState,
)
from moola.store.records import Series


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportedWindow:
    """One labelled window of a file and where its bars are."""

    series: Series
    bar_start: int
    start_ts: datetime | None
    aliases: tuple[str, ...]
    spans: tuple[ImportedSpan, ...]
    proposals: tuple[ImportedProposal, ...] = ()
    state: ReviewState | None = None
    """What was decided; None where the file does not say, and spans make it verified."""
    reason: RejectReason | None = None
    note: str = ""
    mode: ReviewMode = "normal"
    seconds: float | None = None
    decided_at: datetime | None = None
    """When it was decided, if the file says so; else it is decided as it comes in."""
    row: int = 0


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
class Rehomed:
    """Where the window of a one-window series went, and what moved along."""

    window_uid: str
    """The window of the feed."""
    n_spans: int
    """Live spans, of all layers."""
    n_layers: int
    n_aliases: int
    n_proposals: int


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
