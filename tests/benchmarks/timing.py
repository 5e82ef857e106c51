"""Interleaved rounds in process CPU time, and a table of ratios: all that a shared machine allows.

Set ``OMP_NUM_THREADS=1`` before torch is imported; `make bench` does.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping

Work = Callable[[], object]


def interleaved(variants: Mapping[str, Work], *, rounds: int) -> dict[str, list[float]]:
    """Return CPU seconds of every variant, run in turn once per round after a first warm-up."""
    for work in variants.values():
        work()
    seconds: dict[str, list[float]] = {name: [] for name in variants}
    for _ in range(rounds):
        for name, work in variants.items():
            start = time.process_time()
            work()
            seconds[name].append(time.process_time() - start)
    return seconds


def print_table(title: str, seconds: Mapping[str, list[float]]) -> None:
    """Print least and median milliseconds, and least times as multiples of the first variant's."""
    base = min(next(iter(seconds.values())))
    print(f"\n{title:44}{'min ms':>10}{'median':>10}{'times first':>13}")
    for name, values in seconds.items():
        least, middle = 1e3 * min(values), 1e3 * statistics.median(values)
        print(f"{name:44}{least:10.2f}{middle:10.2f}{min(values) / base:13.2f}")
