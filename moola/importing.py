"""Import bars and label files: checked as a whole, then written as a whole or not at all."""

from __future__ import annotations

from pathlib import Path

from moola.bar_import import import_bars as import_bars
from moola.bars import BarStore
from moola.exceptions import ImportRefused
from moola.imported import ImportReport as ImportReport
from moola.label_file import LABEL_COLUMNS
from moola.label_import import import_labels as import_labels
from moola.store import LabelStore
from moola.tables import column_names
from moola.vendors import Answers, Progress

__all__ = ["ImportReport", "import_bars", "import_file", "import_labels"]


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
) -> ImportReport:
    """Import a file of bars or of labels, told apart by its columns."""
    if holds_labels(path):
        return import_labels(path, store, bar_store)
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
    """Return whether a file has the columns of labels rather than those of bars."""
    try:
        names = set(column_names(path))
    except ImportRefused:
        return False  # bars come in other shapes than tables, and their readers say what is wrong
    return len(names & set(LABEL_COLUMNS)) > 1
