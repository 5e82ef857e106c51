"""Releases: named datasets that never change, and what a run can be trained on for ever.

A release is a folder of windows, spans and a manifest. The label store knows the hash of the
manifest and the manifest those of the files, so a changed release is noticed before it is used.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from moola.bars import BarStore, content_hash
from moola.exceptions import ConfigError, ImportRefused, StoreError
from moola.exports import STANDING, gather
from moola.exports.dataset import write_folder
from moola.label_formats import dataset as layout
from moola.schema import PRICE_COLUMNS, WINDOW_LENGTH, RejectReason, ReviewState, Span
from moola.store import LabelStore, Release
from moola.windows import price_hash, stands_alone

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,79}")
VERBS = ("list", "show", "verify")
"""Words of the command line that no release may be called."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReleasedWindow:
    """One window of a release as a run takes it in."""

    window_uid: str
    series_id: str
    bar_start: int
    state: ReviewState
    reason: RejectReason | None
    spans: tuple[Span, ...]
    cut: tuple[tuple[int, int], ...]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Released:
    """The windows of a release and the bars of their series."""

    windows: tuple[ReleasedWindow, ...]
    bars: Mapping[str, NDArray[np.float64]]
    """(N, 4) prices by series: as many bars as the series had when the release was made."""


def make_release(
    name: str, store: LabelStore, bar_store: BarStore, *, folder: Path, layer: str = STANDING
) -> Release:
    """Write the labels as they stand as a release below `folder`, and register it."""
    if not NAME.fullmatch(name) or name in VERBS:
        raise ConfigError(
            "A release should be named by letters, digits, dots, dashes or underscores (and not "
            f"{', '.join(VERBS)}). Found {name!r}."
        )
    path = folder / name
    if path.exists() or any(item.name == name for item in store.releases()):
        raise StoreError(f"A release never changes. Found {name} already; choose another name.")
    event_seq = store.version()
    labels = gather(store, bar_store, layer=layer)
    labels.labelled()
    created_at = datetime.now(UTC).isoformat(timespec="seconds")
    manifest = write_folder(
        labels,
        path,
        more={"name": name, "event_seq": event_seq, "created_at": created_at},
        replace=False,
    )
    try:
        for file in path.iterdir():
            file.chmod(0o444)
        store.add_release(
            release_id(path),
            name,
            event_seq=event_seq,
            manifest=manifest,
            op_id=f"release:{name}:{release_id(path)}",
        )
    except BaseException:
        shutil.rmtree(path, ignore_errors=True)
        raise
    return find_release(name, store)


def find_release(name: str, store: LabelStore) -> Release:
    """Return a registered release by its name."""
    known = store.releases()
    for item in known:
        if item.name == name:
            return item
    names = ", ".join(item.name for item in known) or "none yet"
    raise StoreError(f"A release should have the name {name!r}. Found none; there are: {names}.")


def release_id(path: Path) -> str:
    """Return the hash of a release: that of its manifest, which names those of its files."""
    return layout.file_hash(path / layout.MANIFEST)


def check_release(path: Path, store: LabelStore) -> dict[str, Any]:
    """Return the manifest of a release whose files are those that were written.

    Raises
    ------
    ImportRefused
        If a file or the manifest has another hash than it should have.
    """
    manifest = layout.read_manifest(path)
    known = next((item for item in store.releases() if item.name == manifest.get("name")), None)
    if known is not None and release_id(path) != known.release_id:
        raise ImportRefused(
            f"The manifest of release {known.name} should have the hash {known.release_id}. Found "
            f"{release_id(path)}: it was changed after the release was made."
        )
    return manifest


def read_release(path: Path, store: LabelStore, bar_store: BarStore) -> Released:
    """Return the windows of a release, checked down to the bars."""
    manifest = check_release(path, store)
    window_rows, span_rows = layout.read_rows(path)
    spans: dict[tuple[str | None, str], list[dict[str, Any]]] = {}
    for row in span_rows:
        spans.setdefault((row["layer"], row["series_id"]), []).append(row)
    bars = _bars(manifest, window_rows, store, bar_store)
    for row in window_rows:
        here = bars[row["series_id"]][row["bar_start"] : row["bar_start"] + WINDOW_LENGTH]
        if price_hash(here) != row["bars_hash"]:
            raise StoreError(
                f"Window {row['window_uid']} of {path.name} should have the bars it was labelled "
                f"on. Found others in {row['series_id']}."
            )
    windows = [_window(row, spans.get((row["layer"], row["series_id"]), [])) for row in window_rows]
    return Released(windows=tuple(windows), bars=bars)


def _bars(
    manifest: Mapping[str, Any],
    window_rows: list[dict[str, Any]],
    store: LabelStore,
    bar_store: BarStore,
) -> dict[str, NDArray[np.float64]]:
    bars = {
        row["series_id"]: np.array(row["ohlc"], np.float64)
        for row in window_rows
        if stands_alone(row["series_id"])
    }
    for series in manifest["series"]:
        bars[series["series_id"]] = _feed_bars(series, store, bar_store)
    return bars


def _feed_bars(
    series: Mapping[str, Any], store: LabelStore, bar_store: BarStore
) -> NDArray[np.float64]:
    """Return the bars of a feed as they were; one that has grown since begins with them."""
    key, n_bars = series["content_hash"], series["n_bars"]
    if bar_store.path(key).exists():
        return bar_store.ohlc(key)
    for known in store.series():
        if known.series_id == series["series_id"] and known.n_bars >= n_bars:
            before = bar_store.read(known.content_hash).head(n_bars)
            if content_hash(before) == key:
                return before[list(PRICE_COLUMNS)].to_numpy(np.float64)
    raise StoreError(
        f"The bars {key[:12]} of {series['series_id']} should be in the workspace. Found none; "
        "import them again."
    )


def _window(row: Mapping[str, Any], spans: list[dict[str, Any]]) -> ReleasedWindow:
    first, last = row["bar_start"], row["bar_start"] + WINDOW_LENGTH - 1
    near = [item for item in spans if item["seq_start"] <= last and item["seq_end"] >= first]
    whole = [item for item in near if first <= item["seq_start"] and item["seq_end"] <= last]
    return ReleasedWindow(
        window_uid=row["window_uid"],
        series_id=row["series_id"],
        bar_start=first,
        state=row["state"],
        reason=row["reason"],
        spans=tuple(
            Span(item["seq_start"] - first, item["seq_end"] - first, item["type"]) for item in whole
        ),
        cut=tuple(
            (item["seq_start"] - first, item["seq_end"] - first)
            for item in near
            if item not in whole
        ),
    )
