"""Bars from anywhere: recognise a file by its content, ask what it does not say, read it.

``recognise(path)`` tells the format and what has to be asked, ``preview(path, answers)`` what the
file holds, and ``open_bars(path, answers)`` yields its bars chunk by chunk. A family of formats is
a module; `registry` holds the order in which they are tried.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pandas as pd

from moola.vendors.answers import Answers as Answers
from moola.vendors.answers import Progress as Progress
from moola.vendors.answers import Question as Question
from moola.vendors.answers import Recognition as Recognition
from moola.vendors.breaks import Break as Break
from moola.vendors.draft import no_bars
from moola.vendors.quality import Inspection as Inspection
from moola.vendors.quality import Preview as Preview
from moola.vendors.reading import default_name as default_name
from moola.vendors.reading import open_file as open_file
from moola.vendors.reading import open_questions as open_questions
from moola.vendors.sources import readable
from moola.vendors.stamps import check_zone

__all__ = [
    "Answers",
    "Break",
    "Inspection",
    "Preview",
    "Progress",
    "Question",
    "Recognition",
    "default_name",
    "inspect_bars",
    "open_bars",
    "open_file",
    "open_questions",
    "preview",
    "recognise",
]


def recognise(path: Path) -> Recognition:
    """Say what a file is and what has to be asked, from its head alone."""
    with readable(path):
        return open_file(path).recognition


def open_bars(
    path: Path, answers: Answers | None = None, *, progress: Progress | None = None
) -> Iterator[pd.DataFrame]:
    """Yield the bars of a file as tables with `BAR_COLUMNS`, oldest first and not yet checked."""
    with readable(path):
        for chunk in open_file(path).chunks(answers or Answers(), progress):
            yield chunk.bars


def preview(
    path: Path,
    answers: Answers | None = None,
    *,
    tz_exchange: str | None = None,
    progress: Progress | None = None,
) -> Preview:
    """Read a whole file and say what it holds; memory does not grow with its length.

    Session breaks are told in `tz_exchange`, by default in the zone of the stamps.
    """
    inspection = inspect_bars(path, answers, tz_exchange=tz_exchange, progress=progress)
    return inspection.preview()


def inspect_bars(
    path: Path,
    answers: Answers | None = None,
    *,
    take: Callable[[pd.DataFrame], None] | None = None,
    tz_exchange: str | None = None,
    progress: Progress | None = None,
) -> Inspection:
    """Read a whole file, hand its good bars to `take` part by part, and return the counts."""
    with readable(path):
        file = open_file(path)
        complete = file.answered(answers or Answers())
        zone = tz_exchange or complete.tz or "UTC"
        check_zone(zone)
        inspection = Inspection(bar=complete.bar, zone=zone, where=path.name)
        for chunk in file.chunks(answers or Answers(), progress):
            good = inspection.add(chunk)
            if take is not None and len(good):
                take(good)
    if not inspection.n_rows:
        raise no_bars(path.name)
    return inspection
