"""Restart a run from one of its epochs under another strategy, as a run of its own.

``restart_config(run, 7, balance="epoch")`` gives the options; a run made with them trains on its
parent's examples, starts from the parent's checkpoint of epoch 7, and its history begins with the
parent's first seven rows, each marked with ``from_run``. The first row of its own says ``restart``.

A run keeps the checkpoints of its last epochs and of every twelfth part of the plan, in
``checkpoints/epoch-0007.pt``.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import fields
from pathlib import Path
from typing import Any

from moola.atomic import written
from moola.config import FinetuneConfig
from moola.exceptions import ConfigError, RunError
from moola.runs import RunFolder, open_run

CHECKPOINTS_DIR = "checkpoints"
PARENT_FILE = "parent.pt"
N_SPREAD = 12
"""Checkpoints kept over the whole plan, beside the newest ones."""
INHERITED = (
    "data", "release", "labels", "val_fraction", "split", "purge_bars", "embargo",
    "use_expansion_heads", "pointer_head", "standardize", "pretrained_encoder", "freeze_encoder",
)  # fmt: skip
"""Options of data and model, which a restart takes from its parent."""


def checkpoint_path(run: RunFolder, epoch: int) -> Path:
    """Return where the checkpoint of `epoch` is, or would be."""
    return run.path / CHECKPOINTS_DIR / f"epoch-{epoch:04d}.pt"


def checkpoint_epochs(run: RunFolder) -> list[int]:
    """Return the epochs that `run` can be restarted from, oldest first."""
    names = [path.name for path in (run.path / CHECKPOINTS_DIR).glob("epoch-*.pt")]
    return sorted(int(found[1]) for name in names if (found := re.search(r"epoch-(\d+)", name)))


def nearest_checkpoint(run: RunFolder, epoch: int) -> int | None:
    """Return the last epoch up to `epoch` with a checkpoint, or None."""
    return max((kept for kept in checkpoint_epochs(run) if kept <= epoch), default=None)


def kept_epochs(last_epoch: int, epochs: int, n_last: int) -> set[int]:
    """Return the epochs whose checkpoints are kept once `last_epoch` of `epochs` is done.

    >>> sorted(kept_epochs(23, 60, 3))
    [5, 10, 15, 20, 21, 22, 23]
    """
    step = -(-epochs // N_SPREAD)
    spread = range(step, last_epoch + 1, step)
    return {*spread, *range(max(1, last_epoch - n_last + 1), last_epoch + 1)} if n_last else set()


def prune_checkpoints(run: RunFolder, kept: set[int]) -> None:
    """Delete the checkpoints of all other epochs."""
    for epoch in set(checkpoint_epochs(run)) - kept:
        checkpoint_path(run, epoch).unlink(missing_ok=True)


def link_or_copy(source: Path, target: Path) -> None:
    """Put a file in a second place at once, without a second copy where links work."""
    with written(target) as temporary:
        try:
            os.link(source, temporary)
        except OSError:  # a disk without hard links
            shutil.copyfile(source, temporary)


def hold_parent(run: RunFolder) -> None:
    """Keep the checkpoint that a new run is to start from.

    Its parent may be live, and a few epochs further have pruned it before the new run has its turn.
    """
    name, _, epoch = (run.config().restart_from or "").rpartition("@")
    if name:
        source = checkpoint_path(RunFolder(run.path.parent / name), int(epoch))
        with suppress(FileNotFoundError):  # the trainer says so
            link_or_copy(source, run.path / PARENT_FILE)


def restart_config(run: RunFolder, epoch: int, **changes: Any) -> FinetuneConfig:
    """Return the options of a run that goes on from `epoch` of `run` with `changes`.

    Raises
    ------
    RunError
        If the run keeps no checkpoint of that epoch; the message names those it keeps.
    ConfigError
        If a change concerns the data or the model, which a restart keeps.
    """
    parent = run.config()
    _refuse_changes(parent, changes, run.id)
    kept = checkpoint_epochs(run)
    if epoch not in kept:
        found = ", ".join(map(str, kept)) or "none"
        raise RunError(
            f"Run {run.id} should keep a checkpoint of epoch {epoch} to restart from. "
            f"Found {found}."
        )
    values = parent.to_dict() | changes | {"restart_from": f"{run.id}@{epoch}"}
    config = FinetuneConfig.from_dict(values)
    if config.epochs <= epoch:
        raise ConfigError(
            f"epochs should go beyond epoch {epoch}, where the run restarts. Found {config.epochs}."
        )
    return config


def parent_of(config: FinetuneConfig, runs_dir: Path) -> tuple[RunFolder, int] | None:
    """Return the run and the epoch that ``restart_from`` names, checked; None for a fresh run."""
    if config.restart_from is None:
        return None
    name, _, epoch = config.restart_from.rpartition("@")
    run = open_run(name, runs_dir)
    own = config.to_dict()
    _refuse_changes(run.config(), {name: own[name] for name in INHERITED if name in own}, run.id)
    return run, int(epoch)


def inherited_rows(parent: RunFolder, epoch: int) -> list[dict[str, Any]]:
    """Return the rows up to `epoch`, each marked with the run that computed it."""
    rows = [row for row in parent.history() if row["epoch"] <= epoch]
    if not rows or rows[-1]["epoch"] != epoch:
        raise RunError(
            f"Run {parent.id} should have logged epoch {epoch} to be restarted from it. "
            f"Found {len(rows)} epochs."
        )
    return [{"from_run": parent.id, **row} for row in rows]


def _refuse_changes(parent: FinetuneConfig, values: Mapping[str, Any], run_id: str) -> None:
    was = parent.to_dict()
    known = {item.name for item in fields(FinetuneConfig)}
    for name in INHERITED:
        if name in known and values.get(name, was[name]) != was[name]:
            raise ConfigError(
                f"{name} should stay {was[name]!r} when {run_id} is restarted, since a restart "
                f"keeps data and model. Found {values[name]!r}."
            )
