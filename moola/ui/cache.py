"""What stays open or computed between reruns; every cache is bounded and holds no widget."""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import streamlit as st
from numpy.typing import NDArray

from moola import bars as bar_files
from moola import collect, launching, planned, pretrained, ruling
from moola.config import FinetuneConfig, LabelChoice, SplitRule
from moola.desk import Desk
from moola.desk.bars import SeriesBars, series_bars
from moola.run_book import RunBook
from moola.store import LOCAL, LabelStore, Series, WindowRow, WindowView
from moola.workspace import Workspace


@st.cache_resource(max_entries=4, show_spinner=False)
def store(url: str) -> LabelStore:
    """Return the label store, opened once for all tabs; looking at it writes nothing into it."""
    return LabelStore.open(url)


@st.cache_resource(max_entries=4, show_spinner=False)
def store_to_draw_in(url: str) -> LabelStore:
    """Return the label store with a rule on record, so that what is drawn there names its rule."""
    ruling.ensure_rule(store(url), author=LOCAL)
    return store(url)


def window_rows(url: str) -> list[WindowRow]:
    """Return every window of the store; read anew only after somebody has written."""
    return _window_rows(url, store(url).version())


@st.cache_resource(max_entries=4, show_spinner=False)
def _window_rows(url: str, version: int) -> list[WindowRow]:
    return store(url).windows()


def standing_views(url: str) -> list[WindowView]:
    """Return the one label of every window; read anew only after somebody has written."""
    return _standing_views(url, store(url).version())


@st.cache_resource(max_entries=4, show_spinner=False)
def _standing_views(url: str, version: int) -> list[WindowView]:
    return store(url).standing_views()


@st.cache_resource(max_entries=4, show_spinner=False)
def desk(workspace: Workspace) -> Desk:
    """Return the desk of a workspace: all tabs and the routes beside the pages share it."""
    return Desk(workspace, store_to_draw_in(workspace.store_url))


@st.cache_resource(max_entries=4, show_spinner=False)
def run_book(runs_dir: Path) -> RunBook:
    """Return what is known of the runs of a folder, shared by all tabs and the routes."""
    return RunBook(runs_dir)


@st.cache_resource(max_entries=4, show_spinner=False)
def bar_store(folder: Path) -> bar_files.BarStore:
    """Return the bars of a workspace."""
    return bar_files.BarStore(folder)


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
    return ThreadPoolExecutor(max_workers=1).submit(launching.list_devices)


@dataclass(frozen=True)
class Source:
    """What a run would train on; `version` changes with every label and every new file."""

    workspace: Workspace
    data: str | None
    labels: LabelChoice
    version: tuple[int, int]


def source_of(workspace: Workspace, config: FinetuneConfig) -> Source:
    """Return the source that `config` names, as it is now."""
    path = config.data_path()
    version = store(workspace.store_url).version(), _changed(path) if path else 0
    return Source(workspace, str(path) if path else None, config.labels, version)


def _changed(path: Path) -> int:
    return path.stat().st_mtime_ns if path.exists() else 0


@st.cache_resource(max_entries=8, ttl=3600, show_spinner="Counting the labels")
def data_summary(source: Source) -> collect.DataSummary:
    """Return what a run would train on."""
    return collect.summary(*_opened(source), **_stores(source))


@st.cache_resource(max_entries=4, ttl=3600, show_spinner="Looking where the windows lie")
def planned_rows(source: Source) -> planned.PlannedRows:
    """Return the rows that a run would collect."""
    return planned.planned_rows(*_opened(source), **_stores(source))


def planned_split(source: Source, config: FinetuneConfig) -> planned.PlannedSplit:
    """Return what a run would hold out."""
    return _planned_split(source, config.split, config.val_fraction, config.seed)


@st.cache_resource(max_entries=16, ttl=3600, show_spinner=False)
def _planned_split(
    source: Source, split: SplitRule, val_fraction: float, seed: int
) -> planned.PlannedSplit:
    config = FinetuneConfig(split=split, val_fraction=val_fraction, seed=seed)
    return planned.planned_split(planned_rows(source), config)


def n_seen(source: Source, encoder: Path) -> NDArray[np.int64] | None:
    """Return how many bars of each planned row an encoder has seen; None if it does not say."""
    return _n_seen(source, encoder, *map(_changed, pretrained.told_by(encoder)))


@st.cache_resource(max_entries=16, ttl=3600, show_spinner="Asking the encoder what it has seen")
def _n_seen(source: Source, encoder: Path, *versions: int) -> NDArray[np.int64] | None:
    seen = pretrained.seen_by(encoder)
    return None if seen is None else seen.n_bars_in(planned_rows(source).places.ohlc)


def _opened(source: Source) -> tuple[Path | None, LabelChoice]:
    return Path(source.data) if source.data else None, source.labels


def _stores(source: Source) -> dict[str, Any]:
    workspace = source.workspace
    return {"store": store(workspace.store_url), "bar_store": bar_store(workspace.bars_dir)}
