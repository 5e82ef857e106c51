"""Read Parquet and CSV files as tables of named columns, and write Parquet whole or not at all."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import IO

import pyarrow as pa
import pyarrow.parquet as pq

from moola.atomic import written
from moola.exceptions import ImportRefused, RefusedRow, StoreError

SHOWN_ROWS = 20
SHOWN_COLUMNS = 12
PARQUET_MAGIC = b"PAR1"
GZIP_MAGIC = b"\x1f\x8b"


def is_parquet(path: Path) -> bool:
    """Return whether the file is Parquet, by its content; `ImportRefused` if there is none."""
    try:
        with path.open("rb") as file:
            magic = file.read(len(PARQUET_MAGIC))
    except OSError as error:
        raise ImportRefused(
            f"{path} should be a file one can read. Found: {error.strerror}."
        ) from error
    if not magic:
        raise ImportRefused(f"{path.name} should hold a table. Found an empty file.")
    if path.suffix == ".parquet" and magic != PARQUET_MAGIC:
        raise ImportRefused(f"{path.name} should be a Parquet file. Found other content.")
    return magic == PARQUET_MAGIC


def read_parquet_schema(path: Path) -> pa.Schema:
    """Return the columns of a Parquet file and their types."""
    try:
        return pq.read_schema(path)
    except (OSError, pa.ArrowException) as error:
        raise _damaged(path, error) from error


def read_parquet(path: Path, columns: Sequence[str] | None = None) -> pa.Table:
    """Return a Parquet file's table, or some columns of it."""
    if not is_parquet(path):
        raise ImportRefused(f"{path.name} should be a Parquet file. Found other content.")
    try:
        return pq.ParquetFile(path).read(columns=list(columns) if columns else None)
    except (OSError, pa.ArrowException) as error:
        raise _damaged(path, error) from error


def write_parquet(table: pa.Table, path: Path) -> None:
    """Write a Parquet file, whole or not at all."""
    write_file(path, lambda file: pq.write_table(table, file))


def write_file(path: Path, write: Callable[[IO[bytes]], object]) -> None:
    """Give `write` an open file that becomes `path`, whole or not at all, in a folder made new."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with written(path) as temporary, temporary.open("wb") as file:
            write(file)
    except OSError as error:
        raise StoreError(
            f"{path.parent} should be a folder one can write to. Found: {one_line(error)}."
        ) from error


def refuse_rows(
    rows: Sequence[RefusedRow], n_rows: int, where: str, *, n_refused: int | None = None
) -> None:
    """Raise `ImportRefused` if there are any `rows`; its message names the first of them.

    `n_refused` is their number where `rows` are only the first.
    """
    if not rows:
        return
    n_refused = len(rows) if n_refused is None else n_refused
    shown = "; ".join(str(row) for row in rows[:SHOWN_ROWS])
    more = f"; and {n_refused - SHOWN_ROWS:,} more" if n_refused > SHOWN_ROWS else ""
    raise ImportRefused(
        f"Every row should pass the checks. Found {n_refused:,} of {n_rows:,} at fault in "
        f"{where}: {shown}{more}.",
        rows,
    )


def listed(names: Sequence[str]) -> str:
    """Return column names for a message, the first dozen of them."""
    more = f" and {len(names) - SHOWN_COLUMNS} more" if len(names) > SHOWN_COLUMNS else ""
    shown = (name if len(name) <= 40 else f"{name[:39]}…" for name in names[:SHOWN_COLUMNS])
    return ", ".join(shown) + more if names else "no columns"


def one_line(error: Exception) -> str:
    """Return the first line of another library's message, to end a sentence with."""
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    lines = str(error).strip().splitlines()
    return lines[0].rstrip(".") if lines else type(error).__name__


def _damaged(path: Path, error: Exception) -> ImportRefused:
    return ImportRefused(
        f"{path.name} should be a Parquet file one can read. Found: {one_line(error)}."
    )
