"""Fine-tune the model of a run folder, or continue where it stopped.

`finetune` does epochs, `moola.trainer.Trainer` all that is inside of one. A run leaves behind one
row per epoch in ``history.jsonl``, ``last.pt`` to continue from, and ``best.pt``, the epoch with
the best validation skill.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from moola.checkpoint import Checkpoint
from moola.device import deterministic
from moola.handover import take_over
from moola.history import HistoryDigest
from moola.restarting import (
    PARENT_FILE,
    checkpoint_path,
    kept_epochs,
    link_or_copy,
    parent_of,
    prune_checkpoints,
)
from moola.runs import RunFolder
from moola.silence import silenced_tasks
from moola.trainer import Trainer
from moola.window_losses import WINDOW_LOSSES_FILE, WindowLosses, recorded_epochs


def finetune(
    run: RunFolder,
    *,
    on_progress: Callable[[dict[str, Any]], None] | None = None,
    on_step: Callable[[int, int], None] | None = None,
    stop: Callable[[], bool] | None = None,
) -> str:
    """Train the run's model on the run's examples; continue from ``last.pt`` when it is there.

    Parameters
    ----------
    on_progress
        Called with every epoch's row once it is saved.
    on_step
        Called after every step with the number of steps done and planned.
    stop
        Asked before every step; True ends the run with a checkpoint.

    Returns
    -------
    str
        ``finished`` or ``stopped``.
    """
    config = run.config()
    with deterministic(config.deterministic):
        trainer = Trainer(config, run.examples())
        _start(run, trainer)
        return _run_epochs(
            run, trainer, on_progress=on_progress, on_step=on_step or _ignore, stop=stop or _never
        )


def _run_epochs(
    run: RunFolder,
    trainer: Trainer,
    *,
    on_progress: Callable[[dict[str, Any]], None] | None,
    on_step: Callable[[int, int], None],
    stop: Callable[[], bool],
) -> str:
    """Train to the planned epoch, and save each; return ``finished`` or ``stopped``."""
    last = run.path / "last.pt"
    history = HistoryDigest(run.path / "history.jsonl")
    while trainer.state.epoch < trainer.config.epochs:
        # Train, and evaluate if the epoch was not cut short.
        if not trainer.run_epoch(stop=stop, on_step=on_step):
            trainer.checkpoint().save(last)
            return "stopped"
        row, is_best = trainer.end_epoch()

        # Log, then save: what last.pt says is always backed by a row and by a best.pt.
        run.append_history(row | _restart_mark(run, trainer, row))
        history.refresh()
        is_silent = bool(silenced_tasks(history.rows))
        if is_silent and trainer.config.on_silence == "guard":
            trainer.wake_guard()
        if is_best:
            trainer.checkpoint(to_continue=False).save(run.path / "best.pt")
        _record_windows(run, trainer)
        trainer.checkpoint().save(last)
        _keep_checkpoint(run, trainer)
        if on_progress:
            on_progress(row)
        if is_silent and trainer.config.on_silence == "stop":
            return "stopped"
    return "finished"


def _start(run: RunFolder, trainer: Trainer) -> None:
    """Continue where the run stopped, or where its parent was, or begin."""
    last = run.path / "last.pt"
    if last.exists():
        trainer.load(Checkpoint.load(last), source=str(last))
        _keep_checkpoint(run, trainer)  # a crash may have come between the two
    elif parent := parent_of(trainer.config, run.path.parent):
        run.write_history(take_over(trainer, *parent, held=run.path / PARENT_FILE))
    else:
        trainer.begin()
    # A row is written before its checkpoint, so a crash in between leaves a row to drop.
    run.truncate_history(trainer.state.epoch)


def _restart_mark(run: RunFolder, trainer: Trainer, row: dict[str, Any]) -> dict[str, Any]:
    """Return what the first row after a restart says of it."""
    if trainer.config.restart_from is None:
        return {}
    parent, _, epoch = trainer.config.restart_from.rpartition("@")
    if row["epoch"] != int(epoch) + 1:
        return {}
    before = run.history()[-1]["strategy"]
    return {"restart": {"from_run": parent, "from_epoch": int(epoch), "balance_before": before}}


def _record_windows(run: RunFolder, trainer: Trainer) -> None:
    """Write down what every window lost in the epoch that just ended."""
    epoch, examples = trainer.state.epoch, trainer.examples
    if epoch not in recorded_epochs(trainer.config.epochs):
        return
    known = run.window_losses() or WindowLosses.empty(
        examples.window_uid, examples.is_val, trainer.model.tasks
    )
    known.up_to(epoch - 1).with_epoch(epoch, trainer.window_losses()).save(
        run.path / WINDOW_LOSSES_FILE
    )


def _keep_checkpoint(run: RunFolder, trainer: Trainer) -> None:
    """Keep ``last.pt`` as its epoch's checkpoint too, without a second copy where links work."""
    state, config = trainer.state, trainer.config
    kept = kept_epochs(state.epoch, config.epochs, config.keep_checkpoints)
    if state.epoch in kept and not state.tally.n_batches:
        path = checkpoint_path(run, state.epoch)
        path.parent.mkdir(exist_ok=True)
        link_or_copy(run.path / "last.pt", path)
    prune_checkpoints(run, kept)


def _never() -> bool:
    return False


def _ignore(_step: int, _n_steps: int) -> None:
    return
