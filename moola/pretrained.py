"""Refuse to judge on bars that a pretrained encoder has already seen."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from moola.checkpoint_meta import read_pretraining
from moola.examples import Examples
from moola.exceptions import SchemaError
from moola.runs import EXAMPLES_FILE
from moola.seen_bars import SEEN_FILE, SeenBars, print_set


def told_by(path: Path) -> tuple[Path, Path, Path]:
    """Return the files that may say what a checkpoint's encoder has seen, in that order."""
    return path, path.parent / SEEN_FILE, path.parent / EXAMPLES_FILE


def seen_by(path: Path) -> SeenBars | None:
    """Return the bars that a checkpoint's encoder was trained on, if it or its run says so."""
    checkpoint, seen, examples = told_by(path)
    if pretraining := read_pretraining(checkpoint):
        return SeenBars.from_dict(pretraining)
    if seen.exists():
        return SeenBars.from_dict(json.loads(seen.read_text("utf-8")))
    return _trained_on(Examples.load(examples)) if examples.exists() else None


def _trained_on(examples: Examples) -> SeenBars:
    """Return the bars that a fine-tuning run learned from; a shift shows more."""
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
    refuse_seen(encoder, judged.window_uid, n_seen)
    facts = {
        "n_bars": seen.n_bars or len(seen.prints),
        "n_judged": n_seen.size * judged.ohlc.shape[1],
    }
    return {"pretraining": facts | {"n_judged_seen": int(n_seen.sum())}}


def refuse_seen(encoder: str, window_uid: NDArray[np.str_], n_seen: NDArray[np.int64]) -> None:
    """Raise `SchemaError` if the encoder has seen bars of one of these held-out windows.

    Parameters
    ----------
    window_uid, n_seen
        (W,) the windows and how many bars of each were seen.
    """
    if n_seen.any():
        raise SchemaError(
            "No window should be judged on bars that its encoder was pretrained on. Found "
            f"{(n_seen > 0).sum()} of {len(n_seen)} held-out windows, the first is window "
            f"{window_uid[n_seen.argmax()]} ({encoder}); pretrain again, which leaves labelled "
            "bars out, or keep the split and seed of the run that the encoder comes from."
        )
