"""Measure a learning curve: train a run's recipe on 50, 100, ... and all labels, over folds.

Every unit (a size, a fold, a repeat) is a training of its own; several run side by side in
processes. The sizes of a fold are nested, so that a larger one differs by added labels alone, and a
fold's test windows share no bar with its training windows.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass, replace
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from moola.config import FinetuneConfig
from moola.examples import Examples
from moola.exceptions import ConfigError
from moola.learning import COLUMNS, CURVE_FILE
from moola.metrics import TOLERANCE_BARS
from moola.predict import predict_run
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
    examples = run.examples()
    units = list(plan(examples, sizes=sizes, folds=folds, repeats=repeats))
    rows: list[dict[str, Any]] = []
    # A process that has torch must not be forked.
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        waiting = [pool.submit(_carry_out, str(run.path), unit, folds) for unit in units]
        for done, future in enumerate(as_completed(waiting), 1):
            rows += future.result()
            if on_progress:
                on_progress(done, len(units))
    table = pd.DataFrame(rows, columns=list(COLUMNS)).sort_values(["size", "repeat", "window_uid"])
    path = run.path / CURVE_FILE
    write_parquet(pa.Table.from_pandas(table, preserve_index=False), path)
    return path


def plan(examples: Examples, *, sizes: Sequence[int], folds: int, repeats: int) -> Iterator[Unit]:
    """Return the units: the sizes that every fold can give, and all of its labels."""
    n_groups = len(np.unique(examples.group))
    if folds < 2 or n_groups < folds:
        raise ConfigError(
            f"A learning curve needs 2 folds or more, each with a group of windows. Found {folds} "
            f"folds and {n_groups} groups."
        )
    if repeats < 1 or min(sizes, default=1) < 1:
        raise ConfigError("Sizes and repeats should be at least 1.")
    most = min(
        int((fold_of(examples, folds=folds, repeat=0) != fold).sum()) for fold in range(folds)
    )
    wanted = sorted({size for size in sizes if size < most} | {len(examples)})
    for size in wanted:
        for repeat in range(repeats):
            for fold in range(folds):
                yield Unit(size, fold, repeat)


def fold_of(examples: Examples, *, folds: int, repeat: int) -> np.ndarray:
    """Return (N,) the fold of each row: groups of windows that share bars stay together."""
    groups = np.unique(examples.group)
    order = np.random.default_rng(repeat).permutation(len(groups))
    return (order % folds)[np.searchsorted(groups, examples.group)]


def training_rows(examples: Examples, unit: Unit, *, folds: int) -> np.ndarray:
    """Return (N,) which rows a unit trains on: whole groups, in one order for every size."""
    fold = fold_of(examples, folds=folds, repeat=unit.repeat)
    rest = fold != unit.fold
    groups = np.unique(examples.group[rest])
    order = np.random.default_rng((unit.repeat, unit.fold)).permutation(groups)
    taken = np.zeros(len(examples), bool)
    for group in order:
        if taken.sum() >= unit.size:
            break
        taken |= rest & (examples.group == group)
    return taken


def _carry_out(folder: str, unit: Unit, folds: int) -> list[dict[str, Any]]:
    """Train one unit in this process and return a row for every test window."""
    source = RunFolder(Path(folder))
    examples, config = source.examples(), source.config()
    is_train = training_rows(examples, unit, folds=folds)
    is_test = fold_of(examples, folds=folds, repeat=unit.repeat) == unit.fold
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
