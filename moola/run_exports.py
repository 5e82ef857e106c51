"""Write the history of a run as CSV, Parquet or JSON: ``python -m moola export-run RUN``.

A row is an epoch. In tables a value of a task has a column of its own, ``loss_share.ptr``; what is
a list in the history is JSON in its cell.
"""

from __future__ import annotations

import io
import json
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import pandas as pd

from moola.runs import RunFolder
from moola.silence import EpochRow

Format = Literal["csv", "parquet", "json"]
FORMATS: dict[Format, str] = {
    "csv": "text/csv",
    "parquet": "application/vnd.apache.parquet",
    "json": "application/json",
}
"""Every format with its media type."""


def history_table(history: Sequence[EpochRow]) -> pd.DataFrame:
    """Return one row an epoch, with a column for every value.

    >>> history_table([{"epoch": 1, "raw": {"ptr": 0.5}, "alarms": []}]).to_dict("records")
    [{'epoch': 1, 'raw.ptr': 0.5, 'alarms': '[]'}]
    """
    return pd.DataFrame([_flat(row) for row in history])


def _flat(value: Mapping[str, Any], before: str = "") -> dict[str, Any]:
    cells: dict[str, Any] = {}
    for name, item in value.items():
        if isinstance(item, Mapping):
            cells |= _flat(item, f"{before}{name}.")
        else:
            cells[before + name] = json.dumps(item) if isinstance(item, list) else item
    return cells


def write_history(run: RunFolder, file_format: Format) -> bytes:
    """Return the history of `run` as the bytes of a file."""
    history = run.history()
    if file_format == "json":
        return json.dumps(history, indent=1, ensure_ascii=False).encode()
    table = history_table(history)
    if file_format == "csv":
        return table.to_csv(index=False).encode()
    buffer = io.BytesIO()
    table.to_parquet(buffer, index=False)
    return buffer.getvalue()
