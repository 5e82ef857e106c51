"""Hold spans against the limits of a rule, and say in words what they break."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from moola.exceptions import SchemaError
from moola.proposals import SLACK, average_true_range
from moola.rules.limits import Limits
from moola.schema import Direction

WARM_UP_ATRS = 40
"""Bars that a running ATR needs to forget its beginning, in lengths of the ATR.

A bar that far back weighs less than 1e-17, so the ATR of a cut series is that of the whole one.
"""


class Measures(NamedTuple):
    """(S,) each: what the checker measures on S spans."""

    n_bars: NDArray[np.int64]
    body: NDArray[np.float64]
    """First open to last close, in price; positive is up."""
    sign: NDArray[np.int64]
    """1 up, -1 down: the direction given, else that of the body."""
    move_atr: NDArray[np.float64]
    """From the extreme of the first bar to the last close, in ATR, along `sign`."""
    body_share: NDArray[np.float64]
    start_late: NDArray[np.int64]
    """Bars from the first bar to the extreme that the move leaves from."""
    end_late: NDArray[np.int64]
    """Bars from the furthest close to the last bar."""
    n_before: NDArray[np.int64]
    """Bars of the series before the span."""


def measure(
    ohlc: NDArray[np.float64],
    start: ArrayLike,
    end: ArrayLike,
    *,
    direction: Sequence[Direction | None] | None = None,
    atr_bars: int = 20,
    timestamps: Any = None,
) -> Measures:
    """Measure the spans ``start..end`` of a series.

    Parameters
    ----------
    ohlc
        (N, 4) prices of the whole series: the ATR at a span's first bar comes from what was before.
    start, end
        (S,) bars of the series, both inclusive.
    direction
        (S,) the directions given; None is that of the net move.
    timestamps
        (N,) times of the bars; a true range then does not reach across a pause.
    """
    start, end = np.atleast_1d(np.asarray(start, int)), np.atleast_1d(np.asarray(end, int))
    _check_places(start, end, len(ohlc))
    if not len(start):
        return Measures(
            *(np.empty(0, kind) for kind in (int, float, int, float, float, *[int] * 3))
        )
    atr = _atr_at(ohlc, start, atr_bars, timestamps)
    n_bars = end - start + 1
    # (S, L) bars of each span, its last one repeated where it is shorter than the longest
    bars = np.minimum(start[:, None] + np.arange(n_bars.max()), end[:, None])
    body = ohlc[end, 3] - ohlc[start, 0]
    sign = _signs(body, direction)
    up = (sign > 0)[:, None]
    high, low = ohlc[bars, 1], ohlc[bars, 2]
    left_from = np.where(up, low, -high)
    closes = sign[:, None] * ohlc[bars, 3]
    height = high.max(1) - low.min(1)
    net = sign * ohlc[end, 3] - left_from[:, 0]
    return Measures(
        n_bars=n_bars,
        body=body,
        sign=sign,
        move_atr=_in_units(net, atr),
        body_share=_in_units(np.abs(body), height),
        start_late=left_from.argmin(1),
        end_late=n_bars - 1 - closes.argmax(1),
        n_before=start,
    )


def broken(
    ohlc: NDArray[np.float64],
    start: int,
    end: int,
    limits: Limits,
    *,
    direction: Direction | None = None,
    type: str | None = None,
    timestamps: Any = None,
) -> list[str]:
    """Return what the span ``start..end`` of a series breaks, in words; nothing if it is sound."""
    return find_broken(
        ohlc, [start], [end], limits, direction=[direction], types=[type], timestamps=timestamps
    )[0]


def find_broken(
    ohlc: NDArray[np.float64],
    start: ArrayLike,
    end: ArrayLike,
    limits: Limits,
    *,
    direction: Sequence[Direction | None] | None = None,
    types: Sequence[str | None] | None = None,
    timestamps: Any = None,
) -> list[list[str]]:
    """Return what each of many spans of one series breaks; see `measure` for the arrays."""
    found = measure(
        ohlc, start, end, direction=direction, atr_bars=limits.atr_bars, timestamps=timestamps
    )
    reasons: list[list[str]] = [[] for _ in found.n_bars]
    for at_fault, sentence in _faults(found, limits, direction):
        for i in np.flatnonzero(at_fault).tolist():
            reasons[i].append(sentence(i))
    for i, name in enumerate(types or ()):
        if limits.types and name is not None and name not in limits.types:
            reasons[i].append(f"type {name}, one of {', '.join(limits.types)} wanted")
    return reasons


def _faults(m: Measures, limits: Limits, direction: Sequence[Direction | None] | None) -> list[Any]:
    """Return pairs: which spans break a limit, and what to say of span i."""
    faults: list[Any] = []
    if (least := limits.move_atr_min) is not None:
        faults.append(
            (
                m.move_atr < least - SLACK,
                lambda i: (
                    f"net move {_told(m.move_atr[i], least)} ATR, at least {least:g} wanted"
                    + _cold(int(m.n_before[i]), limits.atr_bars)
                ),
            )
        )
    if (share := limits.body_share_min) is not None:
        faults.append(
            (
                m.body_share < share - SLACK,
                lambda i: (
                    f"body {_told(100 * m.body_share[i], 100 * share, decimals=0)}% of the "
                    f"range, at least {100 * share:g}% wanted"
                ),
            )
        )
    if limits.same_direction and direction is not None:
        given = np.array([name is not None for name in direction])
        faults.append(
            (
                given & (np.sign(m.body) == -m.sign),
                lambda i: (
                    f"direction {direction[i]}, but it closes {abs(m.body[i]):g} "
                    f"{'lower' if m.body[i] < 0 else 'higher'} than it opens"
                ),
            )
        )
    return faults + _place_faults(m, limits)


def _place_faults(m: Measures, limits: Limits) -> list[Any]:
    """Return the faults of length and edges, which are counted in bars."""
    faults: list[Any] = []
    if (fewest := limits.bars_min) is not None:
        faults.append(
            (m.n_bars < fewest, lambda i: f"{_bars(m.n_bars[i])}, at least {fewest} wanted")
        )
    if (most := limits.bars_max) is not None:
        faults.append((m.n_bars > most, lambda i: f"{_bars(m.n_bars[i])}, at most {most} wanted"))
    if (late := limits.start_late_bars) is not None:
        faults.append(
            (
                m.start_late > late,
                lambda i: (
                    f"the {'low' if m.sign[i] > 0 else 'high'} it leaves from is "
                    f"{_bars(m.start_late[i])} after its first bar, at most {late} wanted"
                ),
            )
        )
    if (after := limits.end_late_bars) is not None:
        faults.append(
            (
                m.end_late > after,
                lambda i: (
                    f"{_bars(m.end_late[i])} after its furthest close, at most {after} wanted"
                ),
            )
        )
    return faults


def _told(value: Any, limit: float, *, decimals: int = 1) -> str:
    """Return a number with as many decimals as it takes to look different from its limit."""
    while decimals < 4 and round(value, decimals) == round(limit, decimals):
        decimals += 1
    return f"{value:.{decimals}f}"


def _bars(number: Any) -> str:
    return "1 bar" if number == 1 else f"{number} bars"


def _cold(n_before: int, atr_bars: int) -> str:
    """Return a note where the series begins too late for a settled ATR."""
    if n_before >= atr_bars:
        return ""
    return f" (cold: the ATR has {_bars(n_before)} before it, {atr_bars} wanted)"


def _signs(body: NDArray, direction: Sequence[Direction | None] | None) -> NDArray[np.int64]:
    own = np.where(body < 0, -1, 1)
    if direction is None:
        return own
    given = np.array([{"up": 1, "down": -1, None: 0}[name] for name in direction], int)
    return np.where(given == 0, own, given)


def _atr_at(ohlc: NDArray, start: NDArray, atr_bars: int, timestamps: Any) -> NDArray[np.float64]:
    first = max(0, int(start.min()) - WARM_UP_ATRS * atr_bars)
    cut = slice(first, int(start.max()) + 1)
    times = None if timestamps is None else timestamps[cut]
    return average_true_range(ohlc[cut], atr_bars, times)[start - first]


def _in_units(distance: NDArray, unit: NDArray) -> NDArray[np.float64]:
    """Return distance over unit; flat bars have no unit, and any distance is beyond it."""
    beyond = np.where(distance > 0, np.inf, 0.0)
    return np.divide(distance, unit, out=beyond, where=unit > 0)


def _check_places(start: NDArray, end: NDArray, n_bars: int) -> None:
    for at in np.flatnonzero((start < 0) | (end < start) | (end >= n_bars)):
        raise SchemaError(
            f"A span should lie in bars 0..{n_bars - 1} of its series, its first bar first. "
            f"Found {start[at]}..{end[at]}."
        )
