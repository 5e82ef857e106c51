"""Dropout with fast, resumable masks on the CPU, and plain torch as the reference path."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

N_WORDS = 1 << 16
"""A mask entry compares one 16-bit random word with a threshold."""


class Masks:
    """A stream of dropout masks from SFC64, ten times cheaper than torch's ``bernoulli_``.

    Without it dropout is a third of a training step on a CPU. The state is four plain integers, so
    that a checkpoint loaded with ``weights_only=True`` continues the stream exactly.
    """

    def __init__(self, seed: int) -> None:
        self.bits = np.random.SFC64(seed)

    def draw(self, shape: Sequence[int], p: float) -> Tensor:
        """Return a float32 mask: ``1 / keep rate`` with probability ``1 - p``, else 0.

        The keep rate is rounded to a multiple of 1/65536, and the scale is the inverse of that
        rounded rate, so that the expectation is exactly 1.
        """
        n_entries = math.prod(shape)
        n_kept_words = round((1 - p) * N_WORDS)
        if not 0 < n_kept_words < N_WORDS:
            raise ValueError(f"Dropout should lie between 0 and 1 by at least 2^-16. Found {p}.")
        words = self.bits.random_raw(-(-n_entries // 4)).view(np.uint16)[:n_entries]
        scale = np.float32(N_WORDS / n_kept_words)
        mask = np.multiply(words < np.uint16(n_kept_words), scale, dtype=np.float32)
        return torch.from_numpy(mask.reshape(tuple(shape)))

    def state_dict(self) -> dict[str, Any]:
        """Return the generator's state as plain integers."""
        state = self.bits.state
        words = [int(word) for word in state["state"]["state"]]
        return {"words": words, "has_uint32": state["has_uint32"], "uinteger": state["uinteger"]}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue the stream where `state_dict` was taken."""
        self.bits.state = {
            "bit_generator": "SFC64",
            "state": {"state": np.array(state["words"], dtype=np.uint64)},
            "has_uint32": state["has_uint32"],
            "uinteger": state["uinteger"],
        }


class Dropout(nn.Module):
    """Zero entries with probability `p` while training and scale the rest to keep the mean.

    The mask comes from `masks`. Without one, and on other devices than the CPU, where a mask made
    on the host would have to be copied in every step, it comes from torch.
    """

    def __init__(self, p: float, masks: Masks | None = None) -> None:
        super().__init__()
        self.p = p
        self.masks = masks

    def forward(self, x: Tensor) -> Tensor:
        """Return `x` with dropout applied; `x` itself in eval mode or with ``p == 0``."""
        if not self.training or self.p == 0:
            return x
        if self.masks is None or x.device.type != "cpu":
            return functional.dropout(x, self.p)
        return x * self.masks.draw(x.shape, self.p)
