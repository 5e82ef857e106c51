"""Read the rows of a ``history.jsonl`` while another process appends to it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any


class HistoryCursor:
    """Reads the rows added to a history file since the last call, by byte offset."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.offset = 0

    def read_new(self) -> list[dict[str, Any]]:
        """Return the complete new rows; a line still being written waits for the next call.

        A file that became shorter (a resumed run) is read again from its start.
        """
        if not self.path.exists():
            return []
        if self.path.stat().st_size < self.offset:
            self.offset = 0
        with self.path.open("rb") as file:
            file.seek(self.offset)
            new = file.read()
        complete = new[: new.rfind(b"\n") + 1]
        self.offset += len(complete)
        return [row for line in complete.splitlines() if (row := _parse_row(line)) is not None]


def _parse_row(line: bytes) -> dict[str, Any] | None:
    try:
        row = json.loads(line)
    except ValueError:
        return None
    return row if isinstance(row, dict) and isinstance(row.get("epoch"), int) else None
