"""Every way to read a span out of the heads, each applied to the same trained models."""

from __future__ import annotations

from moola.decode import DecodedSpans
from moola.decoders import DECODERS, PerBar, decode

from .work import Trained


def decoded(trained: Trained) -> dict[str, DecodedSpans]:
    """Return the spans of every decoder that the model's heads allow."""
    outputs = trained.outputs
    heads = PerBar(
        binary_logits=outputs.binary_logits,
        edge_logits=outputs.edge_logits,
        pointers=outputs.pointers,
    )
    return {name: decode(heads, name, trained.prior, trained.calibration) for name in DECODERS}
