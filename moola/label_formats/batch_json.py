"""The annotations of the batch tools: JSON v2.3 with whole numbers, and v3 under two sets of names.

A document is one window, a list of them, or an object that holds such a list. A window has a
``window_id``, a quality and ``expansions``; its bars if they are there, else its name finds it.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from moola.exceptions import ImportRefused, RefusedRow, SchemaError
from moola.label_formats._base import (
    LabelFile,
    Position,
    Reader,
    WindowRecord,
    apply_quality,
    as_clause,
    bars_of_span,
    is_missing,
    prices,
    span_grade,
    span_type,
    text_name,
    whole_number,
    window_quality,
)
from moola.label_formats.text import head, read_json
from moola.label_records import ImportedSpan

LISTS = ("windows", "annotations", "items", "data")
QUALITY = ("window_quality", "quality_grade")
BARS = ("features", "bars", "ohlc", "candles")
TYPE = ("type", "expansion_type", "label")
START = ("start_bar", "start_index", "expansion_start")
END = ("end_bar", "end_index", "expansion_end")
SPAN_GRADE = ("quality", "quality_grade", "grade")
POINT_BAR = ("bar", "index", "bar_index")


def recognises(path: Path) -> bool:
    """Return whether the file is JSON whose windows hold expansions."""
    start = head(path).lstrip()
    return start.startswith(("{", "[")) and '"expansions"' in _text(path)


def read(path: Path) -> LabelFile:
    """Read every window of a document."""
    found = list_windows(read_json(path), path)
    windows: list[WindowRecord] = []
    refused: list[RefusedRow] = []
    repaired: list[str] = []
    for number, values in enumerate(found, start=1):
        try:
            window = parse_window(number, values)
        except SchemaError as error:
            refused.append(RefusedRow(number, as_clause(error)))
            continue
        windows.append(window)
        if window.state is None and not window.spans:
            repaired.append(
                f"row {number}: window {window.name} has no expansion and is not graded D; it "
                "comes in without a decision"
            )
    return LabelFile(
        format="batch",
        files=(path,),
        n_rows=len(found),
        windows=tuple(windows),
        refused=tuple(refused),
        repaired=tuple(repaired),
    )


def list_windows(document: Any, path: Path) -> list[Mapping[str, Any]]:
    """Return the windows of a document, wherever it keeps them."""
    if isinstance(document, Mapping) and "expansions" not in document:
        key = next((name for name in LISTS if isinstance(document.get(name), list)), None)
        document = document[key] if key else []
    found = [document] if isinstance(document, Mapping) else document
    if not found or not all(isinstance(item, Mapping) for item in found):
        raise ImportRefused(
            f"A batch should hold windows with window_id and expansions. Found none in {path.name}."
        )
    return found


def parse_window(number: int, values: Mapping[str, Any]) -> WindowRecord:
    """Return one window; `SchemaError` names what is wrong with it."""
    expansions = values.get("expansions")
    if not isinstance(expansions, list):
        raise SchemaError(f"expansions should be a list. Found {expansions!r}")
    quality_name = _which(values, QUALITY)
    quality = window_quality(values[quality_name], quality_name) if quality_name else None
    bars_name = _which(values, BARS)
    window = WindowRecord(
        row=number,
        name=text_name(values.get("window_id")),
        ohlc=prices(values[bars_name], bars_name) if bars_name else None,
        position=_position(values),
        note=_note(values),
        spans=tuple(_span(number, item, quality) for item in expansions),
    )
    return apply_quality(window, quality, str(values.get("reason") or ""))


def _span(number: int, values: Any, quality: str | None) -> ImportedSpan:
    if not isinstance(values, Mapping):
        raise SchemaError(f"an expansion should be an object. Found {values!r}")
    start_name, end_name, type_name = (_needed(values, names) for names in (START, END, TYPE))
    start, end = bars_of_span(values[start_name], values[end_name], (start_name, end_name))
    for point, bar in (("start_point", start), ("end_point", end)):
        _check_point(values.get(point), point, bar)
    grade_name = _which(values, SPAN_GRADE)
    graded = window_quality(values[grade_name], grade_name) if grade_name else None
    if graded == "D":
        raise SchemaError("an expansion graded D should be left out or given another grade")
    return ImportedSpan(
        row=number,
        start=start,
        end=end,
        type=span_type(values[type_name], type_name),
        grade=span_grade(graded or (quality if quality != "D" else None)),
    )


def _check_point(point: Any, name: str, bar: int) -> None:
    """Refuse a point that names another bar than its expansion does; a mere price says nothing."""
    if not isinstance(point, Mapping):
        return
    for key in POINT_BAR:
        if key in point and whole_number(point[key], f"{name}.{key}") != bar:
            raise SchemaError(f"{name} should lie on bar {bar}. Found bar {point[key]}")


def _position(values: Mapping[str, Any]) -> Position | None:
    """Return where the file says the window begins in its raw series."""
    if is_missing(values.get("raw_start_idx")):
        return None
    series = values.get("series") or values.get("symbol")
    return Position(
        bar_start=whole_number(values["raw_start_idx"], "raw_start_idx"),
        series=None if is_missing(series) else str(series),
    )


def _note(values: Mapping[str, Any]) -> str:
    note = values.get("notes") or values.get("note") or ""
    return note.strip() if isinstance(note, str) else ""


def _which(values: Mapping[str, Any], names: tuple[str, ...]) -> str | None:
    return next((name for name in names if not is_missing(values.get(name))), None)


def _needed(values: Mapping[str, Any], names: tuple[str, ...]) -> str:
    found = _which(values, names)
    if found is None:
        raise SchemaError(f"an expansion should have {' or '.join(names)}. Found {sorted(values)}")
    return found


def _text(path: Path) -> str:
    return path.read_text("utf-8-sig", errors="ignore")


READER = Reader(key="batch", title="batch annotations (JSON)", recognises=recognises, read=read)
