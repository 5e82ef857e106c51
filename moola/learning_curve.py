"""Measure a learning curve: train a run's recipe on 50, 100, ... and all labels, over folds.

Every unit (a size, a fold, a repeat) is a training of its own; several run side by side in
processes. The folds are those of a cross-validation (`moola.folding`), purged and with an embargo.
The sizes of a fold are nested, so that a larger one differs by added labels alone.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass, replace
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from moola.collect import places_of
from moola.config import FinetuneConfig
from moola.examples import Examples
from moola.exceptions import ConfigError
from moola.folding import Split, repeated_folds
from moola.learning import COLUMNS, CURVE_FILE
from moola.metrics import TOLERANCE_BARS
from moola.predict import predict_run
from moola.pretrained import check_not_seen
from moola.review_tables import Reading, readings
from moola.runs import EXAMPLES_FILE, RunFolder, create_run
from moola.tables import write_parquet
from moola.train import finetune

DEFAULT_SIZES = (50, 100)
"""The third point is all labels that a fold leaves."""


@dataclass(frozen=True, slots=True)
class Unit:
    """One training: how many labels, which fold is tested, and which draw of them it is."""

    size: int
    fold: int
    repeat: int


def measure(
    run: RunFolder,
    *,
    sizes: Sequence[int] = DEFAULT_SIZES,
    folds: int = 5,
    repeats: int = 1,
    workers: int = 1,
    on_progress: Callable[[int, int], None] | None = None,
) -> Path:
    """Train the run's recipe on growing numbers of its labels; return the file that was written."""
    examples, encoder = run.examples(), run.config().pretrained_encoder
    check_not_seen(encoder, replace(examples, is_val=np.ones(len(examples), bool)))
    splits = cut(examples, folds=folds, repeats=repeats)
    units = plan(splits, sizes=sizes)
    rows: list[dict[str, Any]] = []
    # A process that has torch must not be forked.
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        waiting = []
        for unit in units:
            split = splits[unit.repeat][unit.fold]
            is_train = training_rows(examples, split, unit)
            waiting.append(pool.submit(_carry_out, str(run.path), unit, is_train, split.is_val))
        for done, future in enumerate(as_completed(waiting), 1):
            rows += future.result()
            if on_progress:
                on_progress(done, len(units))
    table = pd.DataFrame(rows, columns=list(COLUMNS)).sort_values(["size", "repeat", "window_uid"])
    path = run.path / CURVE_FILE
    write_parquet(pa.Table.from_pandas(table, preserve_index=False), path)
    return path


def cut(examples: Examples, *, folds: int, repeats: int) -> list[list[Split]]:
    """Return the folds of each repeat."""
    if folds < 2 or repeats < 1:
        raise ConfigError(
            f"A learning curve needs 2 folds and 1 repeat or more. Found {folds} and {repeats}."
        )
    return repeated_folds(places_of(examples), folds, seeds=list(range(repeats)))


def plan(splits: Sequence[Sequence[Split]], *, sizes: Sequence[int]) -> list[Unit]:
    """Return the units: the sizes that every fold can give, and all of its labels."""
    if min(sizes, default=1) < 1:
        raise ConfigError(f"Sizes should be at least 1. Found {min(sizes)}.")
    most = min(int(split.trains.sum()) for folds in splits for split in folds)
    every = len(splits[0][0].is_val)
    return [
        Unit(size, fold, repeat)
        for size in sorted({size for size in sizes if size < most} | {every})
        for repeat, folds in enumerate(splits)
        for fold in range(len(folds))
    ]


def training_rows(examples: Examples, split: Split, unit: Unit) -> np.ndarray:
    """Return (N,) which rows a unit trains on.

    Groups of windows that share bars come in one random order for every size, and the windows of a
    group as they follow each other: whoever labels fewer windows labels fewer stretches of bars.
    """
    rng = np.random.default_rng((unit.repeat, unit.fold))
    turn = rng.permutation(int(examples.group.max()) + 1)[examples.group]
    order = np.lexsort((examples.bar_start, examples.series_id, turn))
    taken = np.zeros(len(examples), bool)
    taken[order[split.trains[order]][: unit.size]] = True
    return taken


def _carry_out(
    folder: str, unit: Unit, is_train: np.ndarray, is_test: np.ndarray
) -> list[dict[str, Any]]:
    """Train one unit in this process and return a row for every test window."""
    source = RunFolder(Path(folder))
    examples, config = source.examples(), source.config()
    own = replace(examples, is_val=is_test).take(is_train | is_test)
    with tempfile.TemporaryDirectory() as scratch:
        run = create_run(Path(scratch), _recipe(config, unit))
        own.save(run.path / EXAMPLES_FILE)
        finetune(run)
        table = predict_run(run)
    n_train = int(is_train.sum())
    return [
        _row(row, unit, n_train)
        for row in readings(own, table)
        if row.error.split == "val" and row.error.is_labelled
    ]


def _recipe(config: FinetuneConfig, unit: Unit) -> FinetuneConfig:
    """Return a run's options for one unit: another seed, and no run to go on from."""
    changes: dict[str, Any] = {"seed": config.seed + unit.repeat, "on_silence": "warn"}
    for name in ("restart_from",):
        if getattr(config, name, None):
            changes[name] = None
    return replace(config, **changes)


def _row(row: Reading, unit: Unit, n_train: int) -> dict[str, Any]:
    start_hit = row.start_off is not None and abs(row.start_off) <= TOLERANCE_BARS
    values = (row.window_uid, row.group, unit.size, n_train, unit.fold, unit.repeat)
    return dict(zip(COLUMNS, (*values, row.is_hit, start_hit), strict=True))
