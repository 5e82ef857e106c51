"""How many features say something at each bar: a model cannot learn from an input that is empty.

An earlier system trained for three days on features that were filled at one of 105 bars. The mean
over all bars did not show it, so it is asked bar by bar, once, of the windows that train. The
answer goes into the first row of a run's history.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

LEAST_RATE = 0.05
"""Part of the windows in which a feature has another value than in most at that bar: below it the
feature says nothing there."""
LEAST_DIFFERENCE = 1e-6
LEAST_WINDOWS = 20
"""Fewer cannot tell a rate of one in twenty."""
LEAST_PART = 0.5
"""Part of the bars that a feature should say something at, and of the features at a bar."""


def feature_density(
    features: NDArray[np.float32], names: Sequence[str]
) -> dict[str, dict[str, int] | list[int] | int] | None:
    """Return at how many bars each feature says something, and how many features do at each bar.

    A feature says something at a bar if its value there differs between windows: an empty one is 0
    in all of them, and one stuck at another number is worth no more.

    Parameters
    ----------
    features
        (N, T, F) of the windows that train; NaN says nothing.

    Returns
    -------
    dict or None
        ``n_windows``; ``bars``, by feature; ``per_bar``, T counts of features. None when there are
        too few windows to tell.
    """
    if len(features) < LEAST_WINDOWS:
        return None
    differs = np.abs(features - np.median(features, axis=0)) > LEAST_DIFFERENCE
    says = differs.mean(axis=0) >= LEAST_RATE  # (T, F)
    return {
        "n_windows": len(features),
        "bars": dict(zip(names, says.sum(axis=0).tolist(), strict=True)),
        "per_bar": says.sum(axis=1).tolist(),
    }


def data_alert(history: Sequence[Mapping[str, Any]]) -> str | None:
    """Return in words which features are empty at most bars, and what to do; None if none is.

    Parameters
    ----------
    history
        Epoch rows of a run, oldest first; the first one holds `feature_density`.
    """
    density = history[0].get("feature_density") if history else None
    if not density:
        return None
    per_bar, bars = density["per_bar"], density["bars"]
    empty = {name: n for name, n in bars.items() if n < LEAST_PART * len(per_bar)}
    thin = [bar for bar, n in enumerate(per_bar) if n < LEAST_PART * len(bars)]
    if not empty and not thin:
        return None
    found = [f"{name} says something at {n} of {len(per_bar)} bars" for name, n in empty.items()]
    if thin:
        found.append(
            f"at {len(thin)} of {len(per_bar)} bars, the first of them bar {thin[0]}, fewer than "
            f"half of the {len(bars)} features do"
        )
    return (
        f"Empty features: {'; '.join(found)}. On average {np.mean(per_bar):.1f} of {len(bars)} "
        f"features do (counted over {density['n_windows']:,} training windows). No weight "
        "and no epoch makes up for an input that is not there. "
        "→ 1. Look at the bars of these windows: flat or repeated bars, or prices that were filled "
        "in, leave features empty. 2. Import the series around windows that came alone, so that "
        "their features start warm (moola rehome). 3. Train anew: a resumed run keeps its features."
    )
