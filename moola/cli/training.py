"""Verbs that train, score and predict."""

from __future__ import annotations

import argparse
import sys
from dataclasses import fields
from pathlib import Path
from typing import Any

from tqdm import tqdm
from tqdm.contrib.logging import logging_redirect_tqdm

from moola import runs
from moola.cli import options
from moola.confidence import WANTED_SHARE, stored_abstention
from moola.config import TRACKERS, FinetuneConfig, option_type
from moola.density import data_alert
from moola.evaluate import evaluate_run, format_success, read_baselines
from moola.examples import Examples
from moola.exceptions import ConfigError
from moola.judging import judge_run
from moola.label_formats import dataset
from moola.restarting import restart_config
from moola.schema import TASK_NAMES
from moola.silence import SilenceRules
from moola.workspace import Workspace


def _add_finetune(verb: argparse.ArgumentParser) -> None:
    """Fine-tune JadeCompact; the run folder holds everything it did."""
    source = verb.add_mutually_exclusive_group(required=True)
    source.add_argument("--data", type=Path, metavar="FILE", help=options.config_help("data"))
    source.add_argument("--release", metavar="NAME", help=options.config_help("release"))
    source.add_argument("--store", action="store_true", help="train on what the store holds")
    source.add_argument(
        "--resume", type=Path, metavar="RUN_FOLDER", help="continue a run with its own options"
    )
    source.add_argument(
        "--restart-from", metavar="RUN@EPOCH", help=options.config_help("restart_from")
    )
    for item in fields(FinetuneConfig):
        if item.name not in ("data", "release", "restart_from"):
            add_option(verb, item.name, item.default)
    verb.add_argument("--out", type=Path, metavar="DIR", help="where run folders go (default: "
                      "<workspace>/runs)")  # fmt: skip
    verb.add_argument("--name", metavar="NAME", help="ending of the run folder's name")
    verb.set_defaults(handler=_finetune)


def add_option(verb: argparse.ArgumentParser, name: str, default: Any) -> None:
    """Add one option of `FinetuneConfig` with its own type, choices and help.

    An option that is not given stays out of the namespace: a restart takes it from its parent.
    """
    settings: dict[str, Any] = {
        "default": argparse.SUPPRESS,
        "help": f"{options.config_help(name)} (default: {'none' if default == () else default})",
    }
    kind = option_type(name)
    if kind is bool:
        settings["action"] = argparse.BooleanOptionalAction
    elif name == "log":
        settings |= {"action": "extend", "nargs": "+", "choices": TRACKERS}
    elif kind is tuple:
        settings |= {"type": float, "nargs": len(default), "metavar": ("P", "B", "C", "T")}
    elif name in FinetuneConfig.choices():
        settings["choices"] = FinetuneConfig.choices()[name]
    else:
        settings |= {"type": kind, "metavar": "X" if kind is not str else "PATH"}
    verb.add_argument(options.flag(name), **settings)


def _finetune(args: argparse.Namespace, workspace: Workspace) -> tuple[Any, str]:
    resumed = runs.open_run(args.resume, workspace.runs_dir) if args.resume else None
    config = resumed.config() if resumed else config_of(args, workspace)
    from moola import finetuning  # torch: loaded only where it is needed, and after the checks

    run = resumed or finetuning.prepare(
        config, workspace, runs_dir=args.out or workspace.runs_dir, name=args.name
    )
    bar = tqdm(total=config.epochs, unit="epoch", disable=not sys.stderr.isatty())

    def advance(row: dict[str, Any]) -> None:
        bar.update(row["epoch"] - bar.n)

    with bar, logging_redirect_tqdm():
        state = finetuning.carry_out(run, workspace, on_progress=advance)
    answer = {"run": run.id, "folder": str(run.path), "state": state}
    return answer, f"{state}: {run.path}"


def config_of(args: argparse.Namespace, workspace: Workspace) -> FinetuneConfig:
    """Return the options that a command line names, and of a restart those of its parent."""
    values = {f.name: getattr(args, f.name) for f in fields(FinetuneConfig) if f.name in args}
    if getattr(args, "restart_from", None):
        return _restarted(values, workspace)
    for name in ("data", "pretrained_encoder"):  # a resumed run may start in another folder
        values[name] = str(_found(values[name], workspace)) if values.get(name) else None
    if args.release:
        values["release"] = str(_release_folder(args.release, workspace))
    return FinetuneConfig.from_dict(values)


def _found(name: str, workspace: Workspace) -> Path:
    """Return the path of a file that is named from here, or from the workspace's root."""
    below = workspace.root / name
    return (below if below.exists() and not Path(name).exists() else Path(name)).resolve()


def _restarted(values: dict[str, Any], workspace: Workspace) -> FinetuneConfig:
    """Return the parent's options with those that were given on the command line."""
    name, _, epoch = values.pop("restart_from").rpartition("@")
    if not epoch.isdecimal():
        raise ConfigError(f"--restart-from should be RUN@EPOCH. Found {name or epoch!r}.")
    given = {key: value for key, value in values.items() if value is not None}
    return restart_config(runs.open_run(name, workspace.runs_dir), int(epoch), **given)


def _release_folder(name: str, workspace: Workspace) -> Path:
    """Return the folder of a release by its name, or the folder that was named."""
    folders = (workspace.releases_dir / name, Path(name))
    found = next((folder for folder in folders if dataset.recognises(folder)), None)
    if found is None:
        raise ConfigError(
            f"--release should name a release in {workspace.releases_dir}, or its folder. Found no "
            f"{name!r}."
        )
    return found.resolve()


def _add_evaluate(verb: argparse.ArgumentParser) -> None:
    """Score a run against the targets, with intervals and floors."""
    verb.add_argument("--run", required=True, metavar="RUN", help="run id or folder")
    verb.add_argument(
        "--baselines",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="fit rules and boosting beside, where the run has none yet (default: %(default)s)",
    )
    verb.add_argument("--wanted-hits", type=float, default=WANTED_SHARE, metavar="X",
                      help="the confidence that --abstain of other verbs takes is chosen so that "
                      "this share of what is kept are hits (default: %(default)s)")  # fmt: skip
    verb.set_defaults(handler=_evaluate)


def _evaluate(args: argparse.Namespace, workspace: Workspace) -> tuple[Any, str]:
    run = runs.open_run(args.run, workspace.runs_dir)
    if args.baselines and run.predictions() is not None and not read_baselines(run):
        from moola.baselines import write_baselines  # scikit-learn: loaded only where it is needed

        write_baselines(run, _folds(run))
    criteria = evaluate_run(run, wanted_hits=args.wanted_hits)
    return criteria, format_success(criteria)


def _folds(run: runs.RunFolder) -> list[tuple[Examples, Examples]] | None:
    """Return both sides of every fold of a cross-validation's first repeat; None for other runs."""
    if run.kind != "crossval":
        return None
    from moola.crossval import read_splits

    examples = run.examples()
    return [
        (examples.take(split.trains), examples.take(split.is_val)) for split in read_splits(run)[0]
    ]


def _add_judge(verb: argparse.ArgumentParser) -> None:
    """Say which task of a run is unheard, since when, why, and what to try."""
    verb.add_argument("run", metavar="RUN", help="run id or folder")
    for item in fields(SilenceRules):
        verb.add_argument(
            options.flag(item.name),
            type=type(item.default),
            default=item.default,
            metavar="X",
            help="default: %(default)s",
        )
    verb.set_defaults(handler=_judge)


def _judge(args: argparse.Namespace, workspace: Workspace) -> tuple[Any, str]:
    run = runs.open_run(args.run, workspace.runs_dir)
    rules = SilenceRules(**{item.name: getattr(args, item.name) for item in fields(SilenceRules)})
    badges, found, blind_spot = judge_run(run, runs.list_runs(workspace.runs_dir), rules)
    lines = [f"{TASK_NAMES[task]:<10} {badge}" for task, badge in badges.items()]
    empty = data_alert(run.history())
    lines += [*([empty] if empty else []), *(map(str, found) if found or empty else ["No alert."])]
    answer = {"badges": badges, "alerts": found, "blind_spot": blind_spot, "data_alert": empty}
    return answer, "\n".join([*lines, *([blind_spot] if blind_spot else [])])


def _add_predict(verb: argparse.ArgumentParser) -> None:
    """Predict with a run's checkpoint: its own windows, a label file, or the store's windows."""
    verb.add_argument("--run", required=True, metavar="RUN", help="run id or folder")
    source = verb.add_mutually_exclusive_group()
    source.add_argument("--data", type=Path, metavar="FILE", help="windows of a label Parquet")
    source.add_argument("--store", action="store_true", help="windows of the store")
    verb.add_argument(
        "--labels",
        choices=FinetuneConfig.choices()["labels"],
        default="all",
        help=f"with --store: {options.config_help('labels')} (default: %(default)s)",
    )
    verb.add_argument("--checkpoint", choices=("last", "best"), default="last",
                      help="default: last, which no validation window has chosen")  # fmt: skip
    options.add_abstain(verb)
    verb.add_argument("--out", type=Path, metavar="FILE", help="Parquet to write (default: the "
                      "run's predictions.parquet; --data, --store, --abstain need it)")  # fmt: skip
    verb.set_defaults(handler=_predict)


def _predict(args: argparse.Namespace, workspace: Workspace) -> tuple[Any, str]:
    run = runs.open_run(args.run, workspace.runs_dir)
    if (args.data or args.store) and not args.out:
        raise ConfigError("--out should name the Parquet file that --data or --store writes.")
    if args.abstain and not args.out:
        raise ConfigError(
            "--out should name a file for --abstain: the run's own predictions keep every span."
        )
    chosen = stored_abstention(run.path) if args.abstain else None
    from moola import finetuning

    frame, path = finetuning.predict(
        run,
        workspace,
        data=args.data,
        labels=args.labels if args.store else None,
        checkpoint=args.checkpoint,
        out=args.out,
        abstain_below=None if chosen is None else chosen.threshold,
    )
    n_windows = frame["window_uid"].nunique()
    answer = {"file": str(path), "n_windows": n_windows, "abstention": chosen}
    return answer, "\n".join([f"{n_windows} windows: {path}", *([f"{chosen}"] if chosen else [])])


def _add_devices(verb: argparse.ArgumentParser) -> None:
    """List the devices that can train here."""
    verb.set_defaults(handler=_devices)


def _devices(args: argparse.Namespace, workspace: Workspace) -> tuple[Any, str]:
    from moola.device import list_devices

    found = list_devices()
    return {"devices": found}, "\n".join(f"{item['key']:<6} {item['name']}" for item in found)


VERBS = {
    "finetune": _add_finetune,
    "evaluate": _add_evaluate,
    "judge": _add_judge,
    "predict": _add_predict,
    "devices": _add_devices,
}
