"""Examples as tensors on one device: small enough to be kept there and indexed.

A window is 5 kB of features, so that 100,000 of them fit in 0.5 GB; a `DataLoader` would only add
time to it.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from moola.augment import Augment, Moves, brought_in
from moola.examples import Examples
from moola.labels import encode_pointers
from moola.schema import WINDOW_LENGTH


@dataclass(frozen=True, kw_only=True, eq=False)
class Batch:
    """B windows of T bars with the targets of all four tasks.

    Rows without a span hold zeros where a target would need one; `has_span` masks them.
    """

    features: Tensor  # (B, T, 12)
    pointers: Tensor  # (B, 2) centre and length, 0..1
    edges: Tensor  # (B, 2) start and end in bars, both inclusive
    inside: Tensor  # (B, T) 1 inside a span
    countdown_bars: Tensor  # (B, T) start - bar: positive before the start
    type_id: Tensor  # (B,)
    has_span: Tensor  # (B,) 1 with a span
    counts: Tensor  # (B, T) 0 for bars of which nobody has said if they lie inside
    timed: Tensor  # (B, T) 0 for bars whose countdown does not count
    hidden: Tensor | None = None  # (B, T, 192) what a frozen encoder says of them, where kept

    @classmethod
    def from_examples(
        cls,
        examples: Examples,
        device: torch.device,
        *,
        brought_in: NDArray[np.bool_] | None = None,
    ) -> Self:
        """Return all of `examples` as one batch on `device`.

        Parameters
        ----------
        brought_in
            (B, T) bars that a shift has brought into view: their countdown counts although they are
            ignored, since it follows from the row's own span.
        """
        has_span = examples.has_span
        start = np.where(has_span, examples.start, 0)
        end = np.where(has_span, examples.end, 0)
        columns = {
            "features": examples.features,
            "pointers": encode_pointers(start, end),
            "edges": np.stack([start, end], axis=1),
            "inside": examples.inside,
            "countdown_bars": start[:, None] - np.arange(WINDOW_LENGTH),
            "has_span": has_span,
            "counts": ~examples.ignore,
            "timed": ~examples.ignore | (False if brought_in is None else brought_in),
        }
        tensors = {
            name: torch.from_numpy(np.ascontiguousarray(value, dtype=np.float32)).to(device)
            for name, value in columns.items()
        }
        type_id = torch.from_numpy(np.where(has_span, examples.type_id, 0)).to(device)
        return cls(type_id=type_id, **tensors)

    @classmethod
    def moved(cls, augment: Augment, rows: Tensor, moves: Moves) -> Self:
        """Return the training windows at `rows` after their moves, on the device of `rows`."""
        places = rows.cpu().numpy()
        view = brought_in(moves.shift_bars[places])
        return cls.from_examples(augment.batch(places, moves), rows.device, brought_in=view)

    def __len__(self) -> int:
        return len(self.features)

    def take(self, rows: Tensor) -> Self:
        """Return the batch of `rows`, an index tensor on the same device."""
        columns = {f.name: getattr(self, f.name) for f in fields(self)}
        taken: dict[str, Any] = {
            name: None if value is None else value[rows] for name, value in columns.items()
        }
        return type(self)(**taken)


def spread(n: int, n_taken: int, device: torch.device) -> Tensor:
    """Return `n_taken` rows of `n`, evenly: neighbours in the table are neighbours in time."""
    return torch.linspace(0, n - 1, min(n_taken, n)).long().to(device)
