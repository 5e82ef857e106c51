"""The metrics that every epoch reports of the held-out windows, with intervals."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from moola.resampling import LEAST_GROUPS, Score

HISTORY_KEYS = (
    "hit_at_3",
    "start_at_3",
    "center_mae_norm",
    "countdown_mae_bars",
    "type_f1_macro",
    "type_recall_min",
)
N_EPOCH_DRAWS = 200
"""Draws for the interval of an epoch's row: its ends vary by about a tenth of its width."""


def summarise(scores: Mapping[str, Score]) -> dict[str, float]:
    """Return the plain values of `HISTORY_KEYS` that could be computed, for an epoch's row."""
    values = {key: scores[key].value for key in HISTORY_KEYS if key in scores}
    return {key: value for key, value in values.items() if np.isfinite(value)}


def intervals(scores: Mapping[str, Score]) -> dict[str, tuple[float, float]]:
    """Return the 95 % intervals of the `HISTORY_KEYS` that have one, for an epoch's row.

    Fewer than `LEAST_GROUPS` groups of windows have none.
    """
    found: dict[str, tuple[float, float]] = {}
    for key in HISTORY_KEYS:
        if key in scores and scores[key].n_groups >= LEAST_GROUPS:
            low, high = scores[key].interval(n_draws=N_EPOCH_DRAWS)
            if np.isfinite(low):
                found[key] = low, high
    return found
