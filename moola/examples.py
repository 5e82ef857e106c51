"""What a run trains on: windows with features, targets, groups and the train/validation split.

`Examples` is saved into the run folder, so that a run can be resumed, evaluated and reviewed even
after the labels in the store have moved on.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from moola.draw_groups import draw_groups
from moola.exceptions import SchemaError
from moola.schema import WINDOW_LENGTH

NO_SPAN = -1
CONTEXT_BARS = 52
"""Bars kept on each side of a window, half of it: as far as an augmentation may shift it."""
CONTEXT_LENGTH = WINDOW_LENGTH + 2 * CONTEXT_BARS
_PARTS = {"context": "context_", "times": "times_"}
"""What examples may have beside their columns, and how its columns are named in the file."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Context:
    """The bars around N windows, L = 209: place 52 is bar 0 of the window.

    Places that the series has no bar for hold zeros; `n_before` and `n_after` tell how many it has.
    """

    ohlc: NDArray[np.float64]  # (N, L, 4)
    features: NDArray[np.float32]  # (N, L, 12)
    n_before: NDArray[np.int64]  # (N,) bars before the window, 0..52
    n_after: NDArray[np.int64]  # (N,) bars after it, 0..52

    def __post_init__(self) -> None:
        if self.ohlc.shape[1:] != (CONTEXT_LENGTH, 4):
            raise SchemaError(
                f"Context should have shape (N, {CONTEXT_LENGTH}, 4). Found {self.ohlc.shape}."
            )

    def __len__(self) -> int:
        return len(self.ohlc)

    def take(self, rows: NDArray[Any]) -> Self:
        """Return the context of the windows at `rows`."""
        return replace(self, **{name: value[rows] for name, value in vars(self).items()})


@dataclass(frozen=True, kw_only=True, eq=False)
class Times:
    """When N windows lie, in seconds since 1970 without leap seconds; NaN where bars carry no time.

    What a window may show in training reaches beyond it: its features look back, and it may be
    shifted by `CONTEXT_BARS`.
    """

    start_s: NDArray[np.float64]  # (N,) when bar 0 opens
    first_s: NDArray[np.float64]  # (N,) when the first bar opens that training may use
    last_s: NDArray[np.float64]  # (N,) when the last such bar closes

    def __len__(self) -> int:
        return len(self.start_s)

    def take(self, rows: NDArray[Any]) -> Self:
        """Return the times of the windows at `rows`."""
        return replace(self, **{name: value[rows] for name, value in vars(self).items()})

    @classmethod
    def unknown(cls, n: int) -> Self:
        """Return the times of `n` windows whose bars carry none."""
        return cls(**{field.name: np.full(n, np.nan) for field in fields(cls)})


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
    context: Context | None = None  # what lies around the windows, where training may use it
    times: Times | None = None  # runs stored by earlier versions have none

    def __post_init__(self) -> None:
        n = len(self.window_uid)
        for name, column in (self._columns() | self._parts()).items():
            if len(column) != n:
                raise SchemaError(
                    f"Every column should have {n} rows. Found {len(column)} in {name}."
                )
        if self.ohlc.shape[1:] != (WINDOW_LENGTH, 4):
            raise SchemaError(
                f"Windows should have shape (N, {WINDOW_LENGTH}, 4). Found {self.ohlc.shape}."
            )

    def __len__(self) -> int:
        return len(self.window_uid)

    def _columns(self) -> dict[str, NDArray[Any]]:
        return {name: getattr(self, name) for name in COLUMNS}

    def _parts(self) -> dict[str, Context | Times]:
        parts = {name: getattr(self, name) for name in _PARTS}
        return {name: part for name, part in parts.items() if part is not None}

    @property
    def has_span(self) -> NDArray[np.bool_]:
        """(N,) whether the row holds a labelled span."""
        return self.start != NO_SPAN

    @cached_property
    def draw_group(self) -> NDArray[np.int64]:
        """(N,) rows of one number are drawn together for intervals; a part keeps the whole's."""
        return draw_groups(self.group, self.series_id, self.bar_start)

    def take(self, rows: NDArray[Any]) -> Self:
        """Return the examples at `rows` (indices or a boolean mask)."""
        columns = {name: column[rows] for name, column in self._columns().items()}
        parts: dict[str, Any] = {name: part.take(rows) for name, part in self._parts().items()}
        taken = replace(self, **columns, **parts)
        vars(taken)["draw_group"] = self.draw_group[rows]
        return taken

    def first_of_each_window(self) -> NDArray[np.int64]:
        """Return one row index per window, in order of first appearance."""
        return np.sort(np.unique(self.window_uid, return_index=True)[1])

    def content_hash(self) -> str:
        """Return a SHA-256 of bars, labels and split: equal hashes mean equal training data.

        Context and times are left out: they follow from the series and say nothing of the labels.
        """
        digest = hashlib.sha256()
        for name, column in self._columns().items():
            value = np.ascontiguousarray(column)
            digest.update(f"{name}{value.shape}".encode())
            digest.update("\0".join(value).encode() if value.dtype.kind == "U" else value.tobytes())
        return digest.hexdigest()

    def save(self, path: Path) -> None:
        """Write every column to a compressed ``.npz``."""
        parts = {
            f"{_PARTS[name]}{column}": value
            for name, part in self._parts().items()
            for column, value in vars(part).items()
        }
        with path.open("wb") as file:
            np.savez_compressed(file, **self._columns(), **parts)

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read what `save` wrote; never unpickles."""
        try:
            with np.load(path, allow_pickle=False) as stored:
                columns = {name: stored[name] for name in COLUMNS}
                context = _part(stored, "context")
                times = _part(stored, "times")
            return cls(
                **columns,
                context=Context(**context) if context else None,
                times=Times(**times) if times else None,
            )
        except (OSError, ValueError, KeyError, EOFError, TypeError) as error:
            raise SchemaError(f"{path.name} should hold saved examples. Found: {error}.") from error


COLUMNS = tuple(field.name for field in fields(Examples) if field.name not in _PARTS)


def _part(stored: Mapping[str, NDArray[Any]], name: str) -> dict[str, NDArray[Any]]:
    prefix = _PARTS[name]
    return {key.removeprefix(prefix): stored[key] for key in stored if key.startswith(prefix)}
