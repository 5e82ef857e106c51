"""Read the rows of a ``history.jsonl`` while another process appends to it.

`HistoryCursor` returns every new row once. `HistoryDigest` keeps what charts and judgement need of
a history of any length in bounded memory: every row of the first `N_SPREAD` epochs and more, and of
a longer one evenly spaced rows, the newest ones, restarts, and each task's best.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

Row = dict[str, Any]

N_SPREAD = 300
"""Evenly spaced rows kept at least, once there are as many; at most twice as many."""
N_TAIL = 200
"""Newest rows kept: "the last 200", and every streak that a rule looks for."""
CHUNK_BYTES = 4_000_000


class HistoryCursor:
    """Reads the rows added to a history file since the last call, by byte offset."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.offset = 0

    def read_new(self) -> list[Row]:
        """Return the complete new rows; a line still being written waits for the next call.

        A file that became shorter (a resumed run) is read again from its start.
        """
        if not self.path.exists():
            return []
        if self.path.stat().st_size < self.offset:
            self.offset = 0
        with self.path.open("rb") as file:
            file.seek(self.offset)
            new = file.read()
        complete = new[: new.rfind(b"\n") + 1]
        self.offset += len(complete)
        return [row for line in complete.splitlines() if (row := _parse_row(line)) is not None]


class HistoryDigest:
    """A history in bounded memory, brought up to date by reading only what is new.

    Up to `2 * N_SPREAD` rows it holds them all. `rows` is what a judgement should see, `evenly`
    what a chart should draw.
    """

    def __init__(self, path: Path, *, n_spread: int = N_SPREAD, n_tail: int = N_TAIL) -> None:
        self.path, self.n_spread, self.n_tail = path, n_spread, n_tail
        self._clear()

    def _clear(self) -> None:
        self.n_rows = 0
        self._file: tuple[int, int] | None = None  # device and inode
        self._offset = 0
        self._size = 0
        self._stride = 1
        self._spread: dict[int, Row] = {}
        self._tail: dict[int, Row] = {}
        self._marks: dict[int, Row] = {}
        self._best: dict[str, tuple[float, int, Row]] = {}

    def refresh(self) -> bool:
        """Read what is new; return whether anything was.

        A file that was replaced or became shorter (a resumed run) is read again from its start.
        """
        try:
            found = self.path.stat()
        except OSError:
            changed = self.n_rows > 0
            self._clear()
            return changed
        file = (found.st_dev, found.st_ino)
        if file == self._file and found.st_size == self._size:
            return False
        restarted = self._file is not None and (file != self._file or found.st_size < self._offset)
        if restarted:
            self._clear()
        self._file, self._size = file, found.st_size
        before = self.n_rows
        with self.path.open("rb") as opened:
            self._read(opened, found.st_size)
        return restarted or self.n_rows > before

    def _read(self, opened: BinaryIO, size: int) -> None:
        """Take the lines behind the offset; of a long backlog parse only those that are kept."""
        n_new = sum(chunk.count(b"\n") for chunk in _chunks(opened, self._offset, size))
        n_after = self.n_rows + n_new
        while n_after > 2 * self.n_spread * self._stride:
            self._stride *= 2
        self._thin()
        for line in _lines(opened, self._offset, size):
            self._offset += len(line)
            index = self.n_rows
            wanted = index % self._stride == 0 or index >= n_after - self.n_tail
            if wanted or b'"restart"' in line:
                row = _parse_row(line)
                if row is None:
                    continue
                self._keep(index, row)
            self.n_rows += 1

    def _keep(self, index: int, row: Row) -> None:
        if index % self._stride == 0:
            self._spread[index] = row
        if row.get("restart"):
            self._marks[index] = row
        self._tail[index] = row
        while len(self._tail) > self.n_tail:
            self._tail.pop(next(iter(self._tail)))
        for task, loss in (row.get("val_raw") or {}).items():
            if loss is not None and loss <= self._best.get(task, (loss, 0, row))[0]:
                self._best[task] = (loss, index, row)

    def _thin(self) -> None:
        if any(index % self._stride for index in self._spread):
            self._spread = {i: row for i, row in self._spread.items() if i % self._stride == 0}

    @property
    def rows(self) -> list[Row]:
        """The kept rows, oldest first: all of a history of usual length."""
        best = {index: row for _, index, row in self._best.values()}
        kept = self._spread | best | self._marks | self._tail
        return [kept[index] for index in sorted(kept)]

    @property
    def last(self) -> Row | None:
        """The newest row."""
        return next(reversed(self._tail.values()), None)

    def evenly(self, n_max: int) -> list[Row]:
        """Return at most about `n_max` rows, evenly spaced and always with the newest."""
        spread = list(self._spread.values())
        step = max(1, -(-len(spread) // n_max))
        rows = spread[::step]
        last = self.last
        return rows if last is None or rows[-1:] == [last] else [*rows, last]

    def newest(self, n: int) -> list[Row]:
        """Return the last `n` rows, of which `N_TAIL` are kept."""
        return list(self._tail.values())[-n:]


def _chunks(opened: BinaryIO, start: int, end: int) -> Iterator[bytes]:
    opened.seek(start)
    left = end - start
    while left > 0 and (chunk := opened.read(min(CHUNK_BYTES, left))):
        left -= len(chunk)
        yield chunk


def _lines(opened: BinaryIO, start: int, end: int) -> Iterator[bytes]:
    """Yield complete lines with their ends; a line still being written stays unread."""
    rest = b""
    for chunk in _chunks(opened, start, end):
        *complete, rest = (rest + chunk).split(b"\n")
        for line in complete:
            yield line + b"\n"


def _parse_row(line: bytes) -> Row | None:
    try:
        row = json.loads(line)
    except ValueError:
        return None
    return row if isinstance(row, dict) and isinstance(row.get("epoch"), int) else None
