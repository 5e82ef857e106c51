"""Readers of label files: one small file a format, neutral records out of every one of them.

``recognise(path)`` says which format a file is, None if it holds no labels; ``read(path)`` gives
its windows and every row that it refused.
"""

from __future__ import annotations

from pathlib import Path

from moola.exceptions import ImportRefused
from moola.label_formats import (
    batch_json,
    blacklist_csv,
    dataset,
    issues_csv,
    label_studio,
    master_index,
    source_parquet,
    spans_csv,
    trainset_csv,
)
from moola.label_formats._base import (
    Clock,
    LabelFile,
    Position,
    Reader,
    WindowRecord,
    as_clause,
    split_offset,
)

READERS: tuple[Reader, ...] = (
    dataset.READER,
    source_parquet.READER,
    label_studio.READER,
    batch_json.READER,
    master_index.READER,
    blacklist_csv.READER,
    trainset_csv.READER,
    issues_csv.READER,
    spans_csv.READER,
)
"""In the order in which they are asked; a format that is told by more comes first."""


def recognise(path: Path) -> Reader | None:
    """Return the format of a label file or folder; None if it is none."""
    return next((reader for reader in READERS if reader.recognises(path)), None)


def read(path: Path) -> LabelFile:
    """Read a label file of any format."""
    reader = recognise(path)
    if reader is None:
        titles = "; ".join(reader.title for reader in READERS)
        raise ImportRefused(
            f"{path.name} should be a label file of a known format ({titles}). Found another."
        )
    return reader.read(path)


__all__ = [
    "READERS",
    "Clock",
    "LabelFile",
    "Position",
    "Reader",
    "WindowRecord",
    "as_clause",
    "read",
    "recognise",
    "split_offset",
]
