"""Writers of labels: one small file a format, all of them from one set of labels.

``export(key, path, store, bar_store)`` writes a file and returns what there is to say about it.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from moola.bars import BarStore
from moola.exceptions import ConfigError
from moola.exports import (
    card,
    dataset,
    event_log,
    label_studio,
    npz,
    per_bar,
    pine,
    source_parquet,
)
from moola.exports._base import STANDING, ExportWindow, LabelSet, Writer, gather
from moola.store import LOCAL, LabelStore

WRITERS: tuple[Writer, ...] = (
    dataset.WRITER,
    source_parquet.WRITER,
    per_bar.BARS,
    per_bar.TRAINSET,
    per_bar.BIO,
    label_studio.WRITER,
    npz.WRITER,
    pine.WRITER,
    card.WRITER,
)
EVENTS = "events"
FORMATS: dict[str, str] = {
    EVENTS: event_log.TITLE,
    **{writer.key: writer.title for writer in WRITERS},
}
"""Every format by its key, with its name for people."""
SUFFIXES = {EVENTS: event_log.SUFFIX, **{writer.key: writer.suffix for writer in WRITERS}}


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportReport:
    """What an export wrote."""

    format: str
    path: Path
    n_rows: int
    """Windows, or events of the log."""
    notes: tuple[str, ...] = ()

    def __str__(self) -> str:
        what = "events" if self.format == EVENTS else "windows"
        return "\n".join([f"{self.n_rows:,} {what}: {self.path}", *self.notes])


def export(
    key: str,
    path: Path,
    store: LabelStore,
    bar_store: BarStore,
    *,
    layer: str = LOCAL,
    series: str | None = None,
) -> ExportReport:
    """Write the labels of a layer (or `STANDING`) in the format `key`."""
    if key == EVENTS:
        return ExportReport(format=key, path=path, n_rows=event_log.write(store, path))
    writer = next((item for item in WRITERS if item.key == key), None)
    if writer is None:
        raise ConfigError(f"The format should be one of {', '.join(FORMATS)}. Found {key!r}.")
    labels = gather(store, bar_store, layer=layer, series=series, with_open=writer.wants_open)
    notes = writer.write(labels, path)
    return ExportReport(format=key, path=path, n_rows=len(labels.windows), notes=tuple(notes))


__all__ = [
    "EVENTS",
    "FORMATS",
    "STANDING",
    "SUFFIXES",
    "ExportReport",
    "ExportWindow",
    "LabelSet",
    "Writer",
    "export",
    "gather",
]
