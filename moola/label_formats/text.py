"""Read the text files that labels come in: JSON documents and CSV tables with a header."""

from __future__ import annotations

import csv
import json
from collections.abc import Collection
from pathlib import Path
from typing import Any

from moola.exceptions import ImportRefused
from moola.tables import PARQUET_MAGIC, one_line

HEAD_BYTES = 4096


def head(path: Path) -> str:
    """Return the beginning of a text file, empty for a folder and for what is no text."""
    if not path.is_file():
        return ""
    with path.open("rb") as file:
        start = file.read(HEAD_BYTES)
    if start.startswith(PARQUET_MAGIC) or b"\0" in start:
        return ""
    return start.decode("utf-8-sig", errors="ignore")


def header(path: Path) -> tuple[str, ...]:
    """Return the column names of a CSV file in lower case, none if it is no CSV with a header."""
    first = head(path).split("\n", 1)[0].strip()
    if not first or first[0] in "[{":
        return ()
    return tuple(name.strip().lower() for name in next(csv.reader([first])))


def read_json(path: Path) -> Any:
    """Return a JSON document; a NaN in it is for the checks of its row to refuse."""
    try:
        return json.loads(path.read_text("utf-8-sig"))
    except (OSError, ValueError) as error:
        raise ImportRefused(
            f"{path.name} should be a JSON document. Found: {one_line(error)}."
        ) from error


def read_csv(path: Path) -> list[dict[str, str]]:
    """Return the rows of a CSV file by lower-case column name, as text."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.reader(file, skipinitialspace=True, strict=True)
            names = [name.strip().lower() for name in next(reader, [])]
            rows = [row for row in reader if row]
    except (OSError, ValueError, csv.Error) as error:
        raise ImportRefused(
            f"{path.name} should be CSV with a header line. Found: {one_line(error)}."
        ) from error
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise ImportRefused(
            f"A column should stand once in a table. Found {', '.join(twice)} twice ({path.name})."
        )
    for number, row in enumerate(rows, start=1):
        if len(row) != len(names):
            raise ImportRefused(
                f"Every row should have {len(names)} fields, as the header has. Found {len(row)} "
                f"in row {number} ({path.name})."
            )
    if not rows:
        raise ImportRefused(f"{path.name} should hold at least one row. Found none.")
    return [dict(zip(names, row, strict=True)) for row in rows]


def one_of(names: Collection[str], wanted: Collection[str]) -> str | None:
    """Return the one of some names that is there, the first of `wanted` if there are several."""
    return next((name for name in wanted if name in names), None)
