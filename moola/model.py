"""JadeCompact: one bidirectional LSTM over 105 bars and four small heads.

97,547 parameters: LSTM 84,480 (12 inputs, 96 a direction), projection 12,352, classifier 195,
pointers 130, binary 193, countdown 193, four log-sigmas. The source notes also speak of 52K and
65K; the LSTM alone is larger than either, so those were never right.

That pointer head reads the mean over all bars, which throws the position away: it hardly leaves the
constant predictor. ``pointer_head="bar"`` gives every bar a logit of being the start and one of
being the end instead (386 parameters in place of 130, 97,803 in all).
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import torch
from torch import Tensor, nn
from torch.nn.functional import linear

from moola.checkpoint import Checkpoint, load_weights, read_tensors
from moola.config import PointerHead
from moola.dropout import Dropout, Masks
from moola.encoder import encoder_weights, input_scale
from moola.exceptions import CheckpointError
from moola.schema import SPAN_TYPES, TASKS, WINDOW_LENGTH, Task

HIDDEN_SIZE = 96
PROJECTION_SIZE = 64
INPUT_DROPOUT = 0.3
DENSE_DROPOUT = 0.6
SMALLEST_DEVIATION = 1e-6


@dataclass(frozen=True, eq=False)
class ModelOutput:
    """What the heads say about B windows of T bars; a head the model lacks is None.

    Losses want logits and people want probabilities: they have different names here, because a
    sigmoid applied twice is hard to see in a result.
    """

    hidden: Tensor  # (B, T, 192) LSTM output, which all heads share
    type_logits: Tensor  # (B, 3)
    pointer_logits: Tensor | None = None  # (B, 2) centre and length, of the mean head
    start_logits: Tensor | None = None  # (B, T) of the bar head: where the span starts
    end_logits: Tensor | None = None  # (B, T) where it ends, inclusive
    binary_logits: Tensor | None = None  # (B, T)
    countdown: Tensor | None = None  # (B, T) in the unit of the run's countdown scale

    @property
    def type_probabilities(self) -> Tensor:
        """(B, 3) sums to 1 over the span types."""
        return self.type_logits.softmax(dim=-1)

    @property
    def pointers(self) -> Tensor | None:
        """(B, 2) centre and length of the span (`moola.labels.encode_pointers`).

        The mean head emits them in 0..1. Those of the bar head are of the expected start and the
        expected end, which two unsure softmaxes may put in the wrong order: a length below 0.
        """
        if self.start_logits is not None and self.end_logits is not None:
            return _expected_pointers(self.start_logits, self.end_logits)
        return None if self.pointer_logits is None else self.pointer_logits.sigmoid()

    @property
    def binary_probabilities(self) -> Tensor | None:
        """(B, T) probability that a bar lies inside an expansion."""
        return None if self.binary_logits is None else self.binary_logits.sigmoid()


def _expected_pointers(start_logits: Tensor, end_logits: Tensor) -> Tensor:
    bar = torch.arange(start_logits.shape[1], dtype=torch.float32, device=start_logits.device)
    start = start_logits.float().softmax(dim=1) @ bar
    end = end_logits.float().softmax(dim=1) @ bar
    center_norm = (start + end) / 2 / (WINDOW_LENGTH - 1)
    return torch.stack([center_norm, (end - start + 1) / WINDOW_LENGTH], dim=1)


class JadeCompact(nn.Module):
    """Encoder and heads; `masks` makes dropout fast on a CPU, None is plain torch.

    Dropout is 0.3 on the features and 0.6 before every head: on the mean-pooled projection for
    type and pointers, on the LSTM output for each per-bar head.

    With ``standardize`` the model itself scales its input, by a mean and a deviation of each
    feature that `fit_scale` takes from training windows and that every checkpoint holds.

    >>> model = JadeCompact()
    >>> sum(p.numel() for p in model.parameters())
    97547
    >>> sum(p.numel() for p in JadeCompact(pointer_head="bar").parameters())
    97803
    """

    feature_mean: Tensor  # (input_size,)
    feature_deviation: Tensor  # (input_size,)

    def __init__(
        self,
        input_size: int = 12,
        predict_pointers: bool = True,
        predict_expansion_sequence: bool = True,
        *,
        pointer_head: PointerHead = "mean",
        standardize: bool = False,
        masks: Masks | None = None,
    ) -> None:
        super().__init__()
        self.options = {
            "input_size": input_size,
            "predict_pointers": predict_pointers,
            "predict_expansion_sequence": predict_expansion_sequence,
            "pointer_head": pointer_head,
            "standardize": standardize,
        }
        width = 2 * HIDDEN_SIZE
        self.input_dropout = Dropout(INPUT_DROPOUT, masks)
        self.encoder = nn.LSTM(input_size, HIDDEN_SIZE, batch_first=True, bidirectional=True)
        self.projection = nn.Linear(width, PROJECTION_SIZE)
        self.dense_dropout = Dropout(DENSE_DROPOUT, masks)
        self.type_head = nn.Linear(PROJECTION_SIZE, len(SPAN_TYPES))
        has_mean = predict_pointers and pointer_head == "mean"
        self.pointer_head = nn.Linear(PROJECTION_SIZE, 2) if has_mean else None
        has_bar = predict_pointers and pointer_head == "bar"
        self.edge_head = nn.Linear(width, 2) if has_bar else None
        self.binary_head = nn.Linear(width, 1) if predict_expansion_sequence else None
        self.countdown_head = nn.Linear(width, 1) if predict_expansion_sequence else None
        # Only the `kendall` balance trains these, yet they exist under every strategy, so that a
        # run can go on with another one. A single task needs no balance.
        n_tasks = len(self.tasks)
        self.log_sigma = nn.Parameter(torch.zeros(n_tasks)) if n_tasks > 1 else None
        if standardize:
            self.register_buffer("feature_mean", torch.zeros(input_size))
            self.register_buffer("feature_deviation", torch.ones(input_size))

    @property
    def tasks(self) -> tuple[Task, ...]:
        """The tasks this model has heads for, in the order of `moola.schema.TASKS`."""
        heads = {
            "ptr": self.edge_head or self.pointer_head,
            "binary": self.binary_head,
            "countdown": self.countdown_head,
            "type": self.type_head,
        }
        return tuple(task for task in TASKS if heads[task] is not None)

    def forward(self, features: Tensor, hidden: Tensor | None = None) -> ModelOutput:
        """Return the heads' outputs for (B, T, input_size) features.

        `hidden` is the encoder's output for them where it is known, which spares computing it.
        """
        if hidden is None:
            hidden = self.encode(features)
        pooled = self.dense_dropout(self.projection(hidden.mean(dim=1)).relu())
        per_bar = self._per_bar(hidden)
        return ModelOutput(
            hidden=hidden,
            type_logits=self.type_head(pooled),
            pointer_logits=self.pointer_head(pooled) if self.pointer_head else None,
            start_logits=per_bar.get("start"),
            end_logits=per_bar.get("end"),
            binary_logits=per_bar.get("binary"),
            countdown=per_bar.get("countdown"),
        )

    def encode(self, features: Tensor) -> Tensor:
        """Return (B, T, 192), the LSTM's output for (B, T, input_size) features."""
        return self.encoder(self.input_dropout(self.scaled(features)))[0]

    def _per_bar(self, hidden: Tensor) -> dict[str, Tensor]:
        """Return (B, T) outputs of the per-bar heads there are, by name.

        In training each head has a dropout of its own. Otherwise one product serves all of them,
        which reads the LSTM's output once: a fifth of the time.
        """
        named = ((("start", "end"), self.edge_head), (("binary",), self.binary_head),
                 (("countdown",), self.countdown_head))  # fmt: skip
        names = [name for group, head in named if head for name in group]
        heads = [head for _, head in named if head]
        if not heads:
            return {}
        if self.training:
            found = torch.cat([head(self.dense_dropout(hidden)) for head in heads], dim=-1)
        else:
            weight = torch.cat([head.weight for head in heads])
            found = linear(hidden, weight, torch.cat([head.bias for head in heads]))
        return dict(zip(names, found.unbind(dim=-1), strict=True))

    def scaled(self, features: Tensor) -> Tensor:
        """Return (B, T, input_size) features as the encoder wants them."""
        if not self.options["standardize"]:
            return features
        return (features - self.feature_mean) / self.feature_deviation

    def fit_scale(self, features: Tensor) -> None:
        """Take mean and deviation of each feature over (N, T, input_size) *training* windows.

        A feature that never changes keeps a deviation of 1.
        """
        flat = features.flatten(0, 1).double()
        deviation = flat.std(dim=0, correction=0)
        deviation[deviation < SMALLEST_DEVIATION] = 1.0
        self.feature_mean.copy_(flat.mean(dim=0))
        self.feature_deviation.copy_(deviation)

    def freeze_encoder(self) -> None:
        """Train the heads only: 13,067 parameters with the mean head and both per-bar heads."""
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
        """Start the encoder from the BiLSTM in a checkpoint; see `from_pretrained`.

        The scale of its input comes with it. An encoder without one was trained on features as they
        are, and goes on with them.
        """
        content = read_tensors(Path(path))
        weights = encoder_weights(content, self.encoder, source=str(path))
        scale = input_scale(content)
        if scale and not self.options["standardize"]:
            raise CheckpointError(
                "The encoder was trained on standardised features, so the model should standardise "
                f"too. Found standardize off ({path})."
            )
        load_weights(self.encoder, weights, source=str(path))
        if scale:
            self.feature_mean.copy_(scale["feature_mean"])
            self.feature_deviation.copy_(scale["feature_deviation"])

    @classmethod
    def from_checkpoint(cls, checkpoint: Checkpoint, *, source: str) -> Self:
        """Make the model of one of this project's checkpoints, in eval mode."""
        model = cls(**checkpoint.meta["model"])
        load_weights(model, checkpoint.model, source=source)
        return model.eval()
