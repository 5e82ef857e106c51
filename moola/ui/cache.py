"""What stays open or computed between reruns; every cache is bounded and holds no widget."""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import streamlit as st
from numpy.typing import NDArray

from moola import bars as bar_files
from moola import collect, diagnostics, launcher, ruling
from moola.examples import Examples
from moola.exceptions import RunError
from moola.runs import RunFolder
from moola.schema import WINDOW_LENGTH
from moola.store import LOCAL, LabelStore, Series, WindowRow
from moola.workspace import Workspace


@st.cache_resource(max_entries=4, show_spinner=False)
def store(url: str) -> LabelStore:
    """Return the label store, opened once for all tabs; what is drawn there names its rule."""
    opened = LabelStore.open(url)
    ruling.ensure_rule(opened, author=LOCAL)
    return opened


def window_rows(url: str) -> list[WindowRow]:
    """Return every window of the store; read anew only after somebody has written."""
    return _window_rows(url, store(url).version())


@st.cache_resource(max_entries=4, show_spinner=False)
def _window_rows(url: str, version: int) -> list[WindowRow]:
    return store(url).windows()


@st.cache_resource(max_entries=4, show_spinner=False)
def bar_store(folder: Path) -> bar_files.BarStore:
    """Return the bars of a workspace."""
    return bar_files.BarStore(folder)


@dataclass(frozen=True, eq=False)
class SeriesBars:
    """Bars of one series; `times` is None when they carry no time."""

    ohlc: NDArray[np.float64]  # (N, 4)
    times: NDArray[np.int64] | None  # (N,) seconds since 1970, UTC

    def window(self, bar_start: int) -> SeriesBars:
        """Return the 105 bars from `bar_start` on."""
        view = slice(bar_start, bar_start + WINDOW_LENGTH)
        return SeriesBars(self.ohlc[view], None if self.times is None else self.times[view])


@st.cache_resource(max_entries=32, show_spinner=False)
def series_bars(folder: Path, content_hash: str) -> SeriesBars:
    """Return the bars with this content; they never change, so the cache is never stale."""
    store = bar_store(folder)
    stamps = pd.DatetimeIndex(store.read(content_hash)["timestamp"])
    times = None if stamps.hasnans else stamps.as_unit("s").asi8
    return SeriesBars(store.ohlc(content_hash), times)


def window_bars(workspace: Workspace, series: Series, bar_start: int) -> SeriesBars:
    """Return the bars of one window of a stored series."""
    return series_bars(workspace.bars_dir, series.content_hash).window(bar_start)


def window_times(workspace: Workspace, series_id: str, bar_start: int) -> list[int] | None:
    """Return the times of a window's bars; None if its series is gone or has no times."""
    known = {series.series_id: series for series in store(workspace.store_url).series()}
    if series_id not in known:
        return None
    times = window_bars(workspace, known[series_id], bar_start).times
    return None if times is None else times.tolist()


@st.cache_resource(max_entries=1, ttl=3600, show_spinner=False)
def devices() -> Future[list[dict[str, str]]]:
    """Ask a subprocess for the devices; the answer takes seconds, and no page waits for it."""
    return ThreadPoolExecutor(max_workers=1).submit(launcher.list_devices)


@st.cache_resource(max_entries=8, ttl=3600, show_spinner="Counting the labels")
def data_summary(
    workspace: Workspace, data: str | None, labels: str, version: tuple[int, int]
) -> collect.DataSummary:
    """Return what a run would train on; `version` changes with every label."""
    return collect.summary(
        Path(data) if data else None,
        labels,  # type: ignore[arg-type]
        store=store(workspace.store_url),
        bar_store=bar_store(workspace.bars_dir),
    )


@dataclass(frozen=True, eq=False)
class RunResult:
    """A finished run's examples and predictions, and how they compare."""

    examples: Examples
    errors: list[diagnostics.WindowError]  # worst first
    curves: dict[str, diagnostics.Curves]


def run_result(run: RunFolder) -> RunResult | None:
    """Return what a run predicted, or None while it has written no predictions."""
    path = run.path / "predictions.parquet"
    return _run_result(run.path, path.stat().st_mtime_ns) if path.exists() else None


@st.cache_resource(max_entries=4, show_spinner=False)
def _run_result(folder: Path, written_ns: int) -> RunResult | None:
    run = RunFolder(folder)
    examples, predictions = run.examples(), run.predictions()
    if predictions is None:
        return None
    try:
        errors = diagnostics.window_errors(examples, predictions)
        return RunResult(examples, errors, diagnostics.curves_by_window(predictions))
    except (KeyError, ValueError, TypeError) as error:
        raise RunError(
            f"Run {run.id}: predictions.parquet should hold {WINDOW_LENGTH} bars of every window "
            f"in the columns that predict writes. Found a problem with {error}."
        ) from error
