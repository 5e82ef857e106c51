"""Speed of the features against the plain reference and a copy of the same bytes: `make bench`.

Variants run in interleaved rounds on one thread and are timed in process CPU time; only ratios of
one run mean anything.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable

import numpy as np

from moola.features import compute_features
from tests.feature_reference import reference_features
from tests.test_features import random_walk

N_BARS = 1_000_000
N_REFERENCE_BARS = 2_000
ROUNDS = 15


def cpu_seconds(work: Callable[[], object]) -> float:
    start = time.process_time()
    work()
    return time.process_time() - start


def test_features_against_the_reference_and_a_copy() -> None:
    bars = np.tile(random_walk(20_000, seed=0), (N_BARS // 20_000, 1))
    few = bars[:N_REFERENCE_BARS]
    np.testing.assert_allclose(compute_features(few), reference_features(few), atol=1e-6)
    features = compute_features(bars)
    variants: dict[str, tuple[Callable[[], object], int]] = {
        "numba, one pass": (lambda: compute_features(bars), N_BARS),
        "copy of bars and features": (lambda: (bars.copy(), features.copy()), N_BARS),
        "plain Python reference": (lambda: reference_features(few), N_REFERENCE_BARS),
    }
    ns_per_bar: dict[str, list[float]] = {name: [] for name in variants}
    for _ in range(ROUNDS):
        for name, (work, n_bars) in variants.items():
            ns_per_bar[name].append(1e9 * cpu_seconds(work) / n_bars)
    print(f"\n{'':28}{'min ns/bar':>12}{'median':>10}{'times numba (min)':>20}")
    base = min(ns_per_bar["numba, one pass"])
    for name, values in ns_per_bar.items():
        ratio = min(values) / base
        print(f"{name:28}{min(values):12.1f}{statistics.median(values):10.1f}{ratio:20.2f}")
