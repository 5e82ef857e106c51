"""What every window lost on every task, epoch by epoch: to see which windows got worse.

``run.window_losses()`` reads it without torch; `moola.window_losing` computes it.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray

from moola.atomic import written
from moola.exceptions import RunError

WINDOW_LOSSES_FILE = "window_losses.npz"
N_EPOCHS = 60
"""Epochs kept at most: 100,000 windows then take 48 MB."""
COLUMNS = ("epoch", "window_uid", "is_val", "task", "loss")


def recorded_epochs(epochs: int, n_kept: int = N_EPOCHS) -> set[int]:
    """Return the epochs of a plan whose losses are kept: evenly spread, with the last.

    >>> sorted(recorded_epochs(9, 3))
    [3, 6, 9]
    """
    n_kept = min(n_kept, epochs)
    return {-(-i * epochs // n_kept) for i in range(1, n_kept + 1)}


@dataclass(frozen=True, kw_only=True, eq=False)
class WindowLosses:
    """Unweighted losses without dropout of the N rows of a run's examples, in their order.

    A window with two spans stands in two rows. A task that has nothing to count in a row is NaN.
    """

    epoch: NDArray[np.int64]  # (E,)
    window_uid: NDArray[np.str_]  # (N,)
    is_val: NDArray[np.bool_]  # (N,)
    task: NDArray[np.str_]  # (K,)
    loss: NDArray[np.float16]  # (E, N, K)

    @classmethod
    def empty(
        cls, window_uid: NDArray[np.str_], is_val: NDArray[np.bool_], tasks: tuple[str, ...]
    ) -> Self:
        """Return the losses of no epoch."""
        return cls(
            epoch=np.zeros(0, np.int64),
            window_uid=window_uid,
            is_val=is_val,
            task=np.array(tasks),
            loss=np.zeros((0, len(window_uid), len(tasks)), np.float16),
        )

    def with_epoch(self, epoch: int, loss: NDArray[np.float32]) -> Self:
        """Return these losses with those of `epoch`, (N, K), behind them."""
        most = np.finfo(np.float16).max
        return type(self)(
            epoch=np.append(self.epoch, epoch),
            window_uid=self.window_uid,
            is_val=self.is_val,
            task=self.task,
            loss=np.concatenate([self.loss, np.minimum(loss, most).astype(np.float16)[None]]),
        )

    def up_to(self, epoch: int) -> Self:
        """Return the losses of the epochs up to `epoch`."""
        kept = self.epoch <= epoch
        return type(self)(
            epoch=self.epoch[kept],
            window_uid=self.window_uid,
            is_val=self.is_val,
            task=self.task,
            loss=self.loss[kept],
        )

    def save(self, path: Path) -> None:
        """Write the file, whole or not at all."""
        with written(path) as temporary, temporary.open("wb") as file:
            np.savez(file, **{name: getattr(self, name) for name in COLUMNS})

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read what `save` wrote; never unpickles."""
        try:
            with np.load(path, allow_pickle=False) as stored:
                return cls(**{name: stored[name] for name in COLUMNS})
        except (OSError, ValueError, KeyError, EOFError) as error:
            raise RunError(f"{path} should hold the losses of windows. Found: {error}.") from error
