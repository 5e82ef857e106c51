"""The verb that cross-validates."""

from __future__ import annotations

import argparse
import sys
from dataclasses import fields
from pathlib import Path
from typing import Any

from tqdm import tqdm
from tqdm.contrib.logging import logging_redirect_tqdm

from moola import runs
from moola.cli import options, training
from moola.config import FinetuneConfig
from moola.evaluate import format_success, read_success
from moola.workspace import Workspace

_NOT_OF_A_FOLD = (
    "data", "release", "val_fraction", "split", "keep_checkpoints", "log", "restart_from",
)  # fmt: skip


def _add_crossval(verb: argparse.ArgumentParser) -> None:
    """Predict every labelled window by models that never saw it: folds in blocks of time."""
    source = verb.add_mutually_exclusive_group(required=True)
    source.add_argument("--data", type=Path, metavar="FILE", help=options.config_help("data"))
    source.add_argument("--release", metavar="NAME", help=options.config_help("release"))
    source.add_argument("--store", action="store_true", help="the labels of the store")
    source.add_argument("--resume", metavar="RUN", help="go on with a cross-validation")
    verb.add_argument("--folds", type=int, default=5, metavar="N", help="default: %(default)s")
    verb.add_argument(
        "--repeats", type=int, default=1, metavar="N", help="each with other folds (default: 1)"
    )
    verb.add_argument(
        "--workers", type=int, metavar="N", help="processes at once (default: one a core)"
    )
    verb.add_argument("--name", metavar="NAME", help="ending of the run folder's name")
    for item in fields(FinetuneConfig):
        if item.name not in _NOT_OF_A_FOLD:
            training.add_option(verb, item.name, item.default)
    verb.set_defaults(handler=_crossval)


def _crossval(args: argparse.Namespace, workspace: Workspace) -> tuple[Any, str]:
    resumed = runs.open_run(args.resume, workspace.runs_dir) if args.resume else None
    config = resumed.config() if resumed else training.config_of(args, workspace)
    from moola import crossval  # torch: loaded only where it is needed, and after the checks

    run = resumed or crossval.prepare(
        config, workspace, n_folds=args.folds, n_repeats=args.repeats, name=args.name
    )
    bar = tqdm(total=run.status().epochs, unit="fold", disable=not sys.stderr.isatty())

    def advance(n_done: int, _n_units: int) -> None:
        bar.update(n_done - bar.n)

    with bar, logging_redirect_tqdm():
        state = crossval.carry_out(
            run, workspace=workspace, n_workers=args.workers, on_progress=advance
        )
    answer = {"run": run.id, "folder": str(run.path), "state": state}
    table = read_success(run) if state == "finished" else None
    return answer, "\n".join([f"{state}: {run.path}", *([format_success(table)] if table else [])])


VERBS = {"crossval": _add_crossval}
