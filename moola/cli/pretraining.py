"""The verb that pretrains an encoder on unlabelled bars."""

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
from moola.config import DEVICES
from moola.pretrain_config import METHODS, PretrainConfig
from moola.workspace import Workspace

_CHOICES = {"method": METHODS, "device": DEVICES}


def _add_pretrain(verb: argparse.ArgumentParser) -> None:
    """Pretrain an encoder on bars nobody has labelled, for finetune --pretrained-encoder."""
    for item in fields(PretrainConfig):
        settings: dict[str, Any] = {"default": item.default, "help": item.metadata["help"]}
        if item.name == "series":
            settings |= {"nargs": "+", "metavar": "S"}
        elif item.name in _CHOICES:
            settings["choices"] = _CHOICES[item.name]
        else:
            kind = type(item.default) if item.default is not None else str
            settings |= {"type": kind, "metavar": "X" if kind is not str else "PATH"}
        if item.default:
            settings["help"] += " (default: %(default)s)"
        verb.add_argument(options.flag(item.name), **settings)
    verb.add_argument("--out", type=Path, metavar="FILE", help="checkpoint to write (default: "
                      "<workspace>/artifacts/jade_pretrain/checkpoint_best.pt)")  # fmt: skip
    verb.add_argument("--resume", metavar="RUN", help="continue a pretraining run")
    verb.set_defaults(handler=_pretrain)


def _pretrain(args: argparse.Namespace, workspace: Workspace) -> tuple[Any, str]:
    values = {item.name: getattr(args, item.name) for item in fields(PretrainConfig)}
    values["data"] = str(Path(values["data"]).resolve()) if values["data"] else None
    config = PretrainConfig.from_dict(values)
    resumed = runs.open_run(args.resume, workspace.runs_dir) if args.resume else None
    from moola import pretraining  # torch: loaded only where it is needed, and after the checks

    run = resumed or pretraining.prepare(config, workspace, out=args.out)
    bar = tqdm(
        total=pretraining.pretrain_config(run).epochs,
        unit="epoch",
        disable=not sys.stderr.isatty(),
    )

    def advance(row: dict[str, Any]) -> None:
        bar.update(row["epoch"] - bar.n)

    with bar, logging_redirect_tqdm():
        state = pretraining.carry_out(run, on_progress=advance)
    encoder = run.resolved()["out"]
    answer = {"run": run.id, "folder": str(run.path), "state": state, "encoder": encoder}
    text = f"finished: {encoder}" if state == "finished" else f"{state}: {run.path}"
    return answer, text


VERBS = {"pretrain": _add_pretrain}
