"""A TradingView script (Pine v5) that draws the spans on a chart of the same instrument."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from moola.exceptions import SchemaError
from moola.exports._base import ExportWindow, LabelSet, Writer, counted, write_text
from moola.schema import SpanType
from moola.store import Series, StoredSpan

MOST_BOXES = 500
"""TradingView draws no more boxes of one script."""
COLORS = {"consolidation": "#2563eb", "retracement": "#d97706", "reversal": "#9333ea"}

SCRIPT = """//@version=5
indicator("Moola spans: {title}", overlay = true, max_boxes_count = {limit})
// {n} {what} expansions of {symbol}, {bar} bars; both ends inclusive. Times are UTC.
// The colour is the state before: blue consolidation, orange retracement, purple reversal.
var starts = array.new_int()
var ends = array.new_int()
var highs = array.new_float()
var lows = array.new_float()
var colors = array.new_color()
var names = array.new_string()
span(int start, int end, float high, float low, color tint, string name) =>
    array.push(starts, start)
    array.push(ends, end)
    array.push(highs, high)
    array.push(lows, low)
    array.push(colors, tint)
    array.push(names, name)
if barstate.isfirst
{spans}
if barstate.islast
    for i = 0 to array.size(starts) - 1
        tint = array.get(colors, i)
        box.new(array.get(starts, i), array.get(highs, i), array.get(ends, i), array.get(lows, i), \
xloc = xloc.bar_time, border_color = tint, bgcolor = color.new(tint, 85), \
text = array.get(names, i), text_size = size.tiny, text_color = tint)
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Box:
    """One span on the chart: the times of its first and last bar, and its prices."""

    start: datetime
    end: datetime
    high: float
    low: float
    type: SpanType
    name: str


def write(labels: LabelSet, path: Path) -> list[str]:
    """Write the newest spans of one series with times."""
    found = labels.labelled()
    timed = [window for window in found if window.times]
    series = {window.view.series_id for window in timed}
    if len(series) != 1:
        raise SchemaError(
            "A script draws on one instrument's chart, so the spans should lie in one series with "
            f"times; choose it with --series. Found {len(series)}: "
            f"{', '.join(sorted(series)) or 'none'}."
        )
    spans = {span.span_id: (window, span) for window in timed for span in window.view.spans}
    owner = labels.series[series.pop()]
    notes = write_boxes([_box(*item) for item in spans.values()], path, owner, what="labelled")
    untimed = [window for window in found if not window.times]
    return notes + counted(untimed, "without times left out")


def write_boxes(boxes: Sequence[Box], path: Path, owner: Series, *, what: str) -> list[str]:
    """Write a script that draws the newest boxes on the chart of `owner`; say what it left out.

    Parameters
    ----------
    what
        What the spans are, in a word: ``labelled`` or ``predicted``.
    """
    ordered = sorted(boxes, key=lambda box: box.start)
    kept = ordered[-MOST_BOXES:]
    text = SCRIPT.format(
        title=_plain(owner.symbol),
        symbol=_plain(owner.symbol),
        bar=owner.bar or "unknown",
        n=len(kept),
        limit=MOST_BOXES,
        what=what,
        spans="\n".join(map(_call, kept)),
    )
    write_text(path, text)
    n_older = len(ordered) - len(kept)
    notes = [f"the {n_older:,} oldest spans left out: TradingView draws {MOST_BOXES} boxes"]
    return notes if n_older else []


def _box(window: ExportWindow, span: StoredSpan) -> Box:
    bars, times = window.ohlc[span.start : span.end + 1], window.times or ()
    return Box(
        start=times[span.start],
        end=times[span.end],
        high=float(bars[:, 1].max()),
        low=float(bars[:, 2].min()),
        type=span.type,
        name=_name(span),
    )


def _call(box: Box) -> str:
    # Pine counts milliseconds since 1970.
    start, end = (int(time.timestamp() * 1000) for time in (box.start, box.end))
    return f'    span({start}, {end}, {box.high!r}, {box.low!r}, {COLORS[box.type]}, "{box.name}")'


def _name(span: StoredSpan) -> str:
    parts = [span.type[:4], span.direction or "", span.grade or ""]
    return " ".join(part for part in parts if part)


def _plain(text: str) -> str:
    return "".join(c for c in text if c.isalnum() or c in " ._-=!")


WRITER = Writer(key="pine", title="TradingView script (Pine v5)", suffix=".pine", write=write)
