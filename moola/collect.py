"""Make examples of the gathered windows (`moola.gathering`), and split them as a run wants it.

Features are computed over the whole series and then cut, so that their running state is warm at
the first bar of a window. A window that stands alone starts cold, and is counted as such.
"""

from __future__ import annotations

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
from moola.folding import Split, hold_out_block, repeated_folds
from moola.gathering import Gathered, gather, groups_of, window_ohlc
from moola.purging import Places
from moola.schema import SPAN_TYPES, WINDOW_LENGTH, Span
from moola.splits import hold_out
from moola.store import LabelStore


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
