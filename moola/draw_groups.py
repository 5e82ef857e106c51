"""Which windows a bootstrap draws together: those that share bars, long chains of them in blocks.

Windows that share bars are dependent, so an interval draws their whole group. On continuous bars
windows overlap in chains for days, and a few weeks are a handful of groups: too few for any
interval. Such a chain is cut into blocks of bars that are long beside the dependence, each window
in the block of its first bar; neighbouring blocks share no more than a window's length of bars.
Splits never use these blocks: their groups (`moola.splits`) stay whole.

The length of a block was measured by ``tests/benchmarks/test_bench_intervals.py``. Percent of 95 %
intervals that hold the truth, on 10 / 20 days of 1,380 bars, good to ±2 points:

====================================== ======= ========= ========= =========
dependence, besides the shared bars    window  735 bars  a day     two days
====================================== ======= ========= ========= =========
half-life of 10 bars                   79 / 78 91 / 91   89 / 92   82 / 88
half-life of 60 bars                   63 / 66 91 / 93   89 / 90   84 / 87
the same, a tenth of it lasting a day  43 / 41 78 / 74   81 / 78   78 / 80
EURUSD minutes, a rule's start         100/100 90 / 99   94 / 100  83 / 94
EURUSD minutes, a rule's both edges    98/100  94 / 97   93 / 99   82 / 95
====================================== ======= ========= ========= =========

18 chains far apart, which need no cut, have 93; whole chains of EURUSD, 4 to 6 groups, 65 to 88.
Blocks of a day are too few in two weeks. What lasts a day is in no interval, whatever the block.

Source: H. Kuensch, The jackknife and the bootstrap for general stationary observations (1989);
D. Politis and J. Romano, The stationary bootstrap (1994).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from moola.schema import WINDOW_LENGTH

BLOCK_BARS = 7 * WINDOW_LENGTH
HOW_DRAWN = (
    "groups of neighbouring windows: those that share bars are drawn together, and where they "
    f"form a chain longer than {BLOCK_BARS:,} bars, those of about {BLOCK_BARS:,} bars"
)
"""What an interval is drawn over, for a reader."""
_NUMBERS = 2**32
"""More than any series has blocks: a group's numbers start at its own multiple."""


def draw_groups(
    group: NDArray[np.int64],
    series_id: NDArray[np.str_],
    bar_start: NDArray[np.int64],
    *,
    block_bars: int = BLOCK_BARS,
) -> NDArray[np.int64]:
    """Return (N,) numbers; equal ones are drawn together.

    Borders lie at multiples of `block_bars` in a series; less than half a block at either end of a
    group goes with its neighbour, so that a group no longer than a block stays whole. So does one
    with windows of several series, which have no common count of bars.

    Parameters
    ----------
    group, series_id, bar_start
        (N,) group of windows that share bars, series and first bar of each window.
    """
    of_row = np.unique(group, return_inverse=True)[1]
    series = np.unique(series_id, return_inverse=True)[1]
    is_one_series = (_least(series, of_row) == -_least(-series, of_row))[of_row]
    start, end = _least(bar_start, of_row), WINDOW_LENGTH - _least(-bar_start, of_row)
    first = (start + block_bars // 2) // block_bars
    last = np.maximum(first, (end + block_bars // 2) // block_bars - 1)
    block = np.clip(bar_start // block_bars, first[of_row], last[of_row])
    return group * _NUMBERS + np.where(is_one_series, block, 0)


def _least(values: NDArray[np.int64], of_row: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return (G,) the least value of each group."""
    least = np.full(of_row.max(initial=-1) + 1, np.iinfo(np.int64).max)
    np.minimum.at(least, of_row, values)
    return least
