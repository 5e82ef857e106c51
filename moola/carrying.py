"""Carry a run of any kind from its turn to its end, so that ``run.json`` always tells the truth."""

from __future__ import annotations

import logging
import traceback
from collections.abc import Callable

from moola.exceptions import MoolaError
from moola.launching import training_turn
from moola.run_process import log_to, reason_of, stop_on_signals
from moola.runs import RunFolder, now_iso

log = logging.getLogger("moola")

Stopped = Callable[[], bool]


def carry(run: RunFolder, work: Callable[[Stopped], str]) -> str:
    """Wait for the run's turn, do its `work`, and write down how it ended.

    Parameters
    ----------
    work
        Is given a function that tells whether SIGTERM or Ctrl-C has arrived, on which it should
        save and return; returns ``finished`` or ``stopped``. Every other end is written down as
        ``failed`` with its reason, and raised again.
    """
    with (
        log_to(run),
        stop_on_signals() as stopped,
        training_turn(run, stopped=stopped) as has_turn,
    ):
        if not has_turn:
            run.write_status(state="stopped", message="Stopped while waiting for its turn.")
            return "stopped"
        return _work(run, work, stopped)


def _work(run: RunFolder, work: Callable[[Stopped], str], stopped: Stopped) -> str:
    run.claim("running", started_at=now_iso(), ended_at=None, message="")
    try:
        state = work(stopped)
    except BaseException as error:
        run.write_status(state="failed", message=reason_of(error), ended_at=now_iso())
        if not isinstance(error, MoolaError):
            log.error("%s", traceback.format_exc())
        raise
    run.write_status(state=state, ended_at=now_iso())
    log.info("%s", state)
    return state
