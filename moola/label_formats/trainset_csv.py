"""TRAINSET's four columns, ``series, timestamp, value, label``: one row a bar.

A series is a window (its id or name) or a feed (its id or symbol). Bars are found by time, exactly,
and the value has to be the close of the bar there: a nearest bar is none.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import numpy as np

from moola.exceptions import RefusedRow, SchemaError
from moola.label_formats._base import (
    Clock,
    LabelFile,
    Reader,
    WindowRecord,
    as_clause,
    is_missing,
    span_type,
)
from moola.label_formats.text import header, read_csv
from moola.label_records import ImportedSpan
from moola.schema import WINDOW_LENGTH, SpanType

COLUMNS = ("series", "timestamp", "value", "label")


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelledBar:
    """One row: a bar's time and close, and what it is labelled as."""

    row: int
    time: datetime
    close: float
    type: SpanType | None


def recognises(path: Path) -> bool:
    """Return whether the header is TRAINSET's."""
    return header(path) == COLUMNS


def read(path: Path) -> LabelFile:
    """Read every series; one of 105 rows is a window, of a longer one each span gets a window."""
    rows = read_csv(path)
    runs: dict[str, list[LabelledBar]] = {}
    refused: list[RefusedRow] = []
    for number, row in enumerate(rows, start=1):
        try:
            runs.setdefault(row["series"].strip(), []).append(_bar(number, row))
        except SchemaError as error:
            refused.append(RefusedRow(number, as_clause(error)))
    windows: list[WindowRecord] = []
    for name, run in runs.items():
        at_fault = _faults(run)
        refused += at_fault
        windows += [] if at_fault else _windows(name, run)
    return LabelFile(
        format="trainset",
        files=(path,),
        n_rows=len(rows),
        windows=tuple(windows),
        refused=tuple(refused),
    )


def _windows(name: str, run: Sequence[LabelledBar]) -> list[WindowRecord]:
    if len(run) == WINDOW_LENGTH:
        return [_window(name, run, 0, _spans(run))]
    windows: list[WindowRecord] = []
    for first, last in _spans(run):
        room = (WINDOW_LENGTH - (last - first + 1)) // 2
        start = max(0, min(first - room, len(run) - WINDOW_LENGTH))
        windows.append(_window("", run, start, [(first, last)]))
    return windows


def _window(
    name: str, run: Sequence[LabelledBar], start: int, spans: Sequence[tuple[int, int]]
) -> WindowRecord:
    bars = run[start : start + WINDOW_LENGTH]
    return WindowRecord(
        row=bars[0].row,
        name=name,
        clock=Clock(
            times=tuple(bar.time for bar in bars), closes=np.array([bar.close for bar in bars])
        ),
        spans=tuple(
            ImportedSpan(row=run[first].row, start=first - start, end=last - start, type=kind)
            for first, last in spans
            if (kind := run[first].type) is not None
        ),
    )


def _spans(run: Sequence[LabelledBar]) -> list[tuple[int, int]]:
    """Return first and last position of every run of one label."""
    spans: list[tuple[int, int]] = []
    position = 0
    for kind, bars in itertools.groupby(run, key=lambda bar: bar.type):
        n_bars = len(list(bars))
        if kind is not None:
            spans.append((position, position + n_bars - 1))
        position += n_bars
    return spans


def _bar(number: int, row: dict[str, str]) -> LabelledBar:
    if is_missing(row["series"]):
        raise SchemaError("series should be the name of a window or a feed. Found none")
    return LabelledBar(
        row=number,
        time=_time(row["timestamp"]),
        close=_close(row["value"]),
        type=None if is_missing(row["label"]) else span_type(row["label"], "label"),
    )


def _time(text: str) -> datetime:
    try:
        time = datetime.fromisoformat(text.strip())
    except ValueError as error:
        raise SchemaError(f"timestamp should be an ISO 8601 time. Found {text!r}") from error
    if time.tzinfo is None:
        raise SchemaError(f"timestamp should carry a zone or an offset. Found {text!r}")
    return time


def _close(text: str) -> float:
    try:
        value = float(text)
    except ValueError as error:
        raise SchemaError(f"value should be a price. Found {text!r}") from error
    if not 0 < value < float("inf"):
        raise SchemaError(f"value should be a price above 0. Found {text!r}")
    return value


def _faults(run: Sequence[LabelledBar]) -> list[RefusedRow]:
    if len(run) < WINDOW_LENGTH:
        return [
            RefusedRow(
                run[0].row, f"a series should have at least {WINDOW_LENGTH} bars, found {len(run)}"
            )
        ]
    late = [
        RefusedRow(
            after.row, f"timestamp {after.time} does not come after that of row {before.row}"
        )
        for before, after in itertools.pairwise(run)
        if after.time <= before.time
    ]
    long = [
        RefusedRow(run[first].row, f"a span should have at most {WINDOW_LENGTH} bars")
        for first, last in _spans(run)
        if last - first >= WINDOW_LENGTH
    ]
    return late + long


READER = Reader(key="trainset", title="TRAINSET (CSV)", recognises=recognises, read=read)
