"""What the Compare page works out of runs, kept until a run writes anew; every cache is bounded.

Epoch rows and states are in the book of runs (`run_parts.book`).
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import streamlit as st

from moola import run_comparing
from moola.exceptions import MoolaError
from moola.run_comparing import Compared, Facts, HeldOut
from moola.runs import RunFolder

Stamp = tuple[int, int]
PREDICTIONS = "predictions.parquet"


def stamp(path: Path) -> Stamp:
    """Return what changes when a file is written; zeros without the file."""
    try:
        found = path.stat()
    except OSError:
        return 0, 0
    return found.st_size, found.st_mtime_ns


def facts(run: RunFolder) -> Facts | None:
    """Return what a run is made of; None of a damaged one."""
    return _facts(run.path, stamp(run.path / "config.json"))


@st.cache_resource(max_entries=1000, show_spinner=False)
def _facts(folder: Path, _written: Stamp) -> Facts | None:
    try:
        return run_comparing.facts_of(RunFolder(folder))
    except MoolaError:
        return None


def held_out(run: RunFolder) -> HeldOut | None:
    """Return a run's held-out windows with its predictions; None before there are any."""
    return _held_out(run.path, stamp(run.path / PREDICTIONS))


@st.cache_resource(max_entries=32, show_spinner=False)
def _held_out(folder: Path, _written: Stamp) -> HeldOut | None:
    return run_comparing.held_out(RunFolder(folder))


def compared(runs: Sequence[RunFolder]) -> list[Compared]:
    """Return scores and differences of those among `runs` that have predicted."""
    found = [(run.path, written) for run in runs if (written := stamp(run.path / PREDICTIONS))[0]]
    return _compared(tuple(found)) if found else []


@st.cache_resource(max_entries=16, show_spinner="Drawing intervals")
def _compared(runs: tuple[tuple[Path, Stamp], ...]) -> list[Compared]:
    found = {path.name: held_out(RunFolder(path)) for path, _ in runs}
    return run_comparing.compare({name: item for name, item in found.items() if item is not None})
