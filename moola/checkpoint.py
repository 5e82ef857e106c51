"""Checkpoints: written atomically, read without ever unpickling code.

A checkpoint is one dictionary of tensors, numbers, strings and lists of those::

    format    "moola checkpoint 1"
    model     the model's state dict
    meta      what is needed to use the model: its options, countdown scale, length prior, epoch
    training  what is needed to continue: optimiser, balancer, loop state, random generators;
              absent in best.pt
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import torch
from torch import Tensor, nn

from moola.atomic import written
from moola.dropout import Masks
from moola.exceptions import CheckpointError

FORMAT = "moola checkpoint 1"


@dataclass(frozen=True, kw_only=True)
class Checkpoint:
    """What one ``.pt`` file holds."""

    model: dict[str, Tensor]
    meta: dict[str, Any]
    training: dict[str, Any] | None = None

    def save(self, path: Path) -> None:
        """Write the file, whole or not at all."""
        try:
            with written(path) as temporary, temporary.open("wb") as file:
                torch.save({"format": FORMAT, **vars(self)}, file)
        except OSError as error:
            raise CheckpointError(f"{path} should be writable. Found: {error}.") from error

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read what `save` wrote, with every tensor on the CPU."""
        content = read_tensors(path)
        if content.get("format") != FORMAT:
            raise CheckpointError(
                f"A checkpoint of a Moola run should say {FORMAT!r}. "
                f"Found {content.get('format')!r} ({path})."
            )
        try:
            return cls(**{name: content[name] for name in ("model", "meta", "training")})
        except KeyError as error:
            raise CheckpointError(
                f"A checkpoint should hold {error}. Found none ({path})."
            ) from error


def read_tensors(path: Path) -> dict[str, Any]:
    """Return the dictionary in a ``.pt`` file of any origin; code in it is never run."""
    if not path.is_file():
        raise CheckpointError(f"There should be a checkpoint at {path}. Found none.")
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # noise leads the unpickler to any error at all
        reason = str(error).strip().partition("\n")[0][:200]
        raise CheckpointError(
            f"{path.name} should be a PyTorch file of tensors and plain values only. "
            f"Found: {reason or type(error).__name__} ({path})."
        ) from error
    if not isinstance(content, dict):
        found = type(content).__name__
        raise CheckpointError(f"A checkpoint should be a dictionary. Found a {found} ({path}).")
    return content


def load_weights(module: nn.Module, weights: Mapping[str, Tensor], *, source: str) -> None:
    """Copy `weights` into `module`, or raise and name the tensor that does not fit.

    Parameters
    ----------
    source
        Where the weights come from, for the message.
    """
    wanted = module.state_dict()
    for name, own in wanted.items():
        if name not in weights:
            raise CheckpointError(f"The checkpoint should hold {name}. Found none ({source}).")
        shape, found = tuple(own.shape), tuple(weights[name].shape)
        if shape != found:
            raise CheckpointError(f"{name} should have shape {shape}. Found {found} ({source}).")
    if unknown := sorted(set(weights) - set(wanted)):
        raise CheckpointError(f"The model has no tensor {', '.join(unknown[:3])} ({source}).")
    module.load_state_dict(dict(weights))


def random_state(masks: Masks, device: torch.device) -> dict[str, Any]:
    """Return the state of every generator that a run on `device` draws from, as plain integers."""
    state: dict[str, Any] = {"masks": masks.state_dict()}
    if device.type == "cuda":
        state["cuda"] = torch.cuda.get_rng_state(device).tolist()
    if device.type == "mps":
        state["mps"] = torch.mps.get_rng_state().tolist()
    return state


def restore_random_state(state: dict[str, Any], masks: Masks, device: torch.device) -> None:
    """Continue the generators; a run that goes on on another device starts that one's anew."""
    masks.load_state_dict(state["masks"])
    if device.type == "cuda" and "cuda" in state:
        torch.cuda.set_rng_state(torch.tensor(state["cuda"], dtype=torch.uint8), device)
    if device.type == "mps" and "mps" in state:
        torch.mps.set_rng_state(torch.tensor(state["mps"], dtype=torch.uint8))
