"""What the browser is told about a window: its bars, spans, proposals and facts, as JSON."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from moola import rules
from moola.coverage import Cell
from moola.desk.bars import SeriesBars
from moola.desk.facts import Facts, SeriesFacts, facts_of
from moola.desk.trials import shifted
from moola.schema import HIDING_MODES, OPEN_STATES, WINDOW_LENGTH, ReviewMode, Standing
from moola.store import Proposal, Series, StoredSpan, WindowRow, WindowView

Item = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class Display:
    """How windows are shown at one moment: the series they lie in, the rule, and who agrees."""

    bars_dir: Path
    series: Mapping[str, Series]
    limits: rules.Limits
    standing: Mapping[str, Standing]

    def facts(self, view: WindowRow) -> SeriesFacts:
        """Return what is known of the series that a window lies in."""
        return facts_of(self.bars_dir, self.series[view.series_id])

    def cell(self, view: WindowRow) -> Cell:
        """Return the window's cell of the coverage map."""
        return self.facts(view).cell(view.bar_start)

    def item(self, view: WindowView, mode: ReviewMode) -> Item:
        """Return a window without its bars: its place, and what changes when somebody decides."""
        around = self.facts(view)
        return {
            "uid": view.window_uid,
            "name": name_of(view),
            "series_id": view.series_id,
            "symbol": around.series.symbol,
            "bar_start": view.bar_start,
            "n_bars_series": around.series.n_bars,
            "tick": around.series.tick_size,
            "facts": _facts(around.of(view.bar_start)),
            "standing": self.standing.get(view.window_uid, "single"),
            "spans": _spans(view, around.bars, self.limits),
            **_decision(view, mode),
        }

    def whole_item(
        self, view: WindowView, mode: ReviewMode, model: Mapping[str, Any] | None
    ) -> Item:
        """Return a window with its bars and what a model says about it."""
        bars = self.facts(view).bars.window(view.bar_start)
        shown = None if mode in HIDING_MODES else model
        return self.item(view, mode) | bar_columns(bars) | {"model": shown}


def bar_columns(bars: SeriesBars) -> dict[str, Any]:
    """Return bars as columns of numbers, with their times."""
    columns = {name: bars.ohlc[:, i].tolist() for i, name in enumerate("ohlc")}
    volume = None if bars.volume is None else _numbers(bars.volume)
    times = None if bars.times is None else bars.times.tolist()
    return {"bars": columns | {"v": volume}, "times": times}


def name_of(window: WindowRow) -> str:
    """Return how a reader calls a window: its alias, or its time, or its place in the series."""
    if window.alias:
        return window.alias
    if window.start_ts:
        return f"{window.start_ts:%-d %b %Y %H:%M}"
    return f"{window.series_id} bar {window.bar_start:,}"


def clipped(span: StoredSpan) -> dict[str, int]:
    """Return the bars that a span which crosses the border has inside the window."""
    return {"start": max(0, span.start), "end": min(WINDOW_LENGTH - 1, span.end)}


def _decision(view: WindowView, mode: ReviewMode) -> dict[str, Any]:
    is_hiding, is_open = mode in HIDING_MODES, view.state in OPEN_STATES
    proposals = () if is_hiding else view.proposals
    if mode == "catch":
        proposals = shifted(view.window_uid, proposals)
    return {
        "rev": view.rev,
        "state": "unseen" if is_hiding and is_open else view.state,  # tells of no proposal
        "reason": view.reason,
        "note": view.note,
        "mode": mode,
        "seconds": view.seconds,
        "cut": [clipped(span) for span in view.cut_spans],
        "proposals": [_proposal(found) for found in proposals],
    }


def _facts(facts: Facts) -> dict[str, Any]:
    names = ("month", "hours", "volatility", "gap", "roll", "cold", "text")
    return {name: getattr(facts, name) for name in names}


def _spans(view: WindowView, bars: SeriesBars, limits: rules.Limits) -> list[dict[str, Any]]:
    if not view.spans:
        return []
    broken = rules.find_broken(
        bars.ohlc,
        [view.bar_start + span.start for span in view.spans],
        [view.bar_start + span.end for span in view.spans],
        limits,
        direction=[span.direction for span in view.spans],
        types=[span.type for span in view.spans],
        timestamps=bars.times,
    )
    return [_span(span) | {"broken": found} for span, found in zip(view.spans, broken, strict=True)]


def _span(span: StoredSpan) -> dict[str, Any]:
    return {
        "id": span.span_id,
        "start": span.start,
        "end": span.end,
        "type": span.type,
        "direction": span.direction,
        "grade": span.grade,
        "confidence": span.confidence,
        "start_range": list(span.start_range),
        "end_range": list(span.end_range),
        "pre_start": span.pre_start,
        "origin": span.origin,
    }


def _proposal(found: Proposal) -> dict[str, Any]:
    return {
        "id": found.proposal_id,
        "start": found.start,
        "end": found.end,
        "type": found.type,
        "direction": found.direction,
        "score": round(found.score, 4),
        "source": found.source,
    }


def _numbers(values: NDArray[np.float64]) -> list[float | None]:
    """Return numbers for JSON, which has no NaN."""
    return [None if np.isnan(value) else value for value in values.tolist()]
