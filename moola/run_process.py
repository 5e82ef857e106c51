"""What the process that carries a run does beside training: log, heartbeat, signals, reasons."""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from moola.endings import says_out_of_memory
from moola.exceptions import MoolaError
from moola.runs import RunFolder

log = logging.getLogger("moola")

HEARTBEAT_S = 2.0


class Heartbeat:
    """Stamps ``run.json`` now and then inside an epoch, which may take minutes."""

    def __init__(self, run: RunFolder) -> None:
        self._run = run
        self._last = time.monotonic()

    def __call__(self, n_done: int, n_planned: int) -> None:
        """Write down that `n_done` steps are done, if it is time to."""
        if time.monotonic() - self._last >= HEARTBEAT_S:
            self._run.write_status(step=n_done)
            self._last = time.monotonic()


def reason_of(error: BaseException) -> str:
    """Return in one sentence why a run ended."""
    if isinstance(error, MoolaError):
        return str(error)
    if isinstance(error, MemoryError) or says_out_of_memory(str(error)):
        return "The machine ran out of memory; a smaller batch size needs less."
    if isinstance(error, OSError):
        return f"A file could not be read or written: {error}."
    return f"{type(error).__name__}: {error}. The log has the details."


@contextlib.contextmanager
def stop_on_signals() -> Iterator[Callable[[], bool]]:
    """Yield a function that tells whether SIGTERM or SIGINT has arrived.

    A second Ctrl-C interrupts at once.
    """
    arrived: list[int] = []

    def remember(number: int, _frame: object) -> None:
        if arrived and number == signal.SIGINT:
            raise KeyboardInterrupt
        arrived.append(number)

    before = {number: signal.signal(number, remember) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield lambda: bool(arrived)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextlib.contextmanager
def log_to(run: RunFolder) -> Iterator[None]:
    """Write the log to ``log.txt`` too, unless this process's output already goes there."""
    path = run.path / "log.txt"
    handler: logging.Handler = logging.NullHandler()
    if not _is_output(path):
        handler = logging.FileHandler(path, encoding="utf-8")
    handler.setFormatter(logging.Formatter("%(asctime)s %(message)s", "%H:%M:%S"))
    log.addHandler(handler)
    try:
        yield
    finally:
        log.removeHandler(handler)
        handler.close()


def _is_output(path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(sys.stderr.fileno()), path.stat())
    except (OSError, ValueError):
        return False
