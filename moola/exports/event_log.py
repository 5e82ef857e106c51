"""The event log as JSON Lines; `moola.label_formats.event_log` tells what it is good for."""

from __future__ import annotations

import json
from pathlib import Path
from typing import IO

from moola.store import LabelStore
from moola.tables import write_file

TITLE = "event log, all layers (JSON Lines)"
SUFFIX = ".jsonl"


def write(store: LabelStore, path: Path) -> int:
    """Write one event a line, oldest first; return how many."""
    n_events = 0

    def write_lines(file: IO[bytes]) -> None:
        nonlocal n_events
        for row in store.log_rows():
            file.write(json.dumps(row, sort_keys=True, separators=(",", ":")).encode() + b"\n")
            n_events += 1

    write_file(path, write_lines)
    return n_events
