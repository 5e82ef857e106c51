"""Rows of the span table: made, moved, described, and kept apart from one another."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import select

from moola.exceptions import SchemaError, StoreError
from moola.schema import CONFIDENCES, GRADES, WINDOW_LENGTH, check_type
from moola.store.changes import Operation, Row
from moola.store.records import WindowView
from moola.store.tables import rules, spans

RANGES = {"start_range": ("start_lo", "start_hi"), "end_range": ("end_lo", "end_hi")}
EDGES = {"start_range": "seq_start", "end_range": "seq_end"}


def new_span(op: Operation, view: WindowView, start: int, end: int, span_id: str | None) -> Row:
    """Return a row for a span of the window that nobody has described yet."""
    return {
        "span_id": span_id or op.new_id(),
        "series_id": view.series_id,
        "annotator": op.layer,
        "seq_start": view.bar_start + start,
        "seq_end": view.bar_start + end,
        "type": None,
        "direction": None,
        "origin": "human",
        "proposal_id": None,
        "deleted_at": None,
        "grade": None,
        "confidence": None,
        "start_lo": None,
        "start_hi": None,
        "end_lo": None,
        "end_hi": None,
        "pre_seq_start": None,
        "rule_version": current_rule_version(op),
    }


def current_rule_version(op: Operation) -> str | None:
    """Return the newest rule: the one that spans drawn now follow."""
    newest = select(rules.c.rule_version).order_by(
        rules.c.created_at.desc(), rules.c.rule_version.desc()
    )
    return op.connection.execute(newest.limit(1)).scalar_one_or_none()


def moved(row: Row, seq_start: int, seq_end: int) -> Row:
    """Return the row at other bars; the doubt about an edge moves along with it."""
    edges = {"start_range": seq_start, "end_range": seq_end}
    row = dict(row)
    for name, (low, high) in RANGES.items():
        if row[low] is not None:
            shift = edges[name] - row[EDGES[name]]
            row |= {low: max(0, row[low] + shift), high: row[high] + shift}
    row |= {"seq_start": seq_start, "seq_end": seq_end}
    if row["pre_seq_start"] is not None and row["pre_seq_start"] >= seq_start:
        row["pre_seq_start"] = None  # the start has left the state before behind
    return row


def described(row: Row, view: WindowView, values: Mapping[str, Any]) -> Row:
    """Return the row with what a person says of it, given in bars of the window.

    `SchemaError` names the field that is out of its range.
    """
    row = dict(row)
    for name, value in values.items():
        if name == "type":
            row["type"] = check_type(value)
        elif name == "direction":
            row["direction"] = _one_of(name, value, ("up", "down", None))
        elif name == "grade":
            row["grade"] = _one_of(name, value, (*GRADES, None))
        elif name == "confidence":
            row["confidence"] = _one_of(name, value, (*CONFIDENCES, None))
        elif name in RANGES:
            row |= _range(name, value, row, view)
        else:
            row["pre_seq_start"] = _pre_start(value, row, view)
    return row


def _one_of(name: str, value: Any, known: tuple[Any, ...]) -> Any:
    if isinstance(value, bool) or value not in known:
        shown = ", ".join(str(item) for item in known if item is not None)
        raise SchemaError(f"{name} should be one of {shown}, or nothing. Found {value!r}.")
    return value


def _range(name: str, value: Any, row: Row, view: WindowView) -> Row:
    low, high = RANGES[name]
    edge = row[EDGES[name]] - view.bar_start
    if value is None:
        return {low: None, high: None}
    if not (isinstance(value, list | tuple) and len(value) == 2 and all(map(is_bar, value))):
        raise SchemaError(f"{name} should be two bars, such as [49, 52]. Found {value!r}.")
    if not value[0] <= edge <= value[1] or view.bar_start + value[0] < 0:
        raise SchemaError(f"{name} should lie around its edge, bar {edge}. Found {list(value)}.")
    if value[0] == value[1]:
        return {low: None, high: None}
    return {low: view.bar_start + value[0], high: view.bar_start + value[1]}


def _pre_start(value: Any, row: Row, view: WindowView) -> int | None:
    if value is None:
        return None
    if not is_bar(value) or not 0 <= view.bar_start + value < row["seq_start"]:
        start = row["seq_start"] - view.bar_start
        raise SchemaError(f"pre_start should be a bar before the start, {start}. Found {value!r}.")
    return view.bar_start + value


def is_bar(value: Any) -> bool:
    """Return whether a value from outside is a whole number."""
    return isinstance(value, int) and not isinstance(value, bool)


def put_span(op: Operation, view: WindowView, row: Row) -> None:
    """Write a live span; no two of a layer may share a bar, but for a turning point."""
    if clash := rivals(op, row):
        other, first = clash[0], view.bar_start
        raise StoreError(
            f"Spans should not share bars. Found {row['seq_start'] - first}.."
            f"{row['seq_end'] - first} over the span {other['seq_start'] - first}.."
            f"{other['seq_end'] - first} {other['type']}."
        )
    op.put(spans, row)


def rivals(op: Operation, row: Row) -> list[Row]:
    """Return the live spans of the row's layer that it may not stand beside."""
    query = select(spans).where(
        spans.c.series_id == row["series_id"],
        spans.c.annotator == row["annotator"],
        spans.c.deleted_at.is_(None),
        spans.c.span_id != row["span_id"],
        spans.c.seq_start <= row["seq_end"],
        spans.c.seq_end >= row["seq_start"],
    )
    found = (dict(other) for other in op.connection.execute(query).mappings())
    return [other for other in found if not is_turning_point(row, other)]


def is_turning_point(one: Row, other: Row) -> bool:
    """Return whether two spans meet in just one bar, where the direction flips.

    Such a bar ends one expansion and starts the next one back.
    """
    first, second = sorted((one, other), key=lambda row: row["seq_start"])
    meet = first["seq_start"] < first["seq_end"] == second["seq_start"] < second["seq_end"]
    return meet and {first["direction"], second["direction"]} == {"up", "down"}


def own_span(op: Operation, view: WindowView, span_id: str) -> Row:
    """Return a span that lies wholly in the window; others are edited through their own."""
    row = op.get(spans, span_id)
    if row is None or span_id not in {span.span_id for span in view.spans}:
        raise StoreError(
            f"Window {view.alias or view.window_uid} should hold the span {span_id}. Found "
            f"{len(view.spans)} other spans."
        )
    return row


def bars_of_window(start: Any, end: Any) -> tuple[int, int]:
    """Return two bars from outside, or raise `SchemaError` unless both are whole numbers."""
    if not (is_bar(start) and is_bar(end)):
        raise SchemaError(
            f"start and end should be bars, 0..{WINDOW_LENGTH - 1}. Found {start!r} and {end!r}."
        )
    return start, end
