"""Read what a checkpoint says of itself, without PyTorch: the app never loads it.

A ``.pt`` file is a zip archive: ``data.pkl`` rebuilds its dictionary and names the entry of every
tensor. Plain values are rebuilt here, integer tensors are read when asked for, and no other name in
the file becomes more than an empty stand-in, so that nothing of it is ever run.
"""

from __future__ import annotations

import math
import pickle
import zipfile
from collections import OrderedDict
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from moola.exceptions import CheckpointError

_UNREADABLE = (
    OSError, EOFError, ValueError, TypeError, KeyError, IndexError, AttributeError,
    zipfile.BadZipFile, pickle.UnpicklingError,
)  # fmt: skip


class _StandIn:
    """Takes the place of anything that a file names, whatever is done to it."""

    def __init__(self, *_arguments: Any) -> None: ...

    def __setstate__(self, _state: Any) -> None: ...


class _LongStorage(_StandIn):
    """Stands for the storage of int64 numbers."""


@dataclass(frozen=True, slots=True)
class _Stored:
    """A tensor by where it lies: its entry in the archive, and which numbers of it."""

    kind: type
    entry: str
    offset: int
    shape: tuple[int, ...]


def _stored(storage: tuple[Any, ...], offset: int, shape: tuple[int, ...], *_rest: Any) -> _Stored:
    _, kind, entry, *_ = storage
    return _Stored(kind, entry, offset, shape)


_KNOWN = {
    ("collections", "OrderedDict"): OrderedDict,
    ("torch._utils", "_rebuild_tensor_v2"): _stored,
    ("torch", "LongStorage"): _LongStorage,
}


class _Reader(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        """Return what a name of the file becomes: nothing is imported."""
        return _KNOWN.get((module, name), _StandIn)

    def persistent_load(self, pid: Any) -> Any:
        """Return the reference to a storage as it is written."""
        return pid


def read_pretraining(path: Path) -> dict[str, Any] | None:
    """Return what a checkpoint of ours says of its pretraining; None if it says nothing.

    Raises
    ------
    CheckpointError
        If there is no file.
    """
    if not path.is_file():
        raise CheckpointError(f"There should be a checkpoint at {path}. Found none.")
    try:
        with zipfile.ZipFile(path) as archive:
            (pickled,) = [name for name in archive.namelist() if name.endswith("/data.pkl")]
            with archive.open(pickled) as file:
                said = _Reader(file).load()["meta"].get("pretraining")
            if not said:
                return None
            folder = pickled.removesuffix("data.pkl") + "data/"
            return said | {"prints": _numbers(archive, folder, said["prints"])}
    except _UNREADABLE:
        return None  # of another origin, or older than zip archives: it says nothing of ours


def _numbers(archive: zipfile.ZipFile, folder: str, tensor: _Stored) -> NDArray[np.int64]:
    if tensor.kind is not _LongStorage:
        raise ValueError("fingerprints are int64")
    numbers = np.frombuffer(archive.read(folder + tensor.entry), np.int64)
    return numbers[tensor.offset :][: math.prod(tensor.shape)]
