"""Shares of counted things carry Wilson's interval."""

from __future__ import annotations

import numpy as np
import pytest

from moola.rates import rate


@pytest.mark.parametrize(
    ("n", "of", "low", "high"),
    # as printed by R. G. Newcombe, Stat. Med. 17, 1998, p. 857, table I, method 3
    [
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0, 0.1611),
        (1, 29, 0.0061, 0.1718),
    ],
)
def test_wilson_interval_is_the_published_one(n: int, of: int, low: float, high: float) -> None:
    found = rate(n, of)
    assert (round(found.low, 4), round(found.high, 4)) == (low, high)


def test_nothing_counted_says_nothing() -> None:
    found = rate(0, 0)
    assert (found.low, found.high) == (0.0, 1.0)
    assert np.isnan(found.share)
