"""Pretrain an encoder on the user's own unlabelled bars: from the options to the checkpoint.

A pretraining run is a run folder like any other, with the windows it learns from. When it has
finished, its best encoder is written where fine-tuning looks for it, with the bars it has seen.
"""

from __future__ import annotations

import contextlib
import json
import logging
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from moola.atomic import write_json
from moola.bars import BarStore
from moola.carrying import Stopped, carry
from moola.checkpoint import Checkpoint
from moola.device import resolve_device
from moola.examples import Examples
from moola.exceptions import RunError
from moola.masked import MaskedTrainer
from moola.pretrain_config import PretrainConfig
from moola.pretrain_windows import pretraining_examples, seen_bars
from moola.run_process import Heartbeat
from moola.runs import EXAMPLES_FILE, RunFolder, create_run
from moola.seen_bars import SEEN_FILE
from moola.store import LabelStore
from moola.trainer import Trainer
from moola.unlabelled import PURGE_BARS, unlabelled_stretches
from moola.workspace import Workspace

log = logging.getLogger("moola")

KIND = "pretrain"
CHECKPOINT = Path("jade_pretrain") / "checkpoint_best.pt"
"""Below the artifacts of the workspace; the source notes name it so."""

Progress = Callable[[dict[str, Any]], None]


def prepare(config: PretrainConfig, workspace: Workspace, *, out: Path | None) -> RunFolder:
    """Find unlabelled bars, make windows of them, and put both into a new run folder.

    Parameters
    ----------
    out
        Checkpoint to write in the end, by default `CHECKPOINT` in the workspace's artifacts.
    """
    resolve_device(config.device)
    data = Path(config.data) if config.data else None
    with contextlib.closing(LabelStore.open(workspace.store_url)) as store:
        bar_store = BarStore(workspace.bars_dir)
        stretches = unlabelled_stretches(config.series, data, store=store, bar_store=bar_store)
    examples, seen = pretraining_examples(stretches, config), seen_bars(stretches)
    run = create_run(workspace.runs_dir, config, name=f"{KIND}-{config.method}", kind=KIND)
    examples.save(run.path / EXAMPLES_FILE)
    write_json(run.path / SEEN_FILE, seen.to_dict() | {"prints": seen.prints.tolist()})
    facts = {
        "out": str((out or workspace.artifacts_dir / CHECKPOINT).resolve()),
        "data_hash": examples.content_hash(),
        "n_train": int((~examples.is_val).sum()),
        "n_val": int(examples.is_val.sum()),
        "n_bars": seen.n_bars,
        "purge_bars": PURGE_BARS,
    }
    run.save_config(config, facts, kind=KIND)
    return run


def pretrain_config(run: RunFolder) -> PretrainConfig:
    """Return the options of a pretraining run."""
    if run.kind != KIND:
        raise RunError(f"Run {run.id} should be a pretraining run. Found one of kind {run.kind}.")
    content = json.loads((run.path / "config.json").read_text(encoding="utf-8"))
    return PretrainConfig.from_dict(content["config"])


def carry_out(run: RunFolder, *, on_progress: Progress | None = None) -> str:
    """Pretrain, or continue, and write the checkpoint; return ``finished`` or ``stopped``."""
    return carry(run, lambda stopped: _pretrain(run, stopped, on_progress))


def _pretrain(run: RunFolder, stopped: Stopped, on_progress: Progress | None) -> str:
    config, examples, facts = pretrain_config(run), run.examples(), run.resolved()
    log.info(
        "%s: %d windows to learn from, %d to check on, of %d bars nobody has labelled",
        config.method, facts["n_train"], facts["n_val"], facts["n_bars"],
    )  # fmt: skip
    trainer = make_trainer(config, examples)
    if not _learn(run, trainer, stopped=stopped, on_progress=on_progress):
        return "stopped"
    export(run, Path(facts["out"]))
    log.info("encoder: %s", facts["out"])
    return "finished"


def make_trainer(config: PretrainConfig, examples: Examples) -> Trainer | MaskedTrainer:
    """Return what learns from `examples` by the method of `config`."""
    if config.method == "planted":
        return Trainer(config.supervised(), examples)
    return MaskedTrainer(config, examples)


def _learn(
    run: RunFolder,
    trainer: Trainer | MaskedTrainer,
    *,
    stopped: Stopped,
    on_progress: Progress | None,
) -> bool:
    """Do the epochs that are left; False if stopped, with a checkpoint to continue from."""
    last, heartbeat = run.path / "last.pt", Heartbeat(run)
    if last.exists():
        trainer.load(Checkpoint.load(last), source=str(last))
    else:
        trainer.begin()
    run.truncate_history(trainer.state.epoch)
    while trainer.state.epoch < trainer.config.epochs:
        if not trainer.run_epoch(stop=stopped, on_step=heartbeat):
            trainer.checkpoint().save(last)
            return False
        row, is_best = trainer.end_epoch()
        run.append_history(row)
        if is_best:
            trainer.checkpoint(to_continue=False).save(run.path / "best.pt")
        trainer.checkpoint().save(last)
        run.write_status(epoch=row["epoch"], step=row["step"])
        log.info("%s", progress_line(row, trainer.config.epochs))
        if on_progress:
            on_progress(row)
    return True


def progress_line(row: dict[str, Any], epochs: int) -> str:
    """Return one log line per epoch."""
    if "r2" in row:
        score = f"rebuilt on bars to check on: R² {np.mean(list(row['r2'].values())):.2f}"
    else:
        score = f"both edges ±3 on windows to check on: {row['metrics'].get('hit_at_3', 0):.0%}"
    return f"epoch {row['epoch']:>3}/{epochs}   {score}"


def export(run: RunFolder, path: Path) -> None:
    """Write the run's best checkpoint to `path`, with the bars it has seen."""
    best = Checkpoint.load(run.path / "best.pt")
    seen = json.loads((run.path / SEEN_FILE).read_text(encoding="utf-8"))
    pretraining = {
        "method": pretrain_config(run).method,
        "data_hash": run.resolved()["data_hash"],
        "places": seen["places"],
        "prints": torch.tensor(seen["prints"], dtype=torch.int64),
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    replace(best, meta=best.meta | {"pretraining": pretraining}).save(path)
