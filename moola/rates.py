"""Shares of counted things, each with an interval that stays inside 0..1 for small counts too.

The interval is that of E. B. Wilson, J. Am. Stat. Assoc. 22, 1927, p. 209.
"""

from __future__ import annotations

from math import sqrt
from typing import NamedTuple

Z95 = 1.959963984540054


class Rate(NamedTuple):
    """A share with its counts and Wilson's 95 % interval."""

    n: int
    of: int
    low: float
    high: float

    @property
    def share(self) -> float:
        """The share itself; NaN of nothing."""
        return self.n / self.of if self.of else float("nan")


def rate(n: int, of: int) -> Rate:
    """Return a share with Wilson's interval; 0..1 where nothing was counted.

    >>> [round(value, 3) for value in rate(2, 10)[2:]]
    [0.057, 0.51]
    """
    if of == 0:
        return Rate(0, 0, 0.0, 1.0)
    share, z2 = n / of, Z95**2
    centre = (share + z2 / (2 * of)) / (1 + z2 / of)
    half = Z95 * sqrt(share * (1 - share) / of + z2 / (4 * of * of)) / (1 + z2 / of)
    return Rate(n, of, max(0.0, centre - half), min(1.0, centre + half))
