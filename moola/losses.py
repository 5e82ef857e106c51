"""The four task losses, and the losses of the best constant predictors to measure them by.

========= =================================================== ========================
task      loss                                                best constant prediction
========= =================================================== ========================
ptr       Huber (delta 0.08) of centre and length in 0..1     medians
          bar head: that plus the divergence from each edge   mean of the edges' targets
binary    binary cross entropy of every bar                   base rate
countdown Huber of every bar, on the run's countdown scale    median
type      cross entropy                                       class frequencies
========= =================================================== ========================

The target of an edge is a Gaussian of 1 bar around it. The divergence (Kullback-Leibler) is the
cross entropy less the entropy of the target itself, which no prediction can undercut: the gradient
is the same, and a perfect head loses 0. Without it a bar head learns nothing, since the Huber loss
of two expectations hardly tells where the mass lies.

Rows without a span are masked in all but the binary task, ignored bars in both per-bar tasks; the
countdown counts those that a shift has brought into view. A task that has nothing to count in a
batch has loss 0, never NaN.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from moola.config import COUNTDOWN_CLIP_BARS, CountdownScale, PointerHead
from moola.dataset import Batch
from moola.examples import Examples
from moola.exceptions import SchemaError
from moola.labels import encode_pointers
from moola.model import JadeCompact, ModelOutput
from moola.schema import SPAN_TYPES, WINDOW_LENGTH, Task

POINTER_DELTA = 0.08
EDGE_SIGMA_BARS = 1.0
"""About how far two people's edges lie apart."""
BASELINE_FLOOR = 1e-8
"""Constant labels have L_const = 0, and losses are divided by it."""
BIAS_PROBABILITY = 0.01
"""A head starts no surer than this: a class that training lacks may still turn up."""


def task_losses(output: ModelOutput, batch: Batch, countdown: CountdownScale) -> dict[Task, Tensor]:
    """Return the mean loss of every task the model has a head for, unweighted."""
    counted = counted_entries(batch)
    errors = task_errors(output, batch, countdown)
    return {task: _masked_mean(error, counted[task]) for task, error in errors.items()}


def losses_of_rows(output: ModelOutput, batch: Batch, countdown: CountdownScale) -> Tensor:
    """Return (B, K) what `task_losses` makes of each row alone, NaN where nothing counts."""
    counted = counted_entries(batch)
    columns = [
        (error * counted[task]).reshape(len(batch), -1).sum(dim=1)
        / counted[task].reshape(len(batch), -1).sum(dim=1)
        for task, error in task_errors(output, batch, countdown).items()
    ]
    return torch.stack(columns, dim=1)


def task_errors(output: ModelOutput, batch: Batch, countdown: CountdownScale) -> dict[Task, Tensor]:
    """Return the loss of every row, (B,), or bar, (B, T), before anything is masked."""
    errors: dict[Task, Tensor] = {}
    if output.pointers is not None:
        error = functional.huber_loss(
            output.pointers, batch.pointers, delta=POINTER_DELTA, reduction="none"
        ).mean(dim=1)
        if output.start_logits is not None and output.end_logits is not None:
            logits = torch.stack([output.start_logits, output.end_logits], dim=1)
            error = error + edge_divergence(logits, batch.edges).mean(dim=1)
        errors["ptr"] = error
    if output.binary_logits is not None:
        errors["binary"] = functional.binary_cross_entropy_with_logits(
            output.binary_logits, batch.inside, reduction="none"
        )
    if output.countdown is not None:
        target = countdown_target(batch.countdown_bars, countdown)
        delta = countdown_delta(countdown)
        errors["countdown"] = functional.huber_loss(
            output.countdown, target, delta=delta, reduction="none"
        )
    errors["type"] = functional.cross_entropy(output.type_logits, batch.type_id, reduction="none")
    return errors


def counted_entries(batch: Batch) -> dict[Task, Tensor]:
    """Return 1 for every row or bar that a task's loss counts, else 0."""
    return {
        "ptr": batch.has_span,
        "binary": batch.counts,
        "countdown": batch.timed * batch.has_span[:, None],
        "type": batch.has_span,
    }


def _masked_mean(values: Tensor, mask: Tensor) -> Tensor:
    return (values * mask).sum() / mask.sum().clamp(min=1)


def edge_divergence(logits: Tensor, edges: Tensor) -> Tensor:
    """Return (B, 2) divergence of the softmax of (B, 2, T) logits from the edges' targets."""
    log_target = edge_log_target(edges)
    log_prediction = logits.to(log_target.dtype).log_softmax(dim=-1)
    return (log_target.exp() * (log_target - log_prediction)).sum(dim=-1)


def edge_log_target(edges: Tensor) -> Tensor:
    """Return (..., T) log probabilities: a Gaussian of `EDGE_SIGMA_BARS` around each edge."""
    bar = torch.arange(WINDOW_LENGTH, device=edges.device, dtype=edges.dtype)
    distance = (bar - edges[..., None]) / EDGE_SIGMA_BARS
    return (-(distance**2) / 2).log_softmax(dim=-1)


def countdown_target(bars: Tensor, countdown: CountdownScale) -> Tensor:
    """Return what the countdown head should emit for a countdown in bars.

    ``clip20`` clips to ±20 bars and divides by 20, so that the head emits numbers around 1. The
    loss itself only changes by a factor, ``Huber_{1/20}(x / 20) == Huber_1(x) / 400``; what helps
    is the size of the head's output.
    """
    if countdown == "raw":
        return bars
    return bars.clamp(-COUNTDOWN_CLIP_BARS, COUNTDOWN_CLIP_BARS) / COUNTDOWN_CLIP_BARS


def countdown_delta(countdown: CountdownScale) -> float:
    """Return one bar in the head's unit: where the Huber loss turns linear."""
    return 1.0 if countdown == "raw" else 1 / COUNTDOWN_CLIP_BARS


def countdown_in_bars(
    emitted: NDArray[np.float32], countdown: CountdownScale
) -> NDArray[np.float32]:
    """Return the head's output in bars."""
    return emitted / np.float32(countdown_delta(countdown))


@dataclass(frozen=True, kw_only=True)
class Constants:
    """The best constant prediction of every task, and the loss it leaves."""

    pointers: tuple[float, float]  # centre and length, 0..1
    base_rate: float  # share of bars inside a span
    countdown: float  # in the head's unit
    type_frequencies: tuple[float, ...]
    losses: Mapping[Task, float]  # L_const of each task

    @classmethod
    def fit(
        cls, examples: Examples, countdown: CountdownScale, pointer_head: PointerHead = "mean"
    ) -> Self:
        """Fit to the labels of `examples`, which should be the training rows."""
        spans = examples.take(examples.has_span)
        if not len(spans):
            raise SchemaError(
                "Training needs at least one labelled span among the training windows. "
                f"Found {len(examples)} windows without any."
            )
        targets = encode_pointers(spans.start, spans.end)
        center_norm, length_norm = np.median(targets, axis=0).tolist()
        base_rate = float(examples.inside[~examples.ignore].mean())
        emitted = _emitted_countdown(spans, countdown)
        median = float(np.median(emitted))
        frequencies = np.bincount(spans.type_id, minlength=len(SPAN_TYPES)) / len(spans)
        losses: dict[Task, float] = {
            "ptr": _huber(targets - (center_norm, length_norm), POINTER_DELTA)
            if pointer_head == "mean"
            else _constant_edge_loss(spans),
            "binary": _entropy(np.array([base_rate, 1 - base_rate])),
            "countdown": _huber(emitted - median, countdown_delta(countdown)),
            "type": _entropy(frequencies),
        }
        return cls(
            pointers=(center_norm, length_norm),
            base_rate=base_rate,
            countdown=median,
            type_frequencies=tuple(frequencies.tolist()),
            losses={task: max(loss, BASELINE_FLOOR) for task, loss in losses.items()},
        )


def _emitted_countdown(spans: Examples, countdown: CountdownScale) -> NDArray[np.float64]:
    """Return the countdown target of every bar that counts, in the head's unit."""
    bars = torch.from_numpy(spans.start[:, None] - np.arange(WINDOW_LENGTH)).double()
    return countdown_target(bars, countdown).numpy()[~spans.ignore]


def constant_edge_logits(spans: Examples) -> Tensor:
    """Return (2, T) log probabilities of start and end: the mean of the targets of `spans`."""
    edges = torch.from_numpy(np.stack([spans.start, spans.end], axis=1)).double()
    return edge_log_target(edges).exp().mean(dim=0).clamp(min=1e-12).log()


def _constant_edge_loss(spans: Examples) -> float:
    """Return the loss of a bar head that says the same of every window."""
    logits = constant_edge_logits(spans)
    edges = torch.from_numpy(np.stack([spans.start, spans.end], axis=1)).double()
    divergence = edge_divergence(logits.expand(len(edges), 2, -1), edges).mean()
    start, end = (logits.exp() @ torch.arange(WINDOW_LENGTH).double()).tolist()
    center_norm, length_norm = encode_pointers(start, end)
    error = encode_pointers(spans.start, spans.end) - (center_norm, length_norm)
    return float(divergence) + _huber(error, POINTER_DELTA)


def _huber(error: NDArray[np.float64], delta: float) -> float:
    size = np.abs(error)
    return float(np.where(size <= delta, size**2 / 2, delta * (size - delta / 2)).mean())


def _entropy(frequencies: NDArray[np.float64]) -> float:
    present = frequencies[frequencies > 0]
    return float(-(present * np.log(present)).sum())


@torch.no_grad()
def start_at_constants(model: JadeCompact, constants: Constants) -> None:
    """Set the heads' biases so that an untrained model predicts the constants.

    An untrained sigmoid says that every span is 52 bars long, which makes the first losses several
    times those of a constant and a bad ruler for the balance. The bar head starts at "anywhere":
    one bias for all bars cannot say where spans usually are.
    """
    frequencies = np.clip(constants.type_frequencies, BIAS_PROBABILITY, 1)
    model.type_head.bias.copy_(torch.from_numpy(np.log(frequencies)))
    if model.pointer_head is not None:
        model.pointer_head.bias.copy_(_logit(torch.tensor(constants.pointers)))
    if model.binary_head is not None:
        model.binary_head.bias.fill_(_logit(torch.tensor(constants.base_rate)).item())
    if model.countdown_head is not None:
        model.countdown_head.bias.fill_(constants.countdown)


def _logit(probability: Tensor) -> Tensor:
    return torch.logit(probability, eps=BIAS_PROBABILITY)
