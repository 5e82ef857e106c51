"""Every way to read a span out of the heads, each applied to the same trained models."""

from __future__ import annotations

import numpy as np

from moola.baselines.rules import Floats, Spans
from moola.decoders import DECODERS, PerBar, decode, mass_near

from .work import Trained

HEAD_ALONE = "start head"
"""Start and end by the bar head alone, as the design notes have it, without the other heads."""


def decoded(trained: Trained) -> dict[str, Spans]:
    """Return the spans of every decoder that the model's heads allow."""
    outputs = trained.outputs
    heads = PerBar(
        binary_logits=outputs.binary_logits,
        edge_logits=outputs.edge_logits,
        pointers=outputs.pointers,
    )
    found = {}
    for name in DECODERS:
        spans = decode(heads, name, trained.prior, trained.calibration)
        found[name] = Spans(spans.start, spans.end, spans.confidence)
    if outputs.start_logits is not None and outputs.end_logits is not None:
        found[HEAD_ALONE] = start_then_end(
            _softmax(outputs.start_logits), _softmax(outputs.end_logits)
        )
    return found


def start_then_end(start: Floats, end: Floats) -> Spans:
    """Return the start with most mass within ±3 bars, and the best end from there on."""
    mass = mass_near(start)
    first = mass.argmax(axis=1)
    later = np.where(np.arange(end.shape[1]) >= first[:, None], mass_near(end, bars=1), -1.0)
    return Spans(first, later.argmax(axis=1), mass.max(axis=1))


def _softmax(logits: np.ndarray) -> Floats:
    odds = np.exp(logits.astype(np.float64) - logits.max(axis=1, keepdims=True))
    return odds / odds.sum(axis=1, keepdims=True)
