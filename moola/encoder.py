"""Where an encoder starts: with open forget gates, or from one that was trained before."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn

from moola.exceptions import CheckpointError


@torch.no_grad()
def open_forget_gates(lstm: nn.LSTM, bias: float) -> None:
    """Start the forget gates of every layer and direction at `bias`; 0 leaves them as they are.

    At PyTorch's 0 a cell keeps half of its state from bar to bar and nothing after ten; at 1 it
    keeps three quarters (Jozefowicz et al., An Empirical Exploration of Recurrent Network
    Architectures, 2015). The countdown, which has to know 50 bars on that the expansion is over,
    is learned in 60 epochs only so.
    """
    if bias == 0:
        return
    gates = slice(lstm.hidden_size, 2 * lstm.hidden_size)  # input, forget, cell, output
    for name, parameter in lstm.named_parameters():
        if name.startswith("bias_ih"):
            parameter[gates] = bias
        elif name.startswith("bias_hh"):
            parameter[gates] = 0.0


def encoder_weights(content: dict[str, Any], encoder: nn.LSTM, *, source: str) -> dict[str, Tensor]:
    """Return the tensors of the one encoder LSTM in `content`, named as in `encoder`."""
    tensors = dict(_flat(content))
    first = "weight_ih_l0"
    prefixes = [
        name.removesuffix(first)
        for name in tensors
        if name.endswith(f".{first}") and any(key in name for key in ("encoder", "lstm"))
    ]
    prefixes = [prefix for prefix in prefixes if "decoder" not in prefix]
    if len(prefixes) != 1:
        found = ", ".join(prefixes or list(tensors)[:4]) or "no tensors"
        raise CheckpointError(
            f"The checkpoint should hold one LSTM under encoder. or lstm. Found {found} ({source})."
        )
    (prefix,) = prefixes
    known = encoder.state_dict()
    return {
        name.removeprefix(prefix): tensor
        for name, tensor in tensors.items()
        # A projection beside the LSTM is no part of it, a second layer would be.
        if name.startswith(prefix) and (name.removeprefix(prefix) in known or "_l1" in name)
    }


def input_scale(content: dict[str, Any]) -> dict[str, Tensor]:
    """Return the mean and the deviation by which an encoder's input was scaled, or nothing."""
    return {
        name.rpartition(".")[2]: tensor
        for name, tensor in _flat(content)
        if name.endswith(("feature_mean", "feature_deviation"))
    }


def _flat(content: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, Tensor]]:
    for name, value in content.items():
        if isinstance(value, Tensor):
            yield f"{prefix}{name}", value
        elif isinstance(value, dict):
            yield from _flat(value, f"{prefix}{name}.")
