"""Refuse to judge on bars that a pretrained encoder has already seen."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from moola.checkpoint import read_tensors
from moola.examples import Examples
from moola.exceptions import SchemaError
from moola.runs import EXAMPLES_FILE
from moola.seen_bars import SEEN_FILE, SeenBars, print_set


def seen_by(path: Path) -> SeenBars | None:
    """Return the bars that a checkpoint's encoder was trained on, if it or its run says so."""
    meta = read_tensors(path).get("meta")
    pretraining = meta.get("pretraining") if isinstance(meta, dict) else None
    if pretraining:
        return SeenBars.from_dict(pretraining)
    if (path.parent / SEEN_FILE).exists():
        return SeenBars.from_dict(json.loads((path.parent / SEEN_FILE).read_text("utf-8")))
    return _trained_on(path.parent)


def _trained_on(folder: Path) -> SeenBars | None:
    """Return the bars that a fine-tuning run in `folder` learned from; a shift shows more."""
    if not (folder / EXAMPLES_FILE).exists():
        return None
    examples = Examples.load(folder / EXAMPLES_FILE)
    train = examples.take(~examples.is_val)
    shown = train.ohlc if train.context is None else train.context.ohlc
    return SeenBars((), print_set(shown))


def check_not_seen(encoder: str | None, examples: Examples) -> dict[str, Any]:
    """Raise `SchemaError` if a window to be judged on shows bars that the encoder has seen.

    Returns
    -------
    dict
        ``pretraining``: how many bars the encoder has seen, how many bars are judged on, and how
        many of those it has seen, which is none; None if the checkpoint does not say. Nothing
        where a run starts from random weights.
    """
    if not encoder:
        return {}
    seen = seen_by(Path(encoder))
    if seen is None:
        return {"pretraining": None}
    judged = examples.take(examples.is_val)
    judged = judged.take(judged.first_of_each_window())
    n_seen = seen.n_bars_in(judged.ohlc)
    if n_seen.any():
        raise SchemaError(
            "No window should be judged on bars that its encoder was pretrained on. Found "
            f"{(n_seen > 0).sum()} of {len(n_seen)} held-out windows, the first is window "
            f"{judged.window_uid[n_seen.argmax()]} ({encoder}); pretrain again: labelled bars are "
            "left out."
        )
    facts = {
        "n_bars": seen.n_bars or len(seen.prints),
        "n_judged": n_seen.size * judged.ohlc.shape[1],
    }
    return {"pretraining": facts | {"n_judged_seen": int(n_seen.sum())}}
