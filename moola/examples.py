"""What a run trains on: windows with features, targets, groups and the train/validation split.

`Examples` is saved into the run folder, so that a run can be resumed, evaluated and reviewed even
after the labels in the store have moved on.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from moola.exceptions import SchemaError
from moola.schema import WINDOW_LENGTH

NO_SPAN = -1


@dataclass(frozen=True, kw_only=True, eq=False)
class Examples:
    """N examples: one row per labelled span, or one span-less row for a window without any.

    A window with two spans stands in two rows with the same bars and the same ``inside`` mask
    (the union of its spans); pointers, countdown and type belong to the row's own span.
    """

    window_uid: NDArray[np.str_]  # (N,)
    series_id: NDArray[np.str_]  # (N,)
    bar_start: NDArray[np.int64]  # (N,) sequence number of bar 0 in its series
    ohlc: NDArray[np.float64]  # (N, 105, 4)
    features: NDArray[np.float32]  # (N, 105, 12)
    start: NDArray[np.int64]  # (N,) first bar of the span, NO_SPAN without one
    end: NDArray[np.int64]  # (N,) last bar, inclusive, NO_SPAN without one
    type_id: NDArray[np.int64]  # (N,) index into schema.SPAN_TYPES, NO_SPAN without a span
    inside: NDArray[np.bool_]  # (N, 105) union of the window's spans
    ignore: NDArray[np.bool_]  # (N, 105) bars that no loss and no metric may count
    cold: NDArray[np.bool_]  # (N,) features started inside the window: no bars before it
    group: NDArray[np.int64]  # (N,) windows that share bars have one group
    is_val: NDArray[np.bool_]  # (N,)

    def __post_init__(self) -> None:
        n = len(self.window_uid)
        for item in fields(self):
            if len(getattr(self, item.name)) != n:
                raise SchemaError(
                    f"Every column should have {n} rows. "
                    f"Found {len(getattr(self, item.name))} in {item.name}."
                )
        if self.ohlc.shape[1:] != (WINDOW_LENGTH, 4):
            raise SchemaError(
                f"Windows should have shape (N, {WINDOW_LENGTH}, 4). Found {self.ohlc.shape}."
            )

    def __len__(self) -> int:
        return len(self.window_uid)

    @property
    def has_span(self) -> NDArray[np.bool_]:
        """(N,) whether the row holds a labelled span."""
        return self.start != NO_SPAN

    def take(self, rows: NDArray[Any]) -> Self:
        """Return the examples at `rows` (indices or a boolean mask)."""
        return replace(self, **{f.name: getattr(self, f.name)[rows] for f in fields(self)})

    def first_of_each_window(self) -> NDArray[np.int64]:
        """Return one row index per window, in order of first appearance."""
        return np.sort(np.unique(self.window_uid, return_index=True)[1])

    def content_hash(self) -> str:
        """Return a SHA-256 of bars, labels and split: equal hashes mean equal training data."""
        digest = hashlib.sha256()
        for item in fields(self):
            value = np.ascontiguousarray(getattr(self, item.name))
            digest.update(f"{item.name}{value.shape}".encode())
            digest.update("\0".join(value).encode() if value.dtype.kind == "U" else value.tobytes())
        return digest.hexdigest()

    def save(self, path: Path) -> None:
        """Write every column to a compressed ``.npz``."""
        with path.open("wb") as file:
            np.savez_compressed(file, **{f.name: getattr(self, f.name) for f in fields(self)})

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read what `save` wrote; never unpickles."""
        try:
            with np.load(path, allow_pickle=False) as stored:
                return cls(**{f.name: stored[f.name] for f in fields(cls)})
        except (OSError, ValueError, KeyError, EOFError) as error:
            raise SchemaError(f"{path.name} should hold saved examples. Found: {error}.") from error
