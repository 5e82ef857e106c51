"""Spans and proposals as label files hold them: what readers return is what the store takes in."""

from __future__ import annotations

from dataclasses import dataclass

from moola.schema import Confidence, Direction, Grade, SpanOrigin, SpanType


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportedSpan:
    """One labelled span, in bars of its window, and the row of the file it stood in (from 1).

    A span that crosses the border of its window begins below 0 or ends above 104.
    """

    row: int
    start: int
    end: int
    type: SpanType
    direction: Direction | None = None
    grade: Grade | None = None
    confidence: Confidence | None = None
    start_range: tuple[int, int] | None = None
    end_range: tuple[int, int] | None = None
    pre_start: int | None = None
    rule_version: str | None = None
    """The rule it was labelled under; nobody's is taken where the file names none."""
    origin: SpanOrigin = "import"
    span_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportedProposal:
    """A span that a rule or a model proposed, in bars of its window."""

    start: int
    end: int
    type: SpanType
    score: float
    source: str
    direction: Direction | None = None
    proposal_id: str | None = None
