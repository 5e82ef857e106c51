"""Write a file whole or not at all. Standard library only.

A reader, another process or the next start after a power cut sees the file that was there or the
new one, never half of it: it is written under a name of its own, flushed to the disk, then renamed.
A writer that is killed leaves that name (``.<file>.<hex>.tmp``) behind, and the file as it was.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any


@contextmanager
def written(path: Path) -> Iterator[Path]:
    """Give a free name beside `path` to write under; what is there at the end becomes `path`.

    After an exception `path` is as it was, and the other name is gone.
    """
    # By chance, not by process: two machines of a cluster may share the folder.
    temporary = path.with_name(f".{path.name}.{os.urandom(6).hex()}.tmp")
    try:
        yield temporary
        flush(temporary)
        os.replace(temporary, path)
    finally:
        with suppress(OSError):  # the folder itself is at fault, which the write has reported
            temporary.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """Write a text file, whole or not at all."""
    with written(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_json(path: Path, value: Any) -> None:
    """Write a JSON file, whole or not at all."""
    write_text(path, json.dumps(value, indent=1, ensure_ascii=False))


def flush(path: Path) -> None:
    """Wait until a file, or the names in a folder, are on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
