"""Repeated cross-validation: every labelled window is predicted by models that never saw it.

``python -m moola crossval --store --folds 5 --repeats 2`` makes a run folder of kind ``crossval``.
Its examples are all labelled windows, its ``predictions.parquet`` holds for each the prediction of
the fold that held it out, so that it can be evaluated, reviewed and audited like any other run.

A fold is a fine-tuning run of its own below ``folds/``, which resumes from its last checkpoint, and
folds are spread over processes of one thread each: two threads would wait for each other.
"""

from __future__ import annotations

import contextlib
import json
import logging
import multiprocessing
import os
import signal
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from moola import collect, evaluate
from moola.atomic import write_json
from moola.bars import BarStore
from moola.baselines import write_baselines
from moola.carrying import carry
from moola.config import FinetuneConfig
from moola.device import resolve_device
from moola.examples import Examples
from moola.exceptions import ConfigError
from moola.finetuning import describe
from moola.floors import fit_constants
from moola.folding import Split
from moola.metrics import Predicted
from moola.predict import fit_stage, predict, write_predictions
from moola.pretrained import check_not_seen
from moola.purging import n_at_held_out_times, n_without_time, smallest_distance_bars
from moola.runs import EXAMPLES_FILE, RunFolder, create_run
from moola.splits import check_no_leak
from moola.store import LabelStore
from moola.train import finetune
from moola.workspace import Workspace

log = logging.getLogger("moola")

FOLDS_FILE = "folds.npz"
FOLD_FACTS_FILE = "folds.json"
STOP_FILE = ".stop"
POLL_S = 1.0


def prepare(
    config: FinetuneConfig,
    workspace: Workspace,
    *,
    n_folds: int,
    n_repeats: int,
    name: str | None = None,
) -> RunFolder:
    """Collect the examples, cut the folds, refuse a leak, and make the run's folder."""
    _check(n_folds, n_repeats)
    resolve_device(config.device)
    examples, splits = _cut(config, workspace, n_folds=n_folds, n_repeats=n_repeats)
    run = create_run(workspace.runs_dir, config, name=name or "crossval", kind="crossval")
    _fill(run, examples, splits)
    return run


def complete(run: RunFolder, workspace: Workspace) -> None:
    """Collect and cut what a run started in the app does not have yet."""
    if (run.path / FOLDS_FILE).exists():
        return
    config, asked = run.config(), run.resolved()
    n_folds, n_repeats = int(asked.get("n_folds", 5)), int(asked.get("n_repeats", 1))
    _check(n_folds, n_repeats)
    _fill(run, *_cut(config, workspace, n_folds=n_folds, n_repeats=n_repeats))


def _check(n_folds: int, n_repeats: int) -> None:
    if n_folds < 2 or n_repeats < 1:
        raise ConfigError(
            f"A cross-validation should have 2 folds and 1 repeat at least. Found {n_folds} and "
            f"{n_repeats}."
        )


def _cut(
    config: FinetuneConfig, workspace: Workspace, *, n_folds: int, n_repeats: int
) -> tuple[Examples, list[list[Split]]]:
    """Return all labelled windows and their folds; a leak is refused."""
    seeds = [config.seed + number for number in range(n_repeats)]
    with contextlib.closing(LabelStore.open(workspace.store_url)) as store:
        examples, splits = collect.collect_folds(
            config, n_folds, seeds, store=store, bar_store=BarStore(workspace.bars_dir)
        )
    for split in (split for folds in splits for split in folds):
        fold = _of_fold(examples, split)
        check_no_leak(fold.series_id, fold.bar_start, fold.ohlc, fold.is_val)
    return examples, splits


def _fill(run: RunFolder, examples: Examples, splits: list[list[Split]]) -> None:
    n_folds, n_repeats = len(splits[0]), len(splits)
    facts = {"n_folds": n_folds, "n_repeats": n_repeats} | describe(examples)
    facts |= check_not_seen(run.config().pretrained_encoder, examples)
    run.write_status(epochs=n_folds * n_repeats)
    run.save_config(run.config(), facts, kind="crossval")
    examples.save(run.path / EXAMPLES_FILE)
    _save_splits(run, splits)


def _of_fold(examples: Examples, split: Split) -> Examples:
    return replace(examples, is_val=split.is_val).take(split.is_val | split.trains)


def _save_splits(run: RunFolder, splits: list[list[Split]]) -> None:
    np.savez_compressed(
        run.path / FOLDS_FILE,
        is_val=np.array([[split.is_val for split in folds] for folds in splits]),
        trains=np.array([[split.trains for split in folds] for folds in splits]),
        note=np.array([[split.note for split in folds] for folds in splits]),
    )


def read_splits(run: RunFolder) -> list[list[Split]]:
    """Return the folds of each repeat of a cross-validation."""
    with np.load(run.path / FOLDS_FILE, allow_pickle=False) as stored:
        columns = [stored[name] for name in ("is_val", "trains", "note")]
    return [
        [Split(is_val, trains, str(note)) for is_val, trains, note in zip(*folds, strict=True)]
        for folds in zip(*columns, strict=True)
    ]


def carry_out(
    run: RunFolder,
    *,
    workspace: Workspace | None = None,
    n_workers: int | None = None,
    on_progress: Callable[[int, int], None] | None = None,
) -> str:
    """Train and predict every fold that is not done; return ``finished`` or ``stopped``."""

    def work(stopped: Callable[[], bool]) -> str:
        if workspace is not None:
            complete(run, workspace)
        return _run_folds(run, n_workers, stopped, on_progress)

    return carry(run, work)


def _run_folds(
    run: RunFolder,
    n_workers: int | None,
    stopped: Callable[[], bool],
    on_progress: Callable[[int, int], None] | None,
) -> str:
    splits = read_splits(run)
    units = [(r, f) for r, folds in enumerate(splits) for f in range(len(folds))]
    missing = [unit for unit in units if not fold_path(run, *unit, "predictions.parquet").exists()]
    n_workers = min(n_workers or os.cpu_count() or 1, max(len(missing), 1))
    log.info("%d folds, %d to do, on %d processes", len(units), len(missing), n_workers)
    with _stop_file(run) as ask_to_stop, _workers(n_workers) as pool:
        waiting: set[Future[bool]] = {pool.submit(run_fold, run.path, *unit) for unit in missing}
        n_done = len(units) - len(missing)
        while waiting:
            done, waiting = wait(waiting, timeout=POLL_S, return_when=FIRST_COMPLETED)
            if stopped():
                ask_to_stop()
                waiting = {future for future in waiting if not future.cancel()}
            n_done += sum(future.result() for future in done if not future.cancelled())
            run.write_status(epoch=n_done)
            if on_progress and done:
                on_progress(n_done, len(units))
    if n_done < len(units):
        return "stopped"
    join(run, splits)
    return "finished"


@contextlib.contextmanager
def _stop_file(run: RunFolder) -> Iterator[Callable[[], None]]:
    """Yield what asks the workers to save and end: a file that they look for before every step."""
    path = run.path / STOP_FILE
    path.unlink(missing_ok=True)
    try:
        yield path.touch
    except BaseException:
        path.touch()  # the pool waits for its workers, which should not train on meanwhile
        raise
    finally:
        path.unlink(missing_ok=True)


@contextlib.contextmanager
def _workers(n_workers: int) -> Iterator[ProcessPoolExecutor]:
    context = multiprocessing.get_context("spawn")  # a forked torch may hang
    with ProcessPoolExecutor(n_workers, mp_context=context, initializer=_be_quiet) as pool:
        yield pool


def _be_quiet() -> None:
    """Leave Ctrl-C to the parent, which asks to save first."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def fold_path(run: RunFolder | Path, repeat: int, fold: int, name: str = "") -> Path:
    """Return the folder of one fold, or a file in it."""
    root = run.path if isinstance(run, RunFolder) else run
    return root / "folds" / f"r{repeat}-f{fold}" / name


def run_fold(root: Path, repeat: int, fold: int) -> bool:
    """Train one fold and write its predictions, in a process of its own; False if stopped."""
    run = RunFolder(root)
    parent = os.getppid()
    split = read_splits(run)[repeat][fold]
    own = RunFolder(fold_path(run, repeat, fold))
    own.path.mkdir(parents=True, exist_ok=True)
    config = run.config()
    own.save_config(replace(config, seed=config.seed + repeat, keep_checkpoints=0), {})
    examples = _of_fold(run.examples(), split)
    examples.save(own.path / EXAMPLES_FILE)

    def stop() -> bool:  # also when whoever would join the folds has been killed
        return (root / STOP_FILE).exists() or os.getppid() != parent

    state = finetune(own, stop=stop)
    if os.getppid() != parent:
        os._exit(1)  # nobody is left to hand out another fold, and the pool would wait for ever
    if state == "stopped":
        return False
    fit_stage(own)
    table = predict(own, examples.take(examples.is_val), device=config.device)
    write_predictions(table.assign(fold=fold, repeat=repeat), own.path / "predictions.parquet")
    return True


def join(run: RunFolder, splits: list[list[Split]]) -> None:
    """Put the folds together: predictions, floors, facts of the folds, success table."""
    examples = run.examples()
    tables = [
        pd.read_parquet(fold_path(run, repeat, fold, "predictions.parquet"))
        for repeat, folds in enumerate(splits)
        for fold in range(len(folds))
    ]
    every = pd.concat(tables, ignore_index=True)
    write_predictions(every, run.path / evaluate.OOF_FILE)
    write_predictions(every.loc[every["repeat"] == 0], run.path / "predictions.parquet")
    evaluate.write_floor(run, fold_constants(examples, splits[0]))
    facts = [
        _facts(examples, split, repeat=repeat, fold=fold)
        for repeat, folds in enumerate(splits)
        for fold, split in enumerate(folds)
    ]
    write_json(run.path / FOLD_FACTS_FILE, {"folds": facts})
    write_baselines(
        run, [(examples.take(fold.trains), examples.take(fold.is_val)) for fold in splits[0]]
    )
    evaluate.evaluate_run(run)


def fold_constants(examples: Examples, folds: list[Split]) -> Predicted:
    """Return the best constants of each fold's training rows, for the rows that it held out."""
    parts = [
        (np.flatnonzero(split.is_val), fit_constants(examples.take(split.trains)))
        for split in folds
    ]
    order = np.argsort(np.concatenate([rows for rows, _ in parts]))
    return Predicted.join([constants.predict(len(rows)) for rows, constants in parts]).take(order)


def _facts(examples: Examples, split: Split, *, repeat: int, fold: int) -> dict[str, Any]:
    places = collect.places_of(examples)
    return {
        "repeat": repeat,
        "fold": fold,
        "n_train": int(split.trains.sum()),
        "n_val": int(split.is_val.sum()),
        "n_purged": split.n_purged,
        "nearest_bars": smallest_distance_bars(places, split.is_val, split.trains),
        "n_same_time": n_at_held_out_times(places, split.is_val, split.trains),
        "n_without_time": n_without_time(places),
        "note": split.note,
    }


def read_fold_facts(run: RunFolder) -> list[dict[str, Any]]:
    """Return what is known of each fold: how many train, are held out, are purged, and how near."""
    return json.loads((run.path / FOLD_FACTS_FILE).read_text(encoding="utf-8"))["folds"]
