"""Text with a header line: TradingView, Databento, MetaTrader 5, Sierra Chart, Dukascopy, Stooq,
Yahoo, Alpha Vantage, Binance, Quandl, Google Finance, pandas and plain tables."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import pandas as pd

from moola.exceptions import ImportRefused
from moola.vendors.answers import Answers, DateOrder, StampSide
from moola.vendors.draft import Draft, bare_name, find_columns, refuse_missing
from moola.vendors.sources import Source
from moola.vendors.text import TextTable, read_rows

ALIASES = {
    "time": ("timestamp", "ts_event", "datetime", "date time", "gmt time", "local time",
             "open_time", "open time", "time", "date", "dtyyyymmdd", "data", "unix", "",
             "unnamed: 0", "index"),
    "open": ("open", "o", "otwarcie"),
    "high": ("high", "h", "najwyzszy"),
    "low": ("low", "l", "najnizszy"),
    "close": ("close", "c", "last", "zamkniecie"),
    "volume": ("volume", "tickvol", "vol", "v", "wolumen", "tick_volume"),
    "symbol": ("symbol", "ticker", "instrument_id"),
}  # fmt: skip
DAY_NAMES = ("date", "dtyyyymmdd")
RTYPE_BARS = {"32": "1s", "33": "1min", "34": "1h", "35": "1d"}
NANOS = 1e-9
UNDEFINED_PRICE = 9e9
"""Databento writes the greatest 64-bit integer, 9.2e18 nano units, where there is no price."""

MAKERS_ZONE = {
    "America/New_York": "the exchange's own clock, for American stocks",
    "America/Chicago": "the exchange's own clock, for CME futures",
    "UTC": "",
}
NEW_YORK_FIRST = {"America/New_York": "the vendor documents US Eastern time"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Vendor:
    """How to tell a vendor's header, and what his documentation says."""

    key: str
    title: str
    has: frozenset[str]
    """Bare names that the header should have."""
    stamp: StampSide | None = None
    tz: str | None = None
    date_order: DateOrder | None = None
    zones: dict[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    stamps: str = ""
    """What its first stamp looks like, where others have the same header."""

    def fits(self, names: frozenset[str], stamp: str) -> bool:
        """Return whether a header and a first stamp are this vendor's."""
        return self.has <= names and re.match(self.stamps, stamp) is not None


def _names(text: str) -> frozenset[str]:
    return frozenset(text.split())


ISO_OFFSET = r"\d{4}-\d\d-\d\d[T ].*(?:Z| ?UTC|[+-]\d\d:?\d\d)$"
ISO_OR_EPOCH = rf"(?:{ISO_OFFSET}|\d{{10}}$)"

# The first that fits is taken, so the particular stand before the general.
VENDORS: tuple[Vendor, ...] = (
    Vendor(key="databento_csv", title="Databento CSV", has=_names("ts_event rtype instrument_id"),
           stamp="start", tz="UTC"),
    Vendor(key="metatrader5", title="MetaTrader 5", has=_names("date open tickvol spread"),
           stamp="start", zones={"Europe/Athens": "many brokers' servers run on it",
                                 "UTC": "some brokers' servers run on it"},
           notes=("Volume is the number of ticks (TICKVOL).",)),
    Vendor(key="sierra", title="Sierra Chart", has=_names("date time open last"),
           stamp="start", zones=MAKERS_ZONE),
    Vendor(key="binance", title="Binance", has=_names("open_time open close_time"),
           stamp="start", tz="UTC"),
    Vendor(key="dukascopy", title="Dukascopy", has=frozenset({"gmt time", "open"}),
           stamp="start", tz="UTC", date_order="dmy"),
    Vendor(key="dukascopy", title="Dukascopy", has=frozenset({"local time", "open"}),
           stamp="start", date_order="dmy"),
    Vendor(key="dukascopy", title="Dukascopy", has=_names("time open volume"),
           stamp="start", date_order="dmy", zones={"UTC": "Dukascopy's column is called Gmt time"},
           stamps=r"\d\d\.\d\d\.\d{4} \d\d:\d\d:\d\d\.\d{3}$"),
    Vendor(key="stooq", title="Stooq", has=_names("ticker per date time open"),
           zones={"Europe/Warsaw": "Stooq is a Polish site", "America/New_York": ""}),
    Vendor(key="stooq", title="Stooq", has=_names("data otwarcie zamkniecie"), stamp="start"),
    Vendor(key="quandl", title="Quandl WIKI", has=frozenset({"date", "open", "adj. open"}),
           stamp="start", zones=NEW_YORK_FIRST,
           notes=("Prices are those as traded; the adjusted ones beside them are left out.",)),
    Vendor(key="yahoo", title="Yahoo", has=frozenset({"adj close", "open"}), stamp="start",
           zones=MAKERS_ZONE, notes=("Close is taken as it stands; Adj Close is left out.",)),
    Vendor(key="google", title="Google Finance", has=_names("date open close"), stamp="start",
           zones=MAKERS_ZONE, stamps=r"\d{1,2}-[A-Z][a-z]{2}-\d\d$"),
    Vendor(key="tradingview", title="TradingView", has=_names("time open close"), stamp="start",
           stamps=ISO_OR_EPOCH),
    Vendor(key="moola", title="Plain table", has=_names("timestamp open close"), stamp="start",
           stamps=ISO_OFFSET),
    Vendor(key="alphavantage", title="Alpha Vantage or a plain table",
           has=_names("timestamp open high low close volume"), zones=NEW_YORK_FIRST),
    Vendor(key="pandas", title="pandas table with an unnamed index", has=frozenset({"", "open"}),
           zones=MAKERS_ZONE),
    Vendor(key="plain", title="Plain table", has=_names(""), zones=MAKERS_ZONE),
)  # fmt: skip


def find_named(source: Source, table: TextTable) -> Draft:
    """Return a table with a header line as its vendor means it."""
    header = table.header or ()
    bare = frozenset(bare_name(name) for name in header)
    columns = find_columns(header, ALIASES, source.name)
    refuse_missing(columns, header, source.name)
    stamp = next(iter(table.column(columns["time"])), "")
    vendor = next(item for item in VENDORS if item.fits(bare, stamp))
    places: dict[str, str | int | Sequence[str | int]] = dict(columns)
    if pair := _day_and_clock(header):
        places["time"] = pair
    mend = _mending(vendor, table, columns)
    head, chunks = read_rows(table, places, mend=mend)
    known = Answers(
        stamp=vendor.stamp,
        tz=vendor.tz,
        bar=_bar(vendor, table),
        date_order=vendor.date_order,
    )
    volume = columns.get("volume")
    notes = vendor.notes if volume else (*vendor.notes, "The file has no volume.")
    return Draft(
        format=vendor.key, title=vendor.title, head=head, chunks=chunks, known=known,
        notes=notes, zones=vendor.zones, price_basis=_price_basis(vendor, source),
    )  # fmt: skip


def _price_basis(vendor: Vendor, source: Source) -> str | None:
    """Return the side of the book that Dukascopy names its files after."""
    side = re.search(r"[_ ](bid|ask)\b", source.stem, re.IGNORECASE)
    return side[1].lower() if vendor.key == "dukascopy" and side else None


def _day_and_clock(header: Sequence[str]) -> tuple[str, str] | None:
    """Return the two columns that tell the time together."""
    by_name = {bare_name(name): name for name in header}
    day = next((by_name[name] for name in DAY_NAMES if name in by_name), None)
    clock = by_name.get("time")
    return (day, clock) if day is not None and clock is not None else None


def _bar(vendor: Vendor, table: TextTable) -> str | None:
    """Return the length of a bar that a column states."""
    if vendor.key == "databento_csv":
        return _one_bar(table, "rtype", RTYPE_BARS)
    if vendor.key == "stooq" and any(bare_name(name) == "per" for name in table.header or ()):
        minutes = {str(n): f"{n}min" for n in (1, 5, 15, 30)}
        return _one_bar(table, "per", {**minutes, "60": "1h", "D": "1d"})
    return None


def _one_bar(table: TextTable, column: str, names: dict[str, str]) -> str | None:
    name = next(name for name in table.header or () if bare_name(name) == column)
    found = sorted(set(table.column(name)))
    if len(found) > 1:
        raise ImportRefused(
            "A bar file should hold bars of one length. Found "
            f"{', '.join(names.get(value, value) for value in found)} ({table.source.name})."
        )
    return names.get(found[0]) if found else None


def _mending(
    vendor: Vendor, table: TextTable, columns: dict[str, str]
) -> Callable[[pd.DataFrame], pd.DataFrame] | None:
    """Return what turns Databento's fixed-point integers into prices, where a file has them."""
    if vendor.key != "databento_csv" or not table.rows:
        return None
    prices = table.column(columns["open"])
    if any("." in price for price in prices):
        return None

    def mend(raw: pd.DataFrame) -> pd.DataFrame:
        scaled = {}
        for name in ("open", "high", "low", "close"):
            price = pd.Series(pd.to_numeric(raw[name], errors="coerce")).astype(float) * NANOS
            scaled[name] = price.where(price.lt(UNDEFINED_PRICE))
        return raw.assign(**scaled)

    return mend
