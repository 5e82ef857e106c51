"""Import bars, labels and event logs: checked as a whole, then written as a whole or not at all."""

from __future__ import annotations

from pathlib import Path

from moola import label_formats
from moola.bar_import import import_bars as import_bars
from moola.bars import BarStore
from moola.exceptions import ImportRefused
from moola.imported import ImportReport as ImportReport
from moola.label_formats import event_log
from moola.label_import import import_labels as import_labels
from moola.label_import import restore_log as restore_log
from moola.store import LOCAL, LabelStore
from moola.vendors import Answers, Progress

__all__ = ["ImportReport", "import_bars", "import_file", "import_labels", "restore_log"]


def import_file(
    path: Path,
    store: LabelStore,
    bar_store: BarStore,
    *,
    answers: Answers | None = None,
    name: str | None = None,
    tz_exchange: str | None = None,
    leave_out_refused: bool = False,
    progress: Progress | None = None,
    layer: str = LOCAL,
    series: str | None = None,
) -> ImportReport:
    """Import a file of bars, of labels or of events, told apart by its content.

    Labels go into a `layer`; positions without a series of their own count in `series`.
    """
    if event_log.recognises(path):
        return restore_log(path, store)
    if holds_labels(path):
        return import_labels(path, store, bar_store, layer=layer, series=series)
    return import_bars(
        path,
        store,
        bar_store,
        answers=answers,
        name=name,
        tz_exchange=tz_exchange,
        leave_out_refused=leave_out_refused,
        progress=progress,
    )


def holds_labels(path: Path) -> bool:
    """Return whether a file or folder holds labels rather than bars."""
    try:
        return label_formats.recognise(path) is not None
    except ImportRefused:
        return False  # bars come in other shapes than tables, and their readers say what is wrong
