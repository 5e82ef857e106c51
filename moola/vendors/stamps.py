"""Read time stamps: numbers since 1970, ISO 8601, and the many ways to write a day.

`find_stamps` looks at the first stamps of a file and says how they are written; ``read`` then turns
them, chunk by chunk, into UTC times.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd

from moola.exceptions import ConfigError, ImportRefused
from moola.vendors.answers import Answers, DateOrder

EPOCH_UNITS = {10: "s", 13: "ms", 16: "us", 19: "ns"}
# a clock time and then an offset: the day of "2022-01-16" is none
HAS_ZONE = r"[T ]\d\d?:?\d\d.*(?:[Zz]|[+-]\d\d(?::?\d\d)?)$"
NAMED_ZONE = r"\s+([A-Za-z]+(?:/[A-Za-z_]+)+)$"
COMPACT = (
    (r"\d{8}", "%Y%m%d"),
    (r"\d{12}", "%Y%m%d%H%M"),
    (r"\d{14}", "%Y%m%d%H%M%S"),
    (r"\d{8} \d{4}", "%Y%m%d %H%M"),
    (r"\d{8} \d{6}", "%Y%m%d %H%M%S"),
    (r"\d{8} \d\d:\d\d", "%Y%m%d %H:%M"),
    (r"\d{8} +\d\d:\d\d:\d\d", "%Y%m%d %H:%M:%S"),
)
YEAR_FIRST = re.compile(r"(\d{4})[-/.](\d{1,2})[-/.](\d{1,2})(?:[T ]+(.*))?$")
YEAR_LAST = re.compile(r"(\d{1,2})[-/.](\d{1,2})[-/.](\d{4}|\d\d)(?:[T ]+(.*))?$")
DAY_NAMED = re.compile(r"(\d{1,2})[- ]([A-Za-z]{3})[a-z]*[- ,]+(\d{4}|\d\d)(?:[T ]+(.*))?$")
MONTH_NAMED = re.compile(r"([A-Za-z]{3})[a-z]*\.? (\d{1,2}),? (\d{4})(?:,? +(.*))?$")
CLOCK = re.compile(r"(\d{1,2}):(\d\d)(?::(\d\d)(\.\d+)?)?(?: ?([AaPp][Mm]))?\s*(.*)$")
MONTHS = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Stamps:
    """How the stamps of a file are written."""

    epoch_unit: str | None = None
    """Unit of numbers since 1970; such stamps are UTC."""
    pattern: str | None = None
    """Format of compact stamps such as ``20110301 090100``."""
    has_zone: bool = False
    zone_name: str | None = None
    """Zone written after every stamp."""
    has_clock: bool = True
    day_orders: tuple[DateOrder, ...] = ("ymd",)
    """Orders of day, month and year that fit: one is certain, two have to be asked about."""

    def read(self, stamps: pd.Series, answers: Answers, *, where: str, first_row: int) -> pd.Series:
        """Return UTC times; NaT where a stamp cannot be read or its zone has it twice or never."""
        if self.epoch_unit:
            return _from_epoch(stamps, self.epoch_unit)
        if pd.api.types.is_datetime64_any_dtype(stamps):
            return _to_utc(stamps, naive=stamps.dt.tz is None, tz=answers.tz)
        text = stamps.astype("str").str.strip()
        if self.zone_name:
            text = text.str.removesuffix(self.zone_name).str.rstrip()
        if self.pattern:
            # Interactive Brokers writes two spaces
            text = text.str.replace("  ", " ", regex=False).str.replace("T", " ", regex=False)
            times = _in_ns(pd.to_datetime(text, format=self.pattern, errors="coerce"))
            return _to_utc(times, naive=True, tz=answers.tz)
        if text.str.endswith(("UTC", "GMT")).any():
            text = text.str.replace(r"\s*(?:UTC|GMT)$", "Z", regex=True)
        order = answers.date_order or self.day_orders[0]
        times = _from_text(text, order)
        return self._in_zone(times, text, answers, where=where, first_row=first_row)

    def _in_zone(
        self, times: pd.Series, text: pd.Series, answers: Answers, *, where: str, first_row: int
    ) -> pd.Series:
        has_zone = text.str.contains(HAS_ZONE, regex=True).fillna(False).astype(bool)
        other = times.notna() & (has_zone != self.has_zone)
        if other.any():
            row = first_row + int(np.argmax(other))
            raise ImportRefused(
                "Time stamps should all carry a zone or an offset. Found some with and some "
                f"without ({where}, row {row} has {'none' if self.has_zone else 'one'})."
            )
        if self.has_zone:
            return _to_utc(times, naive=False, tz=None)
        return _to_utc(times.dt.tz_localize(None), naive=True, tz=answers.tz)


def find_stamps(head: pd.Series, where: str) -> Stamps:
    """Return how the first stamps of a file are written; `ImportRefused` if nobody could say."""
    if pd.api.types.is_datetime64_any_dtype(head):
        return Stamps(has_zone=head.dt.tz is not None, has_clock=_has_clock(head))
    texts = [str(value).strip() for value in head.dropna()]
    texts = [text for text in texts if text and text.lower() != "nan"]
    if not texts:
        raise ImportRefused(f"Every bar should have a time stamp. Found none ({where}).")
    return (
        _as_epoch(texts) or _as_compact(texts) or _as_day(texts) or _refuse_stamp(texts[0], where)
    )


def _refuse_stamp(text: str, where: str) -> Stamps:
    shown = text if len(text) <= 40 else f"{text[:39]}…"
    raise ImportRefused(
        "A time stamp should be ISO 8601 such as 2022-01-31T09:30:00-05:00, another way to write "
        f"day and time, or seconds since 1970. Found {shown!r} ({where}, row 1)."
    )


def _as_epoch(texts: Sequence[str]) -> Stamps | None:
    whole = [re.fullmatch(r"(\d{10,19})(?:\.\d*)?", text) for text in texts]
    lengths = {len(found[1]) for found in whole if found}
    unit = EPOCH_UNITS.get(lengths.pop()) if len(lengths) == 1 else None
    if unit is None or sum(found is None for found in whole) * 2 > len(whole):
        return None
    return Stamps(epoch_unit=unit, has_zone=True)


def _as_compact(texts: Sequence[str]) -> Stamps | None:
    named = re.search(NAMED_ZONE, texts[0])
    zone = named[1] if named and _is_zone(named[1]) else None
    plain = texts[0].removesuffix(zone or "").strip().replace("T", " ", 1)
    for shape, pattern in COMPACT:
        if re.fullmatch(shape, plain) and 1 <= int(plain[4:6]) <= 12:
            return Stamps(pattern=pattern, zone_name=zone, has_clock="%H" in pattern)
    return None


def _as_day(texts: Sequence[str]) -> Stamps | None:
    named = re.search(NAMED_ZONE, texts[0])
    zone = named[1] if named and _is_zone(named[1]) else None
    texts = [text.removesuffix(zone or "").strip() for text in texts]
    orders: tuple[DateOrder, ...]
    rest: str | None
    if found := YEAR_FIRST.match(texts[0]):
        orders, rest = ("ymd",), found[4]
    elif found := YEAR_LAST.match(texts[0]):
        orders, rest = _day_orders(texts), found[4]
    elif found := DAY_NAMED.match(texts[0]) or MONTH_NAMED.match(texts[0]):
        orders, rest = ("ymd",), found[4]
    else:
        return None
    zoned = re.sub(r"\s*(?:UTC|GMT)$", "Z", texts[0])
    return Stamps(
        has_zone=re.search(HAS_ZONE, zoned) is not None,
        zone_name=zone,
        has_clock=bool(rest),
        day_orders=orders,
    )


def _day_orders(texts: Sequence[str]) -> tuple[DateOrder, ...]:
    """Return the orders that the numbers allow: a 13 or more is no month."""
    found = [match for text in texts if (match := YEAR_LAST.match(text))]
    first_is_day = any(int(match[1]) > 12 for match in found)
    second_is_day = any(int(match[2]) > 12 for match in found)
    if first_is_day == second_is_day:
        return ("dmy", "mdy")
    return ("dmy",) if first_is_day else ("mdy",)


def _from_epoch(stamps: pd.Series, unit: str) -> pd.Series:
    if pd.api.types.is_integer_dtype(stamps) and not stamps.isna().any():
        whole = stamps
    else:
        # nanoseconds need all 63 bits, which a float has not
        text = stamps.astype("str").str.strip().str.replace(r"\.\d*$", "", regex=True)
        good = text.str.fullmatch(r"\d{9,19}").fillna(False).astype(bool)
        whole = text.where(good, "-1").astype("int64")
        whole = whole.where(whole >= 0).astype("Int64")
    limit = pd.Timestamp.max.value // pd.Timedelta(1, unit).value
    times = pd.to_datetime(whole.where(whole <= limit), unit=unit, errors="coerce", utc=True)
    return _in_ns(pd.Series(times, index=stamps.index))


def _from_text(text: pd.Series, order: DateOrder) -> pd.Series:
    """Return UTC times, those without an offset as if they were UTC."""
    times = _from_iso(text)
    unread = times.isna() & text.notna()
    if unread.any():
        mended = pd.Series(text[unread]).map(lambda value: _to_iso(str(value), order))
        times = times.copy()
        times[unread] = _from_iso(mended)
    return times


def _from_iso(text: pd.Series) -> pd.Series:
    times = pd.to_datetime(text, format="ISO8601", errors="coerce", utc=True)
    return _in_ns(pd.Series(times, index=text.index))


def _in_ns(times: pd.Series) -> pd.Series:
    """Return times in nanoseconds; NaT where 64 bits have no room for them."""
    years = times.dt.year
    return times.where(years.between(1700, 2250)).dt.as_unit("ns")


@lru_cache(maxsize=4096)
def _to_iso(text: str, order: DateOrder) -> str | None:
    """Return a written day and time as ISO 8601, or None.

    >>> _to_iso("31-Dec-10", "ymd")
    '2010-12-31'
    >>> _to_iso("02.01.2017 00:00:00.000", "dmy")
    '2017-01-02T00:00:00.000'
    """
    day = _day_of(text, order)
    if day is None:
        return None
    (year, month, date), clock = day
    head = f"{year:04d}-{month:02d}-{date:02d}"
    if not clock:
        return head
    found = CLOCK.match(clock)
    if not found:
        return None
    hour = int(found[1])
    if found[5]:
        if not 1 <= hour <= 12:
            return None
        hour = hour % 12 + (12 if found[5].lower() == "pm" else 0)
    offset = found[6].removeprefix("GMT").removeprefix("UTC")
    return f"{head}T{hour:02d}:{found[2]}:{found[3] or '00'}{found[4] or ''}{offset}"


def _day_of(text: str, order: DateOrder) -> tuple[tuple[int, int, int], str | None] | None:
    if found := YEAR_FIRST.match(text):
        return (int(found[1]), int(found[2]), int(found[3])), found[4]
    if found := YEAR_LAST.match(text):
        first, second = int(found[1]), int(found[2])
        month, day = (second, first) if order == "dmy" else (first, second)
        return (_full_year(found[3]), month, day), found[4]
    if (found := DAY_NAMED.match(text)) and found[2].lower() in MONTHS:
        month = MONTHS.index(found[2].lower()) + 1
        return (_full_year(found[3]), month, int(found[1])), found[4]
    if (found := MONTH_NAMED.match(text)) and found[1].lower() in MONTHS:
        return (int(found[3]), MONTHS.index(found[1].lower()) + 1, int(found[2])), found[4]
    return None


def _full_year(text: str) -> int:
    """Return a year of two digits as strptime does: 69..99 are of the last century."""
    year = int(text)
    return year if len(text) == 4 else year + (1900 if year >= 69 else 2000)


def _to_utc(times: pd.Series, *, naive: bool, tz: str | None) -> pd.Series:
    if not naive:
        return _in_ns(times.dt.tz_convert("UTC"))
    if tz is None:
        raise ImportRefused(
            "Time stamps without a zone should be given one. Found none: say which, as in "
            "--tz America/New_York."
        )
    check_zone(tz)
    local = times.dt.tz_localize(tz, ambiguous="NaT", nonexistent="NaT")
    return _in_ns(local.dt.tz_convert("UTC"))


def check_zone(tz: str) -> None:
    """Raise `ConfigError` unless `tz` is the name of a time zone."""
    if not _is_zone(tz):
        raise ConfigError(
            f"tz should be the name of a time zone, such as America/New_York. Found {tz!r}."
        )


def _is_zone(name: str) -> bool:
    try:
        ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        return False
    return True


def _has_clock(times: pd.Series) -> bool:
    known = times.dropna()
    return bool((known != known.dt.normalize()).any())
