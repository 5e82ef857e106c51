"""How a process ended: by itself, by a signal, or for want of memory. Standard library only.

The supervisor writes an `Ending` to ``exit.json``; `moola.liveness` reads it. The kernel counts the
processes it kills for memory: a snapshot of those counters before, held against them afterwards,
tells an out-of-memory kill from any other SIGKILL.
"""

from __future__ import annotations

import json
import os
import signal
import time
from pathlib import Path
from typing import NamedTuple

from moola.atomic import write_json

EXIT_FILE = "exit.json"
MAX_WORDS = 300
_MEMORY_WORDS = (
    "MemoryError",
    "std::bad_alloc",
    "an't allocate memory",
    "annot allocate memory",
    "out of memory",
)


class Ending(NamedTuple):
    """What was seen of the end of one process."""

    pid: int
    ended_at: float
    exit_code: int | None = None
    """What it returned; None if a signal ended it."""
    signal: str | None = None
    out_of_memory: bool = False
    last_words: str = ""
    """The last line it printed, if it ended badly by itself."""
    peak_mb: float | None = None

    @property
    def in_words(self) -> str:
        """Say how it ended, as the beginning of a sentence.

        >>> Ending(7, 0.0, signal="SIGKILL", out_of_memory=True).in_words
        'Out of memory: the kernel killed the process (SIGKILL)'
        >>> Ending(7, 0.0, exit_code=3, last_words="ValueError: no bars").in_words
        'The process ended with exit code 3 (ValueError: no bars)'
        """
        if self.signal and self.out_of_memory:
            return f"Out of memory: the kernel killed the process ({self.signal})"
        if self.signal:
            return f"The process was killed by {self.signal}"
        said = f" ({self.last_words})" if self.last_words else ""
        if self.out_of_memory:
            return f"Out of memory: the process ended with exit code {self.exit_code}{said}"
        return f"The process ended with exit code {self.exit_code}{said}"


def ending_of(
    pid: int, wait_status: int, *, last_words: str, oom_grew: bool, peak_mb: float | None
) -> Ending:
    """Return the ending that a ``wait`` status stands for."""
    code = os.waitstatus_to_exitcode(wait_status)
    if code < 0:
        name = signal.Signals(-code).name if -code in list(signal.Signals) else f"signal {-code}"
        killed_for_memory = name == "SIGKILL" and oom_grew
        return Ending(pid, time.time(), None, name, killed_for_memory, "", peak_mb)
    words = last_words[:MAX_WORDS] if code else ""
    starved = says_out_of_memory(words)
    return Ending(pid, time.time(), code, None, starved, words, peak_mb)


def says_out_of_memory(text: str) -> bool:
    """Tell whether an error's text is one of those that Python, C++ and torch give.

    >>> says_out_of_memory("DefaultCPUAllocator: can't allocate memory: you tried ...")
    True
    """
    return any(words in text for words in _MEMORY_WORDS)


def write_ending(folder: str, ending: Ending) -> None:
    """Write ``exit.json``."""
    write_json(Path(folder) / EXIT_FILE, ending._asdict())


def read_ending(folder: str) -> Ending | None:
    """Return what ``exit.json`` says, or None without one that can be read."""
    try:
        with open(os.path.join(folder, EXIT_FILE), encoding="utf-8") as file:
            return Ending(**json.load(file))
    except (OSError, ValueError, TypeError):
        return None


def oom_counters(proc: str = "/proc", cgroups: str = "/sys/fs/cgroup") -> dict[str, int]:
    """Return the kernel's counts of processes killed for memory, by the file that holds each.

    The counts of this process's own memory group (cgroup v2 ``memory.events``, v1
    ``memory.oom_control``), which hold kills of any cause in it; only without such a group the
    machine's (``vmstat``), in which other people's processes count too.
    """
    counts = _counts(_group_files(proc, cgroups))
    return counts or _counts([os.path.join(proc, "vmstat")])


def oom_has_grown(before: dict[str, int]) -> bool:
    """Return whether the kernel has killed any process for memory since `before` was taken."""
    return any((_count(file) or 0) > count for file, count in before.items())


def _group_files(proc: str, cgroups: str) -> list[str]:
    """Return where the group's counter may be: a container sees its own group as the root."""
    files: list[str] = []
    for line in _lines(os.path.join(proc, "self", "cgroup")):
        _, controllers, path = line.split(":", 2)
        if controllers == "":
            root, name = cgroups, "memory.events"
        elif "memory" in controllers.split(","):
            root, name = os.path.join(cgroups, "memory"), "memory.oom_control"
        else:
            continue
        files += [os.path.join(root, path.lstrip("/"), name), os.path.join(root, name)]
    return list(dict.fromkeys(files))


def _counts(files: list[str]) -> dict[str, int]:
    counts = {file: _count(file) for file in files}
    return {file: count for file, count in counts.items() if count is not None}


def _count(file: str) -> int | None:
    found = [line.split() for line in _lines(file)]
    return next((int(words[1]) for words in found if words[:1] == ["oom_kill"]), None)


def _lines(file: str) -> list[str]:
    try:
        with open(file, encoding="utf-8") as opened:
            return opened.read().splitlines()
    except OSError:
        return []
