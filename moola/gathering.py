"""Gather the labelled windows of the label store, of a release or of a label file.

A window has one label, whoever judged it: see `moola.store.standing`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from moola.bars import BarStore
from moola.config import LabelChoice
from moola.label_file import read_label_file
from moola.label_formats import dataset
from moola.placing import place_rows
from moola.releases import ReleasedWindow, read_release
from moola.schema import LABELLED_STATES, TRUE_NEGATIVE_REASONS, WINDOW_LENGTH, Span
from moola.splits import shared_bar_groups
from moola.store import LabelStore, WindowView
from moola.windows import window_uid


@dataclass(frozen=True, slots=True)
class LabelledWindow:
    """One window to train on: where its bars are, and the spans that lie wholly inside."""

    window_uid: str
    series_id: str
    bar_start: int
    spans: tuple[Span, ...]
    cut: tuple[tuple[int, int], ...] = ()
    """Bars ``start..end`` that no loss and no metric counts: of spans that cross the border, and of
    spans that somebody else marked who has not judged this window."""


@dataclass(frozen=True, slots=True)
class Gathered:
    """The windows of a source, how to get a series' bars, and what was left out and why."""

    windows: tuple[LabelledWindow, ...]
    ohlc_of: Callable[[str], NDArray[np.float64]]
    left_out: dict[str, int]


def gather(
    data: Path | None, labels: LabelChoice, *, store: LabelStore, bar_store: BarStore
) -> Gathered:
    """Return the windows of a label file or a release, or without one those of the store."""
    if data is not None and dataset.recognises(data):
        return _from_release(data, store=store, bar_store=bar_store)
    if data is not None:
        return _from_label_file(data, store=store, bar_store=bar_store)
    return _from_store(store, labels, bar_store=bar_store)


def _from_store(store: LabelStore, labels: LabelChoice, *, bar_store: BarStore) -> Gathered:
    hashes = {series.series_id: series.content_hash for series in store.series()}
    used: list[LabelledWindow] = []
    left_out: Counter[str] = Counter()
    standings = store.standings()
    for view in standings.views:
        if reason := _left_out(view, labels):
            left_out[reason] += 1
        else:
            used.append(_from_view(view))
    if standings.disputed:
        left_out["disputed"] = len(standings.disputed)
    return Gathered(tuple(used), lambda series: bar_store.ohlc(hashes[series]), dict(left_out))


def _from_release(path: Path, *, store: LabelStore, bar_store: BarStore) -> Gathered:
    released = read_release(path, store, bar_store)
    used: list[LabelledWindow] = []
    left_out: Counter[str] = Counter()
    for window in released.windows:
        if reason := _left_out(window, "verified"):
            left_out[reason] += 1
        else:
            used.append(
                LabelledWindow(
                    window_uid=window.window_uid,
                    series_id=window.series_id,
                    bar_start=window.bar_start,
                    spans=window.spans,
                    cut=window.cut,
                )
            )
    return Gathered(tuple(used), lambda series: released.bars[series], dict(left_out))


def _left_out(row: WindowView | ReleasedWindow, labels: LabelChoice) -> str | None:
    """Return why a window is not trained on: only a person's decision counts as a label."""
    if row.state in LABELLED_STATES or (row.state == "proposed" and labels == "all"):
        return None
    if row.state == "rejected":
        is_negative = row.reason in TRUE_NEGATIVE_REASONS
        return None if is_negative else f"rejected: {row.reason}"
    return row.state


def _from_view(view: WindowView) -> LabelledWindow:
    # a proposed window may also show spans that were labelled through a neighbour
    proposals = view.proposals if view.state == "proposed" else ()
    shown = sorted([*view.spans, *proposals], key=lambda item: item.start)
    return LabelledWindow(
        window_uid=view.window_uid,
        series_id=view.series_id,
        bar_start=view.bar_start,
        spans=tuple(Span(item.start, item.end, item.type) for item in shown),
        cut=tuple((item.start, item.end) for item in view.cut_spans),
    )


def _from_label_file(path: Path, *, store: LabelStore, bar_store: BarStore) -> Gathered:
    rows = read_label_file(path)
    places = place_rows(rows, store, bar_store)
    spans: dict[tuple[str, int], list[Span]] = {}
    alone: dict[str, NDArray[np.float64]] = {}
    for row, place in zip(rows, places, strict=True):
        here = spans.setdefault((place.series_id, place.bar_start), [])
        span = Span(row.start, row.end, row.type)
        if span not in here:
            here.append(span)
        if place.is_alone:
            alone[place.series_id] = row.ohlc
    hashes = {series.series_id: series.content_hash for series in store.series()}

    def ohlc_of(series_id: str) -> NDArray[np.float64]:
        return alone[series_id] if series_id in alone else bar_store.ohlc(hashes[series_id])

    windows = tuple(
        LabelledWindow(window_uid(*place), *place, spans=tuple(found))
        for place, found in spans.items()
    )
    return Gathered(windows, ohlc_of, {})


def window_ohlc(gathered: Gathered) -> NDArray[np.float64]:
    """Return (W, 105, 4) prices."""
    return np.stack(
        [
            gathered.ohlc_of(window.series_id)[window.bar_start :][:WINDOW_LENGTH]
            for window in gathered.windows
        ]
    )


def groups_of(gathered: Gathered) -> NDArray[np.int64]:
    """Return (W,) group of each window; windows that share bars have the same."""
    if not gathered.windows:
        return np.empty(0, np.int64)
    return shared_bar_groups(
        np.array([window.series_id for window in gathered.windows]),
        np.array([window.bar_start for window in gathered.windows]),
        window_ohlc(gathered),
    )
