"""The leak meter: which bars of the windows to be judged on a run would already have seen."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import streamlit as st
from numpy.typing import NDArray

from moola.config import FinetuneConfig
from moola.exceptions import SchemaError
from moola.pretrained import refuse_seen
from moola.ui import cache, components
from moola.ui.picker import Tone

UNKNOWN = (
    "This encoder does not say which bars it was pretrained on: held-out windows may be among "
    "them, and would then look better than they are. An encoder of `moola pretrain` says it."
)


def draw(source: cache.Source, config: FinetuneConfig) -> bool:
    """Draw both counts for the chosen split; return whether a run may start.

    Raises
    ------
    SchemaError
        If a window to be judged on shows bars that training or the encoder has seen.
    """
    rows, split = cache.planned_rows(source), cache.planned_split(source, config)
    n = len(split.held_out)
    left_out = len(np.unique(rows.window_uid)) - n - split.n_train
    told = f"{components.counted(split.n_train, 'window')} to learn from, {n:,} held out"
    st.caption(told + (f", {left_out:,} left out between them." if left_out else "."))
    tone = "bad" if split.n_sharing else "good"
    _line("Windows that share bars with training", f"{split.n_sharing:,} of {n:,}", tone=tone)
    if split.n_sharing:
        raise SchemaError(
            "No held-out window should share bars with training. "
            f"Found {split.n_sharing:,} of {n:,}; choose another split."
        )
    encoder = config.pretrained_encoder
    return _encoder(source, encoder, split.held_out) if encoder else True


def _encoder(source: cache.Source, encoder: str, held_out: NDArray[np.int64]) -> bool:
    n_seen = cache.n_seen(source, Path(encoder))
    what = "Held-out windows whose bars the encoder has seen"
    if n_seen is None:
        _line(what, "not known", tone="warn")
        st.warning(UNKNOWN, icon=":material/help:")
        return st.checkbox("Start all the same", key=f"finetune_unknown_{encoder}")
    of_windows = n_seen[held_out]
    count = int((of_windows > 0).sum())
    _line(what, f"{count:,} of {len(held_out):,}", tone="bad" if count else "good")
    refuse_seen(encoder, cache.planned_rows(source).window_uid[held_out], of_windows)
    return True


def _line(what: str, found: str, *, tone: Tone) -> None:
    st.markdown(f":small[{what}:] {components.badge(found, tone)}")


def check_all(source: cache.Source, config: FinetuneConfig) -> None:
    """Raise `SchemaError` if the encoder has seen any window: cross-validation holds out all."""
    if not config.pretrained_encoder or not cache.data_summary(source).n_spans:
        return
    n_seen = cache.n_seen(source, Path(config.pretrained_encoder))
    if n_seen is not None:
        uid, first = np.unique(cache.planned_rows(source).window_uid, return_index=True)
        refuse_seen(config.pretrained_encoder, uid, n_seen[first])
