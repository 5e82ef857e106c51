"""Speed of the features against the plain reference and a copy of the same bytes: `make bench`."""

from __future__ import annotations

import numpy as np

from moola.features import compute_features
from tests.benchmarks.timing import interleaved, print_table
from tests.feature_reference import reference_features
from tests.test_features import random_walk

N_BARS = 1_000_000
N_REFERENCE_BARS = 2_000
ROUNDS = 15


def test_features_against_the_reference_and_a_copy() -> None:
    bars = np.tile(random_walk(20_000, seed=0), (N_BARS // 20_000, 1))
    few = bars[:N_REFERENCE_BARS]
    np.testing.assert_allclose(compute_features(few), reference_features(few), atol=1e-6)
    features = compute_features(bars)
    seconds = interleaved(
        {
            "numba, one pass": lambda: compute_features(bars),
            "copy of bars and features": lambda: (bars.copy(), features.copy()),
        },
        rounds=ROUNDS,
    )
    print_table(f"features of {N_BARS:,} bars", seconds)
    seconds = interleaved(
        {
            "numba, one pass": lambda: compute_features(few),
            "plain Python reference": lambda: reference_features(few),
        },
        rounds=ROUNDS,
    )
    print_table(f"features of {N_REFERENCE_BARS:,} bars", seconds)
