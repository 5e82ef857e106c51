"""The blacklist of the batch tools: windows that somebody threw out, and why.

Columns ``window_id, raw_start_idx, raw_end_idx, reason, date``.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from moola.exceptions import RefusedRow, SchemaError
from moola.label_formats._base import (
    LabelFile,
    Position,
    Reader,
    WindowRecord,
    as_clause,
    is_missing,
    reject_reason,
    text_name,
    whole_number,
)
from moola.label_formats.text import header, read_csv
from moola.schema import WINDOW_LENGTH

COLUMNS = ("window_id", "raw_start_idx", "raw_end_idx", "reason")


def recognises(path: Path) -> bool:
    """Return whether the header has the four columns."""
    return set(COLUMNS) <= set(header(path))


def read(path: Path) -> LabelFile:
    """Read every row as a rejected window."""
    rows = read_csv(path)
    windows: list[WindowRecord] = []
    refused: list[RefusedRow] = []
    for number, row in enumerate(rows, start=1):
        try:
            windows.append(_window(number, row))
        except SchemaError as error:
            refused.append(RefusedRow(number, as_clause(error)))
    return LabelFile(
        format="blacklist",
        files=(path,),
        n_rows=len(rows),
        windows=tuple(windows),
        refused=tuple(refused),
    )


def _window(number: int, row: Mapping[str, str]) -> WindowRecord:
    if is_missing(row["reason"]):
        raise SchemaError("reason should say why the window was thrown out. Found none")
    reason, note = reject_reason(row["reason"])
    day = row.get("date", "").strip()
    return WindowRecord(
        row=number,
        name=text_name(row["window_id"]),
        position=_position(row),
        state="rejected",
        reason=reason,
        note="; ".join(text for text in (note, f"blacklisted {day}" if day else "") if text),
    )


def _position(row: Mapping[str, str]) -> Position | None:
    if is_missing(row["raw_start_idx"]) and is_missing(row["raw_end_idx"]):
        return None
    start = whole_number(row["raw_start_idx"], "raw_start_idx")
    end = whole_number(row["raw_end_idx"], "raw_end_idx")
    # one tool counts the last bar, the other the one after it
    if end - start not in (WINDOW_LENGTH - 1, WINDOW_LENGTH):
        raise SchemaError(
            f"raw_start_idx and raw_end_idx should be {WINDOW_LENGTH} bars apart. Found {start} "
            f"and {end}"
        )
    return Position(bar_start=start)


READER = Reader(key="blacklist", title="blacklist (CSV)", recognises=recognises, read=read)
