"""The command line: one sub-command a verb, one workspace a call.

Exit codes: 0 done, 2 bad input (one clear sentence on stderr), 1 crash, 130 interrupted.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import sys
import uuid
from collections.abc import Sequence
from dataclasses import asdict, fields, is_dataclass
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm
from tqdm.contrib.logging import logging_redirect_tqdm

from moola import __version__, doctor, launcher, proposals, runs, sample
from moola.bars import BarStore
from moola.config import FinetuneConfig, option_type
from moola.evaluate import evaluate_run, format_success
from moola.exceptions import ConfigError, ImportRefused, MoolaError
from moola.importing import import_file
from moola.proposing import propose_series
from moola.store import LabelStore
from moola.workspace import DEFAULT_WORKSPACE, Workspace

LISTED_ROWS = 20
LOG_FORMAT = "%(asctime)s %(message)s"


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code."""
    args = _parser().parse_args(argv)
    logging.basicConfig(level=logging.INFO, format=LOG_FORMAT, datefmt="%H:%M:%S")
    workspace = Workspace(args.workspace, os.environ.get("MOOLA_DATABASE_URL"))
    try:
        answer, text = args.handler(args, workspace)
    except MoolaError as error:
        _print_error(error, as_json=args.json)
        return 2
    except OSError as error:
        # A full disk or a folder without permission is nothing that a traceback would explain.
        _print_error(
            MoolaError(f"A file could not be read or written: {error}."), as_json=args.json
        )
        return 2
    except KeyboardInterrupt:
        print("Interrupted.", file=sys.stderr)
        return 130
    print(json.dumps(answer, indent=1, default=_to_json) if args.json else text)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="moola", description="Label, learn and review expansions in 105-bar market windows."
    )
    parser.add_argument("--version", action="version", version=f"moola {__version__}")
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")
    for name, add in VERBS.items():
        verb = verbs.add_parser(name, help=add.__doc__, description=add.__doc__)
        verb.add_argument(
            "--workspace",
            type=Path,
            default=Path(os.environ.get("MOOLA_WORKSPACE") or DEFAULT_WORKSPACE),
            metavar="DIR",
            help="folder of store, bars, runs and artifacts (default: MOOLA_WORKSPACE or data)",
        )
        verb.add_argument("--json", action="store_true", help="print the answer as JSON")
        add(verb)
    return parser


def _add_sample(verb: argparse.ArgumentParser) -> None:
    """Write a workspace of generated bars and labels."""
    verb.add_argument("--seed", type=int, default=sample.DEFAULT_SEED, help="default: %(default)s")
    verb.set_defaults(handler=_sample)


def _sample(args: argparse.Namespace, workspace: Workspace) -> tuple[Any, str]:
    report = sample.write_sample(
        workspace, *_open(workspace), seed=args.seed, progress=logging.info
    )
    return report, str(report)


def _add_import(verb: argparse.ArgumentParser) -> None:
    """Import a label Parquet, or bars as Parquet or CSV with named columns."""
    verb.add_argument("file", type=Path, metavar="FILE")
    verb.add_argument("--symbol", metavar="S", help="name of the instrument (default: file name)")
    verb.add_argument("--tz", metavar="ZONE", help="time zone of stamps without one, for example "
                      "America/New_York")  # fmt: skip
    verb.set_defaults(handler=_import)


def _import(args: argparse.Namespace, workspace: Workspace) -> tuple[Any, str]:
    report = import_file(args.file, *_open(workspace), symbol=args.symbol, tz=args.tz)
    return report, str(report)


def _add_propose(verb: argparse.ArgumentParser) -> None:
    """Propose spans on the bars of a series by the written rule."""
    verb.add_argument("--series", required=True, metavar="S", help="series id or symbol")
    for item in fields(proposals.RuleParams):
        verb.add_argument(
            _flag(item.name),
            type=type(item.default),
            default=item.default,
            metavar="X",
            help=f"{item.metadata['help']} (default: %(default)s)",
        )
    verb.set_defaults(handler=_propose)


def _propose(args: argparse.Namespace, workspace: Workspace) -> tuple[Any, str]:
    store, bar_store = _open(workspace)
    params = proposals.RuleParams(
        **{item.name: getattr(args, item.name) for item in fields(proposals.RuleParams)}
    )
    series = store.find_series(args.series)
    report = propose_series(series, store, bar_store, params=params, op_id=uuid.uuid4().hex)
    return report, f"{series.series_id}: {report.n_proposals} proposals, {report.n_new} of them new"


def _add_finetune(verb: argparse.ArgumentParser) -> None:
    """Fine-tune JadeCompact; the run folder holds everything it did."""
    source = verb.add_mutually_exclusive_group(required=True)
    source.add_argument("--data", type=Path, metavar="FILE", help=_help("data"))
    source.add_argument("--store", action="store_true", help="train on what the store holds")
    source.add_argument(
        "--resume", type=Path, metavar="RUN_FOLDER", help="continue a run with its own options"
    )
    for item in fields(FinetuneConfig):
        if item.name != "data":
            _add_option(verb, item.name, item.default)
    verb.add_argument("--out", type=Path, metavar="DIR", help="where run folders go (default: "
                      "<workspace>/runs)")  # fmt: skip
    verb.add_argument("--name", metavar="NAME", help="ending of the run folder's name")
    verb.set_defaults(handler=_finetune)


def _add_option(verb: argparse.ArgumentParser, name: str, default: Any) -> None:
    """Add one option of `FinetuneConfig` with its own type, choices and help."""
    settings: dict[str, Any] = {"default": default, "help": f"{_help(name)} (default: %(default)s)"}
    kind = option_type(name)
    if kind is bool:
        settings["action"] = argparse.BooleanOptionalAction
    elif kind is tuple:
        settings |= {"type": float, "nargs": len(default), "metavar": ("P", "B", "C", "T")}
    elif name in FinetuneConfig.choices():
        settings["choices"] = FinetuneConfig.choices()[name]
    else:
        settings |= {"type": kind, "metavar": "X" if kind is not str else "PATH"}
    verb.add_argument(_flag(name), **settings)


def _finetune(args: argparse.Namespace, workspace: Workspace) -> tuple[Any, str]:
    resumed = runs.open_run(args.resume, workspace.runs_dir) if args.resume else None
    config = resumed.config() if resumed else _config(args)
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


def _config(args: argparse.Namespace) -> FinetuneConfig:
    values = {item.name: getattr(args, item.name) for item in fields(FinetuneConfig)}
    for name in ("data", "pretrained_encoder"):  # a resumed run may start in another folder
        values[name] = str(Path(values[name]).resolve()) if values[name] else None
    return FinetuneConfig.from_dict(values)


def _add_evaluate(verb: argparse.ArgumentParser) -> None:
    """Score a run against the targets, with intervals and floors."""
    verb.add_argument("--run", required=True, metavar="RUN", help="run id or folder")
    verb.set_defaults(handler=_evaluate)


def _evaluate(args: argparse.Namespace, workspace: Workspace) -> tuple[Any, str]:
    criteria = evaluate_run(runs.open_run(args.run, workspace.runs_dir))
    return criteria, format_success(criteria)


def _add_predict(verb: argparse.ArgumentParser) -> None:
    """Predict with a run's checkpoint: its own windows, a label file, or the store's windows."""
    verb.add_argument("--run", required=True, metavar="RUN", help="run id or folder")
    source = verb.add_mutually_exclusive_group()
    source.add_argument("--data", type=Path, metavar="FILE", help="windows of a label Parquet")
    source.add_argument("--store", action="store_true", help="windows of the store")
    verb.add_argument("--labels", choices=FinetuneConfig.choices()["labels"], default="all",
                      help=f"with --store: {_help('labels')} (default: %(default)s)")  # fmt: skip
    verb.add_argument("--checkpoint", choices=("last", "best"), default="last",
                      help="default: last, which no validation window has chosen")  # fmt: skip
    verb.add_argument("--out", type=Path, metavar="FILE", help="Parquet to write (default: the "
                      "run's predictions.parquet; needed with --data and --store)")  # fmt: skip
    verb.set_defaults(handler=_predict)


def _predict(args: argparse.Namespace, workspace: Workspace) -> tuple[Any, str]:
    run = runs.open_run(args.run, workspace.runs_dir)
    if (args.data or args.store) and not args.out:
        raise ConfigError("--out should name the Parquet file that --data or --store writes.")
    from moola import finetuning

    frame, path = finetuning.predict(
        run,
        workspace,
        data=args.data,
        labels=args.labels if args.store else None,
        checkpoint=args.checkpoint,
        out=args.out,
    )
    n_windows = frame["window_uid"].nunique()
    return {"file": str(path), "n_windows": n_windows}, f"{n_windows} windows: {path}"


def _add_devices(verb: argparse.ArgumentParser) -> None:
    """List the devices that can train here."""
    verb.set_defaults(handler=_devices)


def _devices(args: argparse.Namespace, workspace: Workspace) -> tuple[Any, str]:
    from moola.device import list_devices

    found = list_devices()
    return {"devices": found}, "\n".join(f"{item['key']:<6} {item['name']}" for item in found)


def _add_doctor(verb: argparse.ArgumentParser) -> None:
    """Check that this machine and this workspace are fit to work with."""
    verb.set_defaults(handler=_doctor)


def _doctor(args: argparse.Namespace, workspace: Workspace) -> tuple[Any, str]:
    checks = [*doctor.check(workspace), doctor.check_devices(launcher.list_devices)]
    text = "\n".join(f"{'ok ' if item.ok else 'BAD'} {item.name}: {item.found}" for item in checks)
    if not all(item.ok for item in checks):
        raise MoolaError(text)
    return {"checks": checks}, text


VERBS = {
    "sample": _add_sample,
    "import": _add_import,
    "propose": _add_propose,
    "finetune": _add_finetune,
    "evaluate": _add_evaluate,
    "predict": _add_predict,
    "devices": _add_devices,
    "doctor": _add_doctor,
}


def _open(workspace: Workspace) -> tuple[LabelStore, BarStore]:
    return LabelStore.open(workspace.store_url), BarStore(workspace.bars_dir)


def _flag(name: str) -> str:
    return "--" + name.replace("_", "-")


def _help(name: str) -> str:
    return FinetuneConfig.__dataclass_fields__[name].metadata["help"]


def _print_error(error: MoolaError, *, as_json: bool) -> None:
    rows = error.rows if isinstance(error, ImportRefused) else ()
    if as_json:
        print(json.dumps({"error": str(error), "rows": [asdict(row) for row in rows]}))
    print(f"error: {error}", file=sys.stderr)
    for row in rows[:LISTED_ROWS]:
        print(f"  {row}", file=sys.stderr)
    if len(rows) > LISTED_ROWS:
        print(f"  and {len(rows) - LISTED_ROWS} more rows", file=sys.stderr)


def _to_json(value: Any) -> Any:
    if is_dataclass(value) and not isinstance(value, type):
        return asdict(value)
    return value.tolist() if isinstance(value, np.generic) else str(value)
