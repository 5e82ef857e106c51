"""``master_index.csv`` of the batch tools: windows with quality and count, spans in JSON beside it.

Two headers are known, ``window_id, window_quality, num_expansions`` and ``window_id,
quality_grade, expansion_count``. The count is held against the JSON files of the same folder.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from moola.exceptions import ImportRefused, RefusedRow, SchemaError
from moola.label_formats import batch_json
from moola.label_formats._base import (
    BAD_GRADE,
    LabelFile,
    Reader,
    WindowRecord,
    apply_quality,
    as_clause,
    is_missing,
    text_name,
    whole_number,
    window_quality,
)
from moola.label_formats.text import header, read_csv, read_json

LAYOUTS = (("window_quality", "num_expansions"), ("quality_grade", "expansion_count"))


def recognises(path: Path) -> bool:
    """Return whether the header is one of the two layouts, or looks meant to be."""
    names = header(path)
    counts = {name for layout in LAYOUTS for name in layout}
    return "window_id" in names and (bool(counts & set(names)) or path.name == "master_index.csv")


def read(path: Path) -> LabelFile:
    """Read the index and the windows that the JSON files beside it hold."""
    rows = read_csv(path)
    layout = next((pair for pair in LAYOUTS if set(pair) <= set(rows[0])), None)
    if layout is None:
        raise ImportRefused(
            "A master index should have the columns window_id, window_quality, num_expansions or "
            f"window_id, quality_grade, expansion_count. Found {', '.join(rows[0])} ({path.name})."
        )
    batches = [file for file in sorted(path.parent.glob("*.json")) if batch_json.recognises(file)]
    known = _annotations(batches)
    windows: list[WindowRecord] = []
    refused: list[RefusedRow] = []
    for number, row in enumerate(rows, start=1):
        try:
            windows.append(_window(number, row, layout, known))
        except SchemaError as error:
            refused.append(RefusedRow(number, as_clause(error)))
    return LabelFile(
        format="index",
        files=(path, *batches),
        n_rows=len(rows),
        windows=tuple(windows),
        refused=tuple(refused),
    )


def _annotations(batches: Sequence[Path]) -> dict[str, Mapping[str, Any]]:
    """Return the windows of the batch files, by name."""
    return {
        str(values.get("window_id")).strip(): values
        for file in batches
        for values in batch_json.list_windows(read_json(file), file)
    }


def _window(
    number: int,
    row: Mapping[str, str],
    layout: tuple[str, str],
    known: Mapping[str, Mapping[str, Any]],
) -> WindowRecord:
    name = text_name(row["window_id"])
    quality = window_quality(row[layout[0]], layout[0])
    count = whole_number(row[layout[1]], layout[1])
    reason = row.get("reason") or row.get("notes") or ""
    if name in known:
        window = replace(batch_json.parse_window(number, known[name]), row=number)
    elif quality == BAD_GRADE and count == 0:
        window = WindowRecord(row=number, name=name)
    else:
        raise SchemaError(
            f"{name} should stand in a JSON file beside the index, with its {count} expansions. "
            "Found no such window"
        )
    if len(window.spans) != count:
        raise SchemaError(
            f"{layout[1]} should be the number of expansions in the JSON file. Found {count} and "
            f"{len(window.spans)}"
        )
    own = _own_quality(known.get(name, {}))
    if own is not None and quality is not None and own != quality:
        raise SchemaError(
            f"{layout[0]} should be the grade in the JSON file. Found {quality} and {own}"
        )
    return apply_quality(replace(window, state=None, reason=None, note=""), quality or own, reason)


def _own_quality(values: Mapping[str, Any]) -> str | None:
    found = next((values[name] for name in batch_json.QUALITY if values.get(name)), None)
    return None if is_missing(found) else window_quality(found, "quality")


READER = Reader(
    key="index", title="master_index.csv with its batch files", recognises=recognises, read=read
)
