"""Which part of the trading day a bar belongs to, by the clock on the exchange's wall.

``buckets(times, "America/New_York")`` gives one number a bar, an index into `bucket_names`. The
zone carries the rules of daylight saving, so the opening is the opening in January and in July;
hours fixed in UTC would slip by one twice a year.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from moola.exceptions import ConfigError
from moola.schema import WINDOW_LENGTH

AROUND_THE_CLOCK = "UTC"
"""Zone of a market without an exchange, such as FX and crypto: its day follows the centres."""
DAY_BUCKETS = ("overnight", "pre-open", "open", "midday", "close", "after")
CENTRE_BUCKETS = ("asia", "london", "london + new york", "new york", "weekend")
UNKNOWN = "no time"
MIDDLE_BAR = WINDOW_LENGTH // 2

PRE_OPEN_MIN, OPEN_MIN, CLOSE_MIN, AFTER_MIN = 90, 60, 60, 120
"""Minutes before the opening, after it, before the closing and after it."""
DAY_MIN = 24 * 60
FX_DAY_MIN = 17 * 60
"""The week of FX ends and begins at 17:00 in New York."""
CENTRE_HOURS = (8 * 60, 17 * 60)


@dataclass(frozen=True, slots=True)
class Exchange:
    """A zone with the hours in which its exchanges trade in full, in minutes since midnight."""

    zone: str
    name: str
    opens: int
    closes: int


EXCHANGES = (
    Exchange("America/New_York", "New York: US shares, CME and ICE futures", 9 * 60 + 30, 16 * 60),
    Exchange("America/Chicago", "Chicago: the same hours by the clock there", 8 * 60 + 30, 15 * 60),
    Exchange("Europe/London", "London", 8 * 60, 16 * 60 + 30),
    Exchange("Europe/Berlin", "Frankfurt, Paris, Amsterdam, Zurich", 9 * 60, 17 * 60 + 30),
    Exchange("Asia/Tokyo", "Tokyo", 9 * 60, 15 * 60 + 30),
    Exchange("Asia/Hong_Kong", "Hong Kong, Shanghai, Singapore", 9 * 60 + 30, 16 * 60),
    Exchange("Asia/Kolkata", "Mumbai", 9 * 60 + 15, 15 * 60 + 30),
    Exchange("Australia/Sydney", "Sydney", 10 * 60, 16 * 60),
)
"""Futures around such a day trade nearly all of it: CME stops from 17:00 to 18:00 New York."""
USUAL_DAY = (9 * 60, 17 * 60)
"""Opening and closing in a zone that is not listed: a working day, close enough for a map."""


def bucket_names(zone: str) -> tuple[str, ...]:
    """Return the parts of the day of a market in this zone, in their order."""
    return CENTRE_BUCKETS if zone == AROUND_THE_CLOCK else DAY_BUCKETS


def clock_name(zone: str) -> str:
    """Return a zone as a reader would name it."""
    if zone == AROUND_THE_CLOCK:
        return "Around the clock: FX, crypto"
    return next((item.name for item in EXCHANGES if item.zone == zone), zone)


def buckets(times: Any, zone: str) -> NDArray[np.int8]:
    """Return the part of the day of each time, as an index into ``bucket_names(zone)``.

    Parameters
    ----------
    times
        (N,) seconds since 1970 in UTC, or times of pandas with their zone. A missing time is -1.
    zone
        Zone of the exchange, such as ``America/New_York``; `AROUND_THE_CLOCK` for FX and crypto.
    """
    moments = _moments(times)
    if zone == AROUND_THE_CLOCK:
        found = _centre_buckets(moments)
    else:
        found = _day_buckets(local_minutes(moments, zone), *_hours(zone))
    found[moments.isna()] = -1
    return found


def local_minutes(times: Any, zone: str) -> NDArray[np.int64]:
    """Return minutes since midnight on the wall of a zone; of a missing time 0."""
    local = _moments(times).tz_convert(_zone(zone))
    hour, minute = np.asarray(local.hour), np.asarray(local.minute)
    return np.nan_to_num(hour * 60.0 + minute).astype(np.int64)


def bucket_of(time: Any, zone: str) -> str:
    """Return the name of the part of the day that one time belongs to.

    >>> bucket_of(pd.Timestamp("2022-01-18 14:30", tz="UTC"), "America/New_York")
    'open'
    >>> bucket_of(pd.Timestamp("2022-07-18 14:30", tz="UTC"), "America/New_York")
    'midday'
    """
    index = int(buckets([time], zone)[0])
    return bucket_names(zone)[index] if index >= 0 else UNKNOWN


def _moments(times: Any) -> pd.DatetimeIndex:
    if isinstance(times, np.ndarray) and np.issubdtype(times.dtype, np.integer):
        return pd.DatetimeIndex(times.astype("datetime64[s]")).tz_localize("UTC")
    moments = pd.DatetimeIndex(times)
    return moments.tz_localize("UTC") if moments.tz is None else moments.tz_convert("UTC")


@lru_cache(maxsize=64)
def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError) as error:
        raise ConfigError(
            f"The exchange's zone should be one such as America/New_York. Found {name!r}."
        ) from error


def _hours(zone: str) -> tuple[int, int]:
    known = next((item for item in EXCHANGES if item.zone == zone), None)
    return (known.opens, known.closes) if known else USUAL_DAY


def _day_buckets(minutes: NDArray[np.int64], opens: int, closes: int) -> NDArray[np.int8]:
    """Return indices into `DAY_BUCKETS`; whatever is far from the day's session is overnight."""
    before_and_after = (-PRE_OPEN_MIN, 0, OPEN_MIN), (-CLOSE_MIN, 0, AFTER_MIN)
    edges = np.r_[opens + np.array(before_and_after[0]), closes + np.array(before_and_after[1])]
    found = np.searchsorted(edges, minutes, side="right").astype(np.int8)
    found[found == len(edges)] = 0  # the evening belongs to the night that it begins
    return found


def _centre_buckets(moments: pd.DatetimeIndex) -> NDArray[np.int8]:
    """Return indices into `CENTRE_BUCKETS`, by the clocks of London and New York.

    Their clocks change on different days: for weeks each spring and autumn they are an hour
    closer, and the overlap is an hour longer.
    """
    opens, closes = CENTRE_HOURS
    london, new_york = (
        local_minutes(moments, zone) for zone in ("Europe/London", "America/New_York")
    )
    in_london = (london >= opens) & (london < closes)
    in_new_york = (new_york >= opens) & (new_york < closes)
    found = np.where(in_london, np.where(in_new_york, 2, 1), np.where(in_new_york, 3, 0))
    weekday = np.nan_to_num(np.asarray(moments.tz_convert(_zone("America/New_York")).day_of_week))
    weekend = (weekday == 5) | ((weekday == 4) & (new_york >= FX_DAY_MIN))
    weekend |= (weekday == 6) & (new_york < FX_DAY_MIN)
    return np.where(weekend, 4, found).astype(np.int8)
