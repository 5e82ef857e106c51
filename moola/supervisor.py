"""Wait for one training process and write down how it ended: ``python -m moola.supervisor``.

``python -S -m moola.supervisor RUN_FOLDER [--job ID] -- COMMAND...`` starts the command with its
output in the run's ``log.txt``, prints its pid, waits, and leaves ``exit.json`` behind. It is the
trainer's parent, so it alone learns the exit code or the signal; it outlives the app's server,
takes no part in training, and ends with its child. Standard library only: it costs 10 MB.

As a cluster's job the trainer may be on another machine than who watches it: the supervisor then
stamps ``.alive`` as a sign of life and does what a file ``.ask`` (``stop`` or ``kill``) says. A job
that ``job.json`` no longer names was taken back while it waited, and starts nothing.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sys
import time

from moola.endings import Ending, ending_of, oom_counters, oom_has_grown, write_ending

ALIVE_FILE, ASK_FILE, JOB_FILE = ".alive", ".ask", "job.json"
LOOK_EVERY_S = 1.0
KILL_AFTER_S = 10.0
TAIL_BYTES = 4096


def main(argv: list[str]) -> int:
    """Run the command that follows ``--`` and return its exit code, or 128 + its signal."""
    own, command = argv[: argv.index("--")], argv[argv.index("--") + 1 :]
    folder, job = own[0], own[own.index("--job") + 1] if "--job" in own else None
    if job is not None and not _is_wanted(folder, job):
        return 0
    log = os.path.join(folder, "log.txt")
    before, log_start = oom_counters(), _size(log)
    pid = _spawn(command, log, own_group=job is None)
    _say(pid)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda _number, _frame: _send(pid, signal.SIGTERM))
    if job is not None:
        _look_after(folder, pid)
    _, status, used = os.wait4(pid, 0)
    signal.setitimer(signal.ITIMER_REAL, 0)
    # what it left behind cannot be waited for by anybody, such as workers of a killed trainer
    if status and job is None:
        _send(-pid, signal.SIGKILL)
    peak_mb = used.ru_maxrss / (1024 if sys.platform == "linux" else 1024**2)
    ending = ending_of(
        pid,
        status,
        last_words=_last_line(log, log_start),
        oom_grew=oom_has_grown(before),
        peak_mb=round(peak_mb, 1),
    )
    if os.path.isdir(folder):  # it may have been deleted meanwhile
        write_ending(folder, ending)
    return _code(ending)


def _is_wanted(folder: str, job: str) -> bool:
    try:
        with open(os.path.join(folder, JOB_FILE), encoding="utf-8") as file:
            return json.load(file).get("id") == job
    except (OSError, ValueError):
        return False


def _spawn(command: list[str], log: str, *, own_group: bool) -> int:
    """Start the command; in a group of its own its workers can be ended with it."""
    appended = os.O_WRONLY | os.O_CREAT | os.O_APPEND
    actions = [
        (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
        (os.POSIX_SPAWN_OPEN, 1, log, appended, 0o644),
        (os.POSIX_SPAWN_DUP2, 1, 2),
    ]
    if not own_group:
        return os.posix_spawnp(command[0], command, os.environ, file_actions=actions)
    return os.posix_spawnp(command[0], command, os.environ, file_actions=actions, setpgroup=0)


def _say(pid: int) -> None:
    try:
        print(pid, flush=True)
    except BrokenPipeError:  # who started us is gone; the training is not
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _look_after(folder: str, pid: int) -> None:
    """Give signs of life and do what is asked, every second from now on."""
    asked_at: list[float] = []

    def look(_number: int, _frame: object) -> None:
        _stamp(os.path.join(folder, ALIVE_FILE))
        asked = _asked(folder)
        if asked == "stop" and not asked_at:
            _send(pid, signal.SIGTERM)
        if asked:
            asked_at.append(time.monotonic())
        if asked == "kill" or (asked_at and time.monotonic() - asked_at[0] > KILL_AFTER_S):
            _send(pid, signal.SIGKILL)

    signal.signal(signal.SIGALRM, look)
    signal.setitimer(signal.ITIMER_REAL, LOOK_EVERY_S, LOOK_EVERY_S)


def _stamp(path: str) -> None:
    # a full disk, or a folder that was deleted, is nothing to end the waiting for
    with contextlib.suppress(OSError), open(path, "w", encoding="utf-8") as file:
        file.write(str(time.time()))


def _asked(folder: str) -> str:
    try:
        with open(os.path.join(folder, ASK_FILE), encoding="utf-8") as file:
            return file.read().strip()
    except OSError:
        return ""


def _send(pid: int, number: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)


def _size(path: str) -> int:
    try:
        return os.stat(path).st_size
    except OSError:
        return 0


def _last_line(path: str, start: int) -> str:
    """Return the last line printed since byte `start`."""
    try:
        with open(path, "rb") as file:
            file.seek(max(start, _size(path) - TAIL_BYTES))
            lines = file.read().decode("utf-8", errors="replace").splitlines()
    except OSError:
        return ""
    return next((line.strip() for line in reversed(lines) if line.strip()), "")


def _code(ending: Ending) -> int:
    if ending.exit_code is not None:
        return ending.exit_code
    return 128 + int(getattr(signal, ending.signal or "", 0))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
