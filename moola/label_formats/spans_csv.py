"""A CSV of spans, one a row, for whatever has no format of its own.

``window_id`` (or ``window_uid``) with ``start, end`` in bars of the window, or ``series_id`` (or
``symbol``) with ``seq_start, seq_end`` in bars of the series; ``type``; and if they are there
``direction, grade, confidence, note``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from moola.exceptions import ImportRefused, RefusedRow, SchemaError
from moola.label_formats._base import (
    LabelFile,
    Position,
    Reader,
    WindowRecord,
    apply_quality,
    as_clause,
    bars_of_span,
    confidence_of,
    direction_of,
    is_missing,
    merge_windows,
    span_grade,
    span_type,
    text_name,
    whole_number,
    window_quality,
)
from moola.label_formats.text import header, one_of, read_csv
from moola.label_records import ImportedSpan
from moola.schema import WINDOW_LENGTH

WINDOW = ("window_uid", "window_id", "window")
SERIES = ("series_id", "series", "symbol")
START = ("start", "start_bar", "start_index", "expansion_start")
END = ("end", "end_bar", "end_index", "expansion_end")
TYPE = ("type", "label", "expansion_type", "pre_state")
GRADE = ("grade", "quality", "quality_grade")
BARS = ("seq_start", "seq_end")


def recognises(path: Path) -> bool:
    """Return whether the header names a place, two ends and a type."""
    names = header(path)
    if one_of(names, TYPE) is None:
        return False
    in_window = all(one_of(names, wanted) for wanted in (WINDOW, START, END))
    return in_window or (one_of(names, SERIES) is not None and set(BARS) <= set(names))


def read(path: Path) -> LabelFile:
    """Read every row; rows of one window are one window."""
    rows = read_csv(path)
    names = set(rows[0])
    if not recognises(path):
        raise ImportRefused(
            "A table of spans should have window_id, start, end, type or series_id, seq_start, "
            f"seq_end, type. Found {', '.join(rows[0])} ({path.name})."
        )
    parse = _in_window if one_of(names, WINDOW) and one_of(names, START) else _in_series
    windows: list[WindowRecord] = []
    refused: list[RefusedRow] = []
    for number, row in enumerate(rows, start=1):
        try:
            windows.append(parse(number, row))
        except SchemaError as error:
            refused.append(RefusedRow(number, as_clause(error)))
    return LabelFile(
        format="spans",
        files=(path,),
        n_rows=len(rows),
        windows=merge_windows(windows),
        refused=tuple(refused),
    )


def _in_window(number: int, row: Mapping[str, str]) -> WindowRecord:
    name, start, end = (str(one_of(row, wanted)) for wanted in (WINDOW, START, END))
    quality = _quality(row)
    bars = bars_of_span(row[start], row[end], (start, end))
    window = WindowRecord(
        row=number,
        name=text_name(row[name], name),
        note=row.get("note", "").strip(),
        spans=(_span(number, row, bars, quality),),
    )
    return apply_quality(window, quality)


def _in_series(number: int, row: Mapping[str, str]) -> WindowRecord:
    """Return a window of its own for a span that stands in bars of a series.

    The span lies in the middle; `moola.placing` moves a window that would leave the series.
    """
    series = str(one_of(row, SERIES))
    name = text_name(row[series], series)
    first, last = (whole_number(row[column], column) for column in BARS)
    if first < 0 or not 0 <= last - first < WINDOW_LENGTH:
        raise SchemaError(
            f"seq_start and seq_end should be 1 to {WINDOW_LENGTH} bars apart. Found {first} and "
            f"{last}"
        )
    bar_start = max(0, first - (WINDOW_LENGTH - (last - first + 1)) // 2)
    quality = _quality(row)
    span = _span(number, row, (first - bar_start, last - bar_start), quality)
    window = WindowRecord(
        row=number,
        name="",
        position=Position(bar_start=bar_start, series=name),
        note=row.get("note", "").strip(),
        spans=(span,),
    )
    return replace(apply_quality(window, quality), name="")


def _span(
    number: int, row: Mapping[str, str], bars: tuple[int, int], quality: str | None
) -> ImportedSpan:
    kind = str(one_of(row, TYPE))
    return ImportedSpan(
        row=number,
        start=bars[0],
        end=bars[1],
        type=span_type(row[kind], kind),
        direction=direction_of(row.get("direction")),
        grade=span_grade(quality if quality != "D" else None),
        confidence=confidence_of(row.get("confidence")),
    )


def _quality(row: Mapping[str, str]) -> str | None:
    name = one_of(row, GRADE)
    return None if name is None or is_missing(row[name]) else window_quality(row[name], name)


READER = Reader(key="spans", title="table of spans (CSV)", recognises=recognises, read=read)
