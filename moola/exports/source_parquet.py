"""The label Parquet of the source notes: one row a span, with the window's bars in every row."""

from __future__ import annotations

from pathlib import Path

from moola.exports._base import LabelSet, Writer, counted
from moola.label_file import LabelRow, write_label_file


def write(labels: LabelSet, path: Path) -> list[str]:
    """Write the spans of labelled windows, by name and bar."""
    found = [
        (window, span)
        for window in sorted(labels.labelled(), key=lambda window: window.name)
        for span in window.view.spans
    ]
    rows = [
        LabelRow(number, window.name, span.type, span.start, span.end, window.ohlc)
        for number, (window, span) in enumerate(found, start=1)
    ]
    write_label_file(path, rows, group_ids=[window.group_id for window, _ in found])
    others = [window for window in labels.windows if not window.is_labelled]
    return counted(others, "without labels left out: the format has spans only")


WRITER = Writer(
    key="source", title="label Parquet of the source notes", suffix=".parquet", write=write
)
