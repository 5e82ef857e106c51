"""The rules that every bar keeps, checked row by row."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from moola.exceptions import RefusedRow
from moola.schema import PRICE_COLUMNS

BAR_COLUMNS = ("timestamp", *PRICE_COLUMNS, "volume")
NEVER = int(np.iinfo(np.int64).min)
"""How a missing time is written in 64 bits: before all others."""


class Fault(NamedTuple):
    """A rule, which rows break it, and what to say of row i (counted from 0)."""

    rule: str
    at_fault: NDArray[np.bool_]
    describe: Callable[[int], str]


HIGH_TOO_LOW = "high is below open or close"
LOW_TOO_HIGH = "low is above open or close"
RULES_OF_RANGE = (HIGH_TOO_LOW, LOW_TOO_HIGH)
"""What no exchange prints: in numbers they betray bars that were made up."""


def check_prices(ohlc: NDArray[np.float64]) -> list[RefusedRow]:
    """Return the rows of (N, 4) prices that break a rule, counted from 1, with the first reason."""
    return _rows_at_fault(_price_faults(ohlc))


def find_faults(frame: pd.DataFrame, *, after: int = NEVER) -> Iterator[Fault]:
    """Yield every rule that rows of a table with `BAR_COLUMNS` may break.

    Parameters
    ----------
    after
        Latest time of the rows before these in nanoseconds, which every time should follow.
    """
    yield from _time_faults(pd.Series(frame["timestamp"]), after)
    yield from _price_faults(frame[list(PRICE_COLUMNS)].to_numpy(np.float64))
    volume = frame["volume"].to_numpy(np.float64)
    yield Fault(
        "volume is negative or infinite",
        (volume < 0) | np.isinf(volume),
        lambda i: f"volume should not be {volume[i]:g}",
    )


def _time_faults(times: pd.Series, after: int) -> Iterator[Fault]:
    yield Fault("timestamp is missing", times.isna().to_numpy(), lambda i: "timestamp is missing")
    nanos = pd.DatetimeIndex(times).as_unit("ns").asi8
    latest = np.maximum.accumulate(np.r_[after, nanos])[:-1]
    known = (nanos > NEVER) & (latest > NEVER)
    yield Fault(
        "timestamp repeats",
        known & (nanos == latest),
        lambda i: f"timestamp {times.iloc[i]} repeats that of a row before",
    )
    yield Fault(
        "timestamp is out of order",
        known & (nanos < latest),
        lambda i: f"timestamp {times.iloc[i]} is earlier than that of a row before",
    )


def _price_faults(ohlc: NDArray[np.float64]) -> Iterator[Fault]:
    for column, name in enumerate(PRICE_COLUMNS):
        price = ohlc[:, column]
        yield Fault(
            f"{name} is missing", np.isnan(price), lambda i, n=name: f"{n} is missing (NaN)"
        )
        yield Fault(
            f"{name} is no price above 0",
            (price <= 0) | np.isinf(price),
            lambda i, n=name, p=price: f"{n} should be a finite price above 0, found {p[i]:g}",
        )
    o, h, low, c = ohlc.T
    top, bottom = np.maximum(o, c), np.minimum(o, c)
    yield Fault(
        "high is below low",
        h < low,
        lambda i: f"high {_price(h[i])} is below low {_price(low[i])}",
    )
    yield Fault(
        HIGH_TOO_LOW,
        h < top,
        lambda i: f"high {_price(h[i])} is below open or close {_price(top[i])}",
    )
    yield Fault(
        LOW_TOO_HIGH,
        low > bottom,
        lambda i: f"low {_price(low[i])} is above open or close {_price(bottom[i])}",
    )


def _price(value: Any) -> str:
    return f"{value:.10g}"


def _rows_at_fault(faults: Iterable[Fault]) -> list[RefusedRow]:
    """Return the first reason of every row at fault, in row order."""
    reasons: dict[int, str] = {}
    for fault in faults:
        for i in np.flatnonzero(fault.at_fault).tolist():
            if i not in reasons:
                reasons[i] = fault.describe(i)
    return [RefusedRow(i + 1, reasons[i]) for i in sorted(reasons)]
