"""Read tables in text, chunk by chunk: find the delimiter, the header line and the columns."""

from __future__ import annotations

import csv
import re
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import pandas as pd

from moola.exceptions import ImportRefused
from moola.tables import one_line
from moola.vendors.answers import Progress
from moola.vendors.draft import CHUNK_ROWS, HEAD_ROWS
from moola.vendors.sources import UTF16_MARKS, Source, readable

DELIMITERS = (",", ";", "\t", "|")
TIME_JOIN = " "
NUMBER = r"[-+]?\d*\.?\d+(?:[eE][-+]?\d+)?"


@dataclass(frozen=True, slots=True)
class TextTable:
    """A text file's delimiter, header and first rows."""

    source: Source
    delimiter: str
    header: tuple[str, ...] | None
    """None for a file whose first line is a bar."""
    rows: tuple[tuple[str, ...], ...]

    @property
    def n_columns(self) -> int:
        """Number of fields of a row."""
        return len(self.rows[0] if self.header is None else self.header)

    def column(self, name: str) -> list[str]:
        """Return the first values of a named column."""
        position = (self.header or ()).index(name)
        return [row[position] for row in self.rows]


def read_text_head(source: Source) -> TextTable | None:
    """Return the head of a text table, or None if the file is no text."""
    raw = source.head()
    if b"\0" in raw[:1024] and raw[:2] not in UTF16_MARKS:
        return None
    with source.open_text() as file, readable(source.path):
        text = file.read(len(raw))
        is_whole = not file.read(1)
    lines = text.splitlines()
    # the last line of a part may be cut
    lines = [line for line in (lines if is_whole else lines[:-1]) if line.strip()]
    if not lines:
        raise ImportRefused(f"{source.name} should hold bars. Found an empty file.")
    delimiter = max(DELIMITERS, key=lambda mark: _fields_in_common(lines, mark))
    try:
        rows = [tuple(row) for row in csv.reader(lines[: HEAD_ROWS + 1], delimiter=delimiter)]
    except csv.Error as error:
        raise ImportRefused(
            f"{source.name} should be a table in text. Found: {one_line(error)}."
        ) from error
    rows = [tuple(value.strip() for value in row) for row in rows]
    header = rows.pop(0) if _is_header(rows[0]) else None
    if header is not None and rows and len(header) < len(rows[0]):
        raise ImportRefused(
            f"A header line should name every column. Found {len(header)} names for "
            f"{len(rows[0])} fields ({source.name}, row 1)."
        )
    width = len(rows[0] if header is None else header)
    rows = [(*row, *("",) * (width - len(row)))[:width] for row in rows]
    return TextTable(source, delimiter, header, tuple(rows))


def read_rows(
    table: TextTable,
    columns: dict[str, str | int | Sequence[str | int]],
    *,
    mend: Callable[[pd.DataFrame], pd.DataFrame] | None = None,
) -> tuple[pd.DataFrame, Callable[[Progress | None], Iterator[pd.DataFrame]]]:
    """Return the first raw rows of a table and a way to read all of them.

    Parameters
    ----------
    columns
        Raw column to its name or position in the file; several are joined by a space, as a date
        and a time are.
    mend
        What a vendor's numbers need to become prices.
    """
    wanted = {
        raw: [_position(table, item) for item in ([item] if isinstance(item, str | int) else item)]
        for raw, item in columns.items()
    }

    def shape(frame: pd.DataFrame) -> pd.DataFrame:
        raw = pd.DataFrame({name: _joined(frame, places) for name, places in wanted.items()})
        return mend(raw) if mend else raw

    def chunks(progress: Progress | None = None) -> Iterator[pd.DataFrame]:
        texts = {place for name in ("time", "symbol") for place in wanted.get(name, [])}
        for frame in _read_csv(table, texts, progress):
            yield shape(frame)

    head = pd.DataFrame(list(table.rows), columns=range(table.n_columns))
    return shape(head), chunks


def _position(table: TextTable, item: str | int) -> int:
    return item if isinstance(item, int) else (table.header or ()).index(item)


def _joined(frame: pd.DataFrame, places: Sequence[int]) -> pd.Series:
    if len(places) == 1:
        return pd.Series(frame[places[0]])
    joined = pd.Series(frame[places[0]]).astype("str")
    for place in places[1:]:
        joined = joined + TIME_JOIN + pd.Series(frame[place]).astype("str")
    return joined


def _read_csv(
    table: TextTable, texts: set[int], progress: Progress | None
) -> Iterator[pd.DataFrame]:
    """Yield a table's columns by position; numbers keep every digit."""
    name = table.source.name
    with table.source.open_text(progress) as file, warnings.catch_warnings():
        # rows longer than the header would lose their last fields with a mere warning
        warnings.simplefilter("error", pd.errors.ParserWarning)
        try:
            reader = pd.read_csv(
                file,
                sep=table.delimiter,
                header=None,
                skiprows=_lines_to_skip(table),
                names=range(table.n_columns),
                dtype=dict.fromkeys(sorted(texts), str),
                index_col=False,
                skipinitialspace=True,
                low_memory=False,
                chunksize=CHUNK_ROWS,
            )
            with reader:
                yield from reader
        except (ValueError, OverflowError, pd.errors.ParserWarning) as error:
            raise ImportRefused(
                f"{name} should have the same number of fields in every row. Found: "
                f"{one_line(error)}."
            ) from error


def _lines_to_skip(table: TextTable) -> int:
    return 0 if table.header is None else 1


def _fields_in_common(lines: Sequence[str], mark: str) -> int:
    """Return how many fields the first lines have in common if `mark` parts them."""
    return min(line.count(mark) for line in lines[:20])


def _is_header(row: Sequence[str]) -> bool:
    """Return whether a line names columns: a bar has numbers in it, a header has none."""
    return any(row) and not any(re.fullmatch(NUMBER, value) for value in row)
