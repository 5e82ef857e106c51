"""Collect what a run trains on, from the label store or from a label file.

A window has one label, whoever judged it: see `moola.store.standing`.
Features are computed over the whole series and then cut, so that their running state is warm at
the first bar of a window. A window that stands alone starts cold, and is counted as such.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from moola.bars import BarStore
from moola.clock import clock_of, window_times
from moola.config import FinetuneConfig, LabelChoice
from moola.context import cut_context
from moola.examples import NO_SPAN, Examples, Times
from moola.exceptions import SchemaError
from moola.features import LOOKBACK_BARS, compute_features
from moola.folding import Places, Split, hold_out_block, repeated_folds
from moola.label_file import read_label_file
from moola.label_formats import dataset
from moola.placing import place_rows
from moola.releases import ReleasedWindow, read_release
from moola.schema import (
    LABELLED_STATES,
    SPAN_TYPES,
    TRUE_NEGATIVE_REASONS,
    WINDOW_LENGTH,
    Span,
)
from moola.splits import hold_out, shared_bar_groups
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


@dataclass(frozen=True, slots=True)
class DataSummary:
    """What a run would train on; ``left_out`` counts windows by reason."""

    n_windows: int
    n_spans: int
    n_negatives: int
    n_groups: int
    n_cold: int
    left_out: dict[str, int]


def collect(config: FinetuneConfig, *, store: LabelStore, bar_store: BarStore) -> Examples:
    """Return the examples of `config`, split; see `collect_split`."""
    return collect_split(config, store=store, bar_store=bar_store)[0]


def collect_split(
    config: FinetuneConfig, *, store: LabelStore, bar_store: BarStore
) -> tuple[Examples, dict[str, Any]]:
    """Return the examples of `config` with a side for each, and what is to be said of the split.

    Windows too near to a held-out one are on neither side and are left out.

    Raises
    ------
    SchemaError
        If there is nothing to train on, or nothing could be held out.
    """
    examples = _labelled(config, store=store, bar_store=bar_store)
    split = divide(places_of(examples), examples.group, config)
    by_blocks = {"n_purged": split.n_purged, "split_note": split.note}
    kept = split.is_val | split.trains
    held_out = replace(examples, is_val=split.is_val).take(kept)
    return held_out, by_blocks if config.split == "blocks" else {}


def divide(places: Places, group: NDArray[np.int64], config: FinetuneConfig) -> Split:
    """Return which rows `config` holds out, and which train; `group` numbers those sharing bars."""
    if config.split == "groups":
        is_val = hold_out(group, val_fraction=config.val_fraction, seed=config.seed)
        return Split(is_val, ~is_val)
    return hold_out_block(places, val_fraction=config.val_fraction, seed=config.seed)


def collect_folds(
    config: FinetuneConfig,
    n_folds: int,
    seeds: list[int],
    *,
    store: LabelStore,
    bar_store: BarStore,
) -> tuple[Examples, list[list[Split]]]:
    """Return every example of `config`, all held out in turn, and the folds of each seed."""
    examples = _labelled(config, store=store, bar_store=bar_store)
    splits = repeated_folds(places_of(examples), n_folds, seeds=seeds)
    return replace(examples, is_val=np.ones(len(examples), bool)), splits


def _labelled(config: FinetuneConfig, *, store: LabelStore, bar_store: BarStore) -> Examples:
    gathered = gather(config.data_path(), config.labels, store=store, bar_store=bar_store)
    if not any(window.spans for window in gathered.windows):
        left_out = ", ".join(f"{n} {why}" for why, n in gathered.left_out.items())
        raise SchemaError(
            "Training needs labelled windows. Found none"
            + (f" (left out: {left_out}); label some, or choose --labels all." if left_out else ".")
        )
    examples = examples_of(gathered, with_context=True)
    clock = clock_of(store, bar_store)
    return replace(examples, times=window_times(examples.series_id, examples.bar_start, clock))


def places_of(examples: Examples) -> Places:
    """Return where the rows of `examples` lie, and when, if that is known."""
    return Places(
        series_id=examples.series_id,
        bar_start=examples.bar_start,
        ohlc=examples.ohlc,
        times=examples.times or Times.unknown(len(examples)),
    )


def windows(
    data: Path | None, labels: LabelChoice, *, store: LabelStore, bar_store: BarStore
) -> Examples:
    """Return every window of a source, none of them held out, for a trained model to look at."""
    gathered = gather(data, labels, store=store, bar_store=bar_store)
    if not gathered.windows:
        raise SchemaError("There should be at least one window to predict. Found none.")
    return examples_of(gathered)


def summary(
    data: Path | None, labels: LabelChoice, *, store: LabelStore, bar_store: BarStore
) -> DataSummary:
    """Count what a run on this source would train on."""
    gathered = gather(data, labels, store=store, bar_store=bar_store)
    windows = gathered.windows
    return DataSummary(
        n_windows=len(windows),
        n_spans=sum(len(window.spans) for window in windows),
        n_negatives=sum(not window.spans for window in windows),
        n_groups=len(set(groups_of(gathered).tolist())),
        n_cold=sum(window.bar_start < LOOKBACK_BARS for window in windows),
        left_out=gathered.left_out,
    )


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


def examples_of(gathered: Gathered, *, with_context: bool = False) -> Examples:
    """Return all gathered windows as examples, none held out yet; training wants their context."""
    windows = gathered.windows
    group = groups_of(gathered)
    ohlc, features = window_ohlc(gathered), _window_features(gathered)
    rows = [(w, span) for w, window in enumerate(windows) for span in window.spans or (None,)]
    of_window = np.array([w for w, _ in rows])
    spans = [span for _, span in rows]
    examples = Examples(
        window_uid=np.array([window.window_uid for window in windows])[of_window],
        series_id=np.array([window.series_id for window in windows])[of_window],
        bar_start=np.array([window.bar_start for window in windows], np.int64)[of_window],
        ohlc=ohlc[of_window],
        features=features[of_window],
        start=_column(spans, lambda span: span.start),
        end=_column(spans, lambda span: span.end),
        type_id=_column(spans, lambda span: SPAN_TYPES.index(span.type)),
        inside=np.stack([_mask((s.start, s.end) for s in w.spans) for w in windows])[of_window],
        ignore=np.stack([_mask(window.cut) for window in windows])[of_window],
        cold=np.array([window.bar_start < LOOKBACK_BARS for window in windows])[of_window],
        group=group[of_window],
        is_val=np.zeros(len(rows), bool),
    )
    if not with_context:
        return examples
    context = cut_context(examples.series_id, examples.bar_start, gathered.ohlc_of)
    return replace(examples, context=context)


def _window_features(gathered: Gathered) -> NDArray[np.float32]:
    """Return (W, 105, 12) features; each series is computed once, over all its bars."""
    series = {window.series_id for window in gathered.windows}
    whole = {name: compute_features(gathered.ohlc_of(name)) for name in series}
    return np.stack(
        [whole[window.series_id][window.bar_start :][:WINDOW_LENGTH] for window in gathered.windows]
    )


def _column(spans: Sequence[Span | None], value: Callable[[Span], int]) -> NDArray[np.int64]:
    return np.array([NO_SPAN if span is None else value(span) for span in spans], np.int64)


def _mask(spans: Iterable[tuple[int, int]]) -> NDArray[np.bool_]:
    """Return (105,) True on the bars of `spans`, whose ends may lie outside the window."""
    mask = np.zeros(WINDOW_LENGTH, bool)
    for start, end in spans:
        mask[max(start, 0) : end + 1] = True
    return mask
