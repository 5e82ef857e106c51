"""The model as a run's options want it: which heads, which precision, which encoder output."""

from __future__ import annotations

from dataclasses import fields, replace

import torch
from torch import Tensor, nn

from moola.config import FinetuneConfig, Precision
from moola.dataset import Batch
from moola.dropout import Masks
from moola.model import JadeCompact, ModelOutput
from moola.predict import BATCH_SIZE
from moola.schema import Task


def make_model(config: FinetuneConfig, masks: Masks) -> JadeCompact:
    """Return an untrained model with the heads that `config` asks for."""
    model = JadeCompact(
        predict_expansion_sequence=config.use_expansion_heads,
        pointer_head=config.pointer_head,
        standardize=config.standardize,
        masks=masks,
    )
    if config.freeze_encoder:
        model.freeze_encoder()
    return model


def training_output(model: JadeCompact, batch: Batch, precision: Precision) -> ModelOutput:
    """Return what `model` says in a training step, its heads in float32 whatever they computed in.

    ``hidden`` keeps its type: the losses come from that very tensor, and strategies that compare
    gradients there would find none on a copy.
    """
    device = batch.features.device.type
    with torch.autocast(device, torch.bfloat16, enabled=precision == "bf16"):
        output = model(batch.features, batch.hidden)
    heads = {item.name: getattr(output, item.name) for item in fields(output)}
    del heads["hidden"]
    return replace(output, **{n: v.float() for n, v in heads.items() if isinstance(v, Tensor)})


def reached_heads(model: JadeCompact) -> list[Task]:
    """Return the tasks whose own head has a gradient now that is not zero."""
    pointers = model.pointer_head if model.edge_head is None else model.edge_head
    heads: dict[Task, nn.Module | None] = {
        "ptr": pointers,
        "binary": model.binary_head,
        "countdown": model.countdown_head,
        "type": model.type_head,
    }
    return [
        task
        for task, head in heads.items()
        if head and any(p.grad is not None and bool(p.grad.any()) for p in head.parameters())
    ]


@torch.no_grad()
def with_hidden(model: JadeCompact, batch: Batch) -> Batch:
    """Return `batch` with the encoder's output in eval mode, for a model that keeps its encoder.

    84 kB a window: the 174 windows of a small run take 14 MB, 100,000 would take 8 GB.
    """
    was_training = model.training
    model.eval()
    parts = [model.encode(part) for part in batch.features.split(BATCH_SIZE)]
    model.train(was_training)
    return replace(batch, hidden=torch.cat(parts))
