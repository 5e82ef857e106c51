"""JadeCompact: one bidirectional LSTM over 105 bars and four small heads.

97,547 parameters: LSTM 84,480 (12 inputs, 96 a direction), projection 12,352, classifier 195,
pointers 130, binary 193, countdown 193, four log-sigmas. The source notes also speak of 52K and
65K; the LSTM alone is larger than either, so those were never right.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import torch
from torch import Tensor, nn

from moola.checkpoint import Checkpoint, load_weights, read_tensors
from moola.dropout import Dropout, Masks
from moola.exceptions import CheckpointError
from moola.schema import SPAN_TYPES, TASKS, Task

HIDDEN_SIZE = 96
PROJECTION_SIZE = 64
INPUT_DROPOUT = 0.3
DENSE_DROPOUT = 0.6


@dataclass(frozen=True, eq=False)
class ModelOutput:
    """What the heads say about B windows of T bars; a head the model lacks is None.

    Losses want logits and people want probabilities: they have different names here, because a
    sigmoid applied twice is hard to see in a result.
    """

    hidden: Tensor  # (B, T, 192) LSTM output, which all heads share
    type_logits: Tensor  # (B, 3)
    pointer_logits: Tensor | None = None  # (B, 2) centre and length
    binary_logits: Tensor | None = None  # (B, T)
    countdown: Tensor | None = None  # (B, T) in the unit of the run's countdown scale

    @property
    def type_probabilities(self) -> Tensor:
        """(B, 3) sums to 1 over the span types."""
        return self.type_logits.softmax(dim=-1)

    @property
    def pointers(self) -> Tensor | None:
        """(B, 2) centre and length of the span, each 0..1 (`moola.labels.encode_pointers`)."""
        return None if self.pointer_logits is None else self.pointer_logits.sigmoid()

    @property
    def binary_probabilities(self) -> Tensor | None:
        """(B, T) probability that a bar lies inside an expansion."""
        return None if self.binary_logits is None else self.binary_logits.sigmoid()


class JadeCompact(nn.Module):
    """Encoder and heads; `masks` makes dropout fast on a CPU, None is plain torch.

    Dropout is 0.3 on the features and 0.6 before every head: on the mean-pooled projection for
    type and pointers, on the LSTM output for each of the two per-bar heads.

    >>> model = JadeCompact()
    >>> sum(p.numel() for p in model.parameters())
    97547
    """

    def __init__(
        self,
        input_size: int = 12,
        predict_pointers: bool = True,
        predict_expansion_sequence: bool = True,
        *,
        masks: Masks | None = None,
    ) -> None:
        super().__init__()
        self.options = {
            "input_size": input_size,
            "predict_pointers": predict_pointers,
            "predict_expansion_sequence": predict_expansion_sequence,
        }
        width = 2 * HIDDEN_SIZE
        self.input_dropout = Dropout(INPUT_DROPOUT, masks)
        self.encoder = nn.LSTM(input_size, HIDDEN_SIZE, batch_first=True, bidirectional=True)
        self.projection = nn.Linear(width, PROJECTION_SIZE)
        self.dense_dropout = Dropout(DENSE_DROPOUT, masks)
        self.type_head = nn.Linear(PROJECTION_SIZE, len(SPAN_TYPES))
        self.pointer_head = nn.Linear(PROJECTION_SIZE, 2) if predict_pointers else None
        self.binary_head = nn.Linear(width, 1) if predict_expansion_sequence else None
        self.countdown_head = nn.Linear(width, 1) if predict_expansion_sequence else None
        # Only the `kendall` balance trains these, yet they exist under every strategy, so that a
        # run can go on with another one. A single task needs no balance.
        n_tasks = len(self.tasks)
        self.log_sigma = nn.Parameter(torch.zeros(n_tasks)) if n_tasks > 1 else None

    @property
    def tasks(self) -> tuple[Task, ...]:
        """The tasks this model has heads for, in the order of `moola.schema.TASKS`."""
        heads = {
            "ptr": self.pointer_head,
            "binary": self.binary_head,
            "countdown": self.countdown_head,
            "type": self.type_head,
        }
        return tuple(task for task in TASKS if heads[task] is not None)

    def forward(self, features: Tensor) -> ModelOutput:
        """Return the heads' outputs for (B, T, input_size) features."""
        hidden, _ = self.encoder(self.input_dropout(features))
        pooled = self.dense_dropout(self.projection(hidden.mean(dim=1)).relu())
        return ModelOutput(
            hidden=hidden,
            type_logits=self.type_head(pooled),
            pointer_logits=self.pointer_head(pooled) if self.pointer_head else None,
            binary_logits=self._per_bar(self.binary_head, hidden),
            countdown=self._per_bar(self.countdown_head, hidden),
        )

    def _per_bar(self, head: nn.Linear | None, hidden: Tensor) -> Tensor | None:
        return head(self.dense_dropout(hidden)).squeeze(-1) if head else None

    def freeze_encoder(self) -> None:
        """Train the heads only: 13,067 parameters with all of them."""
        self.encoder.requires_grad_(False)

    @property
    def encoder_is_frozen(self) -> bool:
        """Whether no parameter of the LSTM is trained."""
        return not any(parameter.requires_grad for parameter in self.encoder.parameters())

    @contextlib.contextmanager
    def without_dropout(self) -> Iterator[None]:
        """Switch dropout off and leave train mode as it is: cuDNN's LSTM backward needs it."""
        layers = [module for module in self.modules() if isinstance(module, Dropout)]
        rates = [layer.p for layer in layers]
        for layer in layers:
            layer.p = 0.0
        try:
            yield
        finally:
            for layer, rate in zip(layers, rates, strict=True):
                layer.p = rate

    @classmethod
    def from_pretrained(cls, path: str | Path, freeze_encoder: bool = True, **options: Any) -> Self:
        """Make a model whose encoder starts from the BiLSTM in a checkpoint.

        The file may be a checkpoint of this project or any state dict, nested or not, that holds
        such an LSTM under a name with ``encoder`` or ``lstm`` in it. The heads start anew.

        Raises
        ------
        CheckpointError
            If the file holds no such encoder; a wrong shape is named with both shapes.
        """
        model = cls(**options)
        model.load_encoder(path)
        if freeze_encoder:
            model.freeze_encoder()
        return model

    def load_encoder(self, path: str | Path) -> None:
        """Start the encoder from the BiLSTM in a checkpoint; see `from_pretrained`."""
        weights = encoder_weights(read_tensors(Path(path)), self.encoder, source=str(path))
        load_weights(self.encoder, weights, source=str(path))

    @classmethod
    def from_checkpoint(cls, checkpoint: Checkpoint, *, source: str) -> Self:
        """Make the model of one of this project's checkpoints, in eval mode."""
        model = cls(**checkpoint.meta["model"])
        load_weights(model, checkpoint.model, source=source)
        return model.eval()


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


def _flat(content: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, Tensor]]:
    for name, value in content.items():
        if isinstance(value, Tensor):
            yield f"{prefix}{name}", value
        elif isinstance(value, dict):
            yield from _flat(value, f"{prefix}{name}.")
