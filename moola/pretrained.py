"""Refuse to judge on bars that a pretrained encoder has already seen."""

from __future__ import annotations

from pathlib import Path

from moola.checkpoint import read_tensors
from moola.examples import Examples
from moola.exceptions import SchemaError
from moola.seen_bars import SeenBars


def seen_by(path: Path) -> SeenBars | None:
    """Return the bars that a checkpoint's encoder was pretrained on, if it says so."""
    meta = read_tensors(path).get("meta")
    pretraining = meta.get("pretraining") if isinstance(meta, dict) else None
    return SeenBars.from_dict(pretraining) if pretraining else None


def check_not_seen(path: Path, examples: Examples) -> None:
    """Raise `SchemaError` if a window to be judged on shows bars that the encoder has seen."""
    seen = seen_by(path)
    if seen is None:
        return
    judged = examples.take(examples.is_val)
    shown = seen.shown_in(judged.ohlc)
    if shown.any():
        raise SchemaError(
            "No window should be judged on bars that its encoder was pretrained on. Found "
            f"{shown.sum()} of {len(shown)} validation rows, the first is window "
            f"{judged.window_uid[shown][0]} ({path}); pretrain again: labelled bars are left out."
        )
