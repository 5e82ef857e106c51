"""Fine-tune the model of a run folder, or continue where it stopped.

`finetune` does epochs, `moola.trainer.Trainer` all that is inside of one. A run leaves behind one
row per epoch in ``history.jsonl``, ``last.pt`` to continue from, and ``best.pt``, the epoch with
the best validation skill.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from moola.checkpoint import Checkpoint
from moola.runs import RunFolder
from moola.silence import silenced_tasks
from moola.trainer import Trainer


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
    trainer = Trainer(run.config(), run.examples())
    last, best = run.path / "last.pt", run.path / "best.pt"
    if last.exists():
        trainer.load(Checkpoint.load(last), source=str(last))
    else:
        trainer.begin()
    # A row is written before its checkpoint, so a crash in between leaves a row to drop.
    run.truncate_history(trainer.state.epoch)

    while trainer.state.epoch < trainer.config.epochs:
        # Train, and evaluate if the epoch was not cut short.
        if not trainer.run_epoch(stop=stop or _never, on_step=on_step or _ignore):
            trainer.checkpoint().save(last)
            return "stopped"
        row, is_best = trainer.end_epoch()

        # Log, then save: what last.pt says is always backed by a row and by a best.pt.
        run.append_history(row)
        is_silent = bool(silenced_tasks(run.history()))
        if is_silent and trainer.config.on_silence == "guard":
            trainer.wake_guard()
        if is_best:
            trainer.checkpoint(to_continue=False).save(best)
        trainer.checkpoint().save(last)
        if on_progress:
            on_progress(row)
        if is_silent and trainer.config.on_silence == "stop":
            return "stopped"
    return "finished"


def _never() -> bool:
    return False


def _ignore(_step: int, _n_steps: int) -> None:
    return
