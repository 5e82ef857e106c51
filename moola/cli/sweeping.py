"""The verb that searches for good training options."""

from __future__ import annotations

import argparse
import sys
from dataclasses import fields
from pathlib import Path
from typing import Any

from tqdm import tqdm
from tqdm.contrib.logging import logging_redirect_tqdm

from moola import launching, runs
from moola.cli import options
from moola.config import BALANCES, FinetuneConfig
from moola.exceptions import ConfigError
from moola.run_process import stop_on_signals
from moola.sweep_config import OBJECTIVES, SEARCHED, SweepConfig
from moola.workspace import Workspace

SHOWN_TRIALS = 10


def _add_sweep(verb: argparse.ArgumentParser) -> None:
    """Search learning rate, epochs, head, strategy and augmentation on folds that leak nothing."""
    source = verb.add_mutually_exclusive_group(required=True)
    source.add_argument("--data", type=Path, metavar="FILE", help=options.config_help("data"))
    source.add_argument("--release", metavar="NAME", help=options.config_help("release"))
    source.add_argument("--store", action="store_true", help="sweep on what the store holds")
    source.add_argument("--resume", metavar="RUN", help="go on with a sweep")
    source.add_argument("--start-best", metavar="RUN", help="train with a sweep's best options")
    verb.add_argument("--worker", action="store_true", help=argparse.SUPPRESS)
    verb.add_argument("--device", choices=("auto", "cpu", "cuda", "mps"), default="auto")
    verb.add_argument("--seed", type=int, default=0, help="seed of models and search")
    verb.add_argument("--labels", choices=FinetuneConfig.choices()["labels"], default="verified")
    settings: dict[str, dict[str, Any]] = {
        "search": {"nargs": "+", "choices": SEARCHED},
        "lr_range": {"nargs": 2, "type": float, "metavar": ("LOW", "HIGH")},
        "epoch_range": {"nargs": 2, "type": int, "metavar": ("LOW", "HIGH")},
        "balances": {"nargs": "+", "choices": BALANCES},
        "objective": {"choices": OBJECTIVES},
        "prune": {"action": argparse.BooleanOptionalAction},
    }
    for item in fields(SweepConfig):
        if item.name == "base":
            continue
        found = settings.get(item.name, {"type": int, "metavar": "N"})
        text = f"{item.metadata['help']} (default: {item.default})"
        verb.add_argument(options.flag(item.name), default=item.default, help=text, **found)
    verb.add_argument("--name", metavar="NAME", help="ending of the run folder's name")
    verb.set_defaults(handler=_sweep)


def _sweep(args: argparse.Namespace, workspace: Workspace) -> tuple[Any, str]:
    known = args.resume or args.start_best
    run = runs.open_run(known, workspace.runs_dir) if known else None
    config = None if run else _config(args, workspace)
    from moola import sweeping  # torch and Optuna

    if run and args.worker:
        with stop_on_signals() as stopped:
            sweeping.work(run, stopped)
        return {"run": run.id}, "worked"
    if run and args.start_best:
        return _start_best(run, workspace)
    if config is not None:
        run = sweeping.prepare(config, workspace, name=args.name)
    if run is None:
        raise ConfigError("sweep should be given data or a sweep to resume. Found neither.")
    n_trials = sweeping.sweep_config(run).trials
    bar = tqdm(total=n_trials, unit="trial", disable=not sys.stderr.isatty())
    with bar, logging_redirect_tqdm():
        state = sweeping.carry_out(run, workspace, on_trial=lambda n: bar.update(n - bar.n))
    table = sweeping.trials_table(run)
    shown = table.drop(columns=[name for name in ("scores",) if name in table]).head(SHOWN_TRIALS)
    answer = {"run": run.id, "folder": str(run.path), "state": state, "trials": table}
    return answer, f"{shown.to_string(index=False)}\n{state}: {run.path}"


def _config(args: argparse.Namespace, workspace: Workspace) -> SweepConfig:
    base: dict[str, Any] = {"device": args.device, "seed": args.seed, "labels": args.labels}
    if args.data:
        base["data"] = str(args.data.resolve())
    if args.release:
        named = workspace.releases_dir / args.release
        base["release"] = str(named.resolve()) if named.exists() else args.release
    names = [item.name for item in fields(SweepConfig) if item.name != "base"]
    values = {name: getattr(args, name) for name in names}
    return SweepConfig.from_dict(values | {"base": base})


def _start_best(run: runs.RunFolder, workspace: Workspace) -> tuple[Any, str]:
    from moola import sweeping

    config = FinetuneConfig.from_dict(sweeping.best_options(run))
    started = launching.start_run(workspace, config, name=f"best-of-{run.id[:15]}")
    return {"run": started.id, "folder": str(started.path)}, f"started: {started.path}"


VERBS = {"sweep": _add_sweep}
