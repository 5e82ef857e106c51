"""The label Parquet of the source notes, one row a span, with the window's bars in every row."""

from __future__ import annotations

from pathlib import Path

from moola.label_file import LABEL_COLUMNS, parse_label_file
from moola.label_formats._base import LabelFile, Reader, WindowRecord, merge_windows
from moola.label_records import ImportedSpan
from moola.tables import is_parquet, read_parquet_schema


def recognises(path: Path) -> bool:
    """Return whether the file is Parquet with some of the columns of labels."""
    if not is_parquet(path):
        return False
    names = {name.strip().lower() for name in read_parquet_schema(path).names}
    bars = names & {"timestamp", "open", "high", "low", "close"}
    return len(names & set(LABEL_COLUMNS)) > len(bars)


def read(path: Path) -> LabelFile:
    """Read every row; a window's further rows add their spans to it."""
    rows, refused = parse_label_file(path)
    windows = merge_windows(
        WindowRecord(
            row=row.row,
            name=row.window_id,
            ohlc=row.ohlc,
            spans=(ImportedSpan(row=row.row, start=row.start, end=row.end, type=row.type),),
        )
        for row in rows
    )
    return LabelFile(
        format="source",
        files=(path,),
        n_rows=len(rows) + len(refused),
        windows=windows,
        refused=tuple(refused),
    )


READER = Reader(
    key="source", title="label Parquet of the source notes", recognises=recognises, read=read
)
