"""The event log as JSON Lines: every decision ever made, hash-chained, enough to rebuild a store.

It is no table of labels, so it has no `Reader`: `moola.label_import.restore_log` takes it into an
empty store, where every table comes back as it was.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from moola.exceptions import ImportRefused, RefusedRow
from moola.label_formats.text import head
from moola.tables import one_line, refuse_rows

COLUMNS = {
    "annotator",
    "hash",
    "kind",
    "op_id",
    "payload",
    "prev_hash",
    "seq",
    "ts",
    "undoes",
    "window_uid",
}


def recognises(path: Path) -> bool:
    """Return whether the first line of a file is an event; its payload may be long."""
    start = head(path)
    return start.startswith('{"annotator":') and all(
        f'"{name}":' in start for name in ("hash", "kind", "op_id")
    )


def read(path: Path) -> list[dict[str, Any]]:
    """Return the events of a file; `ImportRefused` names the lines that are none."""
    try:
        lines = path.read_text("utf-8").split("\n")
    except (OSError, ValueError) as error:
        raise ImportRefused(
            f"{path.name} should be lines of JSON. Found: {one_line(error)}."
        ) from error
    rows: list[dict[str, Any]] = []
    refused: list[RefusedRow] = []
    for number, line in enumerate(lines, start=1):
        if not line:
            continue
        try:
            row = json.loads(line)
        except ValueError:
            row = None
        if isinstance(row, dict) and set(row) == COLUMNS:
            rows.append(row)
        else:
            refused.append(
                RefusedRow(number, f"should be an object of {', '.join(sorted(COLUMNS))}")
            )
    refuse_rows(refused, len(rows) + len(refused), path.name)
    return rows
