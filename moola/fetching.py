"""Fetch bars from Yahoo by the `yfinance` package and keep them as a file, to be imported.

``fetch("NQ=F", interval="1m", folder=workspace.fetched_dir)`` writes a Parquet file and says where.
"""

from __future__ import annotations

import importlib
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa

from moola.bar_rules import BAR_COLUMNS
from moola.bars import BAR_SCHEMA
from moola.exceptions import ConfigError, ImportRefused
from moola.tables import one_line, write_parquet
from moola.vendors import Answers

INSTALL = "python -m pip install 'yfinance>=1'"
INTERVALS = {
    "1m": ("1min", "7d"),
    "2m": ("2min", "60d"),
    "5m": ("5min", "60d"),
    "15m": ("15min", "60d"),
    "30m": ("30min", "60d"),
    "1h": ("1h", "730d"),
    "1d": ("1d", "max"),
}
"""Yahoo's name of a bar to ours, and how far back Yahoo has such bars."""
PERIOD = re.compile(r"\d{1,4}(?:d|wk|mo|y)|ytd|max")


@dataclass(frozen=True, slots=True)
class Fetched:
    """Bars as a file, and what is known of them."""

    path: Path
    symbol: str
    n_bars: int
    tz_exchange: str | None
    answers: Answers


def fetch(
    symbol: str,
    *,
    interval: str = "1m",
    period: str | None = None,
    folder: Path,
    session: Any = None,
    now: datetime | None = None,
) -> Fetched:
    """Fetch the latest bars of a symbol as Yahoo names it, and write them to a file.

    Parameters
    ----------
    interval
        Yahoo's name of a bar, one of `INTERVALS`.
    period
        How far back, such as ``5d``; by default as far as Yahoo goes.
    session
        What yfinance sends its requests through, by default its own.
    now
        The bar that this moment falls in is left out: it is not finished.

    Raises
    ------
    ImportRefused
        If yfinance is not installed, or Yahoo cannot be reached or has no such bars.
    """
    if interval not in INTERVALS:
        raise ConfigError(f"interval should be one of {', '.join(INTERVALS)}. Found {interval!r}.")
    bar, longest = INTERVALS[interval]
    if period is not None and not PERIOD.fullmatch(period):
        raise ConfigError(f"period should be such as 5d, 1mo or max. Found {period!r}.")
    table, tz_exchange = _history(symbol, interval, period or longest, session)
    bars = _finished(_bars(table, symbol), bar, now or datetime.now(UTC))
    if bars.empty:
        raise ImportRefused(
            f"Yahoo should have bars of {symbol} at {interval}. Found none: is the symbol Yahoo's?"
        )
    path = folder / f"{re.sub(r'[^A-Za-z0-9=.^-]', '_', symbol)}-{interval}.parquet"
    write_parquet(pa.Table.from_pandas(bars, schema=BAR_SCHEMA, preserve_index=False), path)
    return Fetched(path, symbol, len(bars), tz_exchange, Answers(bar=bar))


def _history(
    symbol: str, interval: str, period: str, session: Any
) -> tuple[pd.DataFrame, str | None]:
    try:
        yfinance = importlib.import_module("yfinance")
    except ImportError as error:
        raise ImportRefused(
            f"Yahoo's bars should be fetched by the yfinance package. Found it missing: {INSTALL}"
        ) from error
    try:
        with _errors_told(yfinance):
            ticker = yfinance.Ticker(symbol, session=session)
            table = ticker.history(
                period=period, interval=interval, auto_adjust=False, actions=False
            )
            zone = ticker.history_metadata.get("exchangeTimezoneName")
    except Exception as error:  # of the network, of Yahoo's answers, of the package
        raise ImportRefused(
            f"Yahoo should give bars of {symbol}. Found: {one_line(error)}."
        ) from error
    return table, zone if isinstance(zone, str) else None


@contextmanager
def _errors_told(yfinance: Any) -> Iterator[None]:
    """Let yfinance raise what it would only log."""
    debug = yfinance.config.debug
    before = debug.hide_exceptions
    debug.hide_exceptions = False
    try:
        yield
    finally:
        debug.hide_exceptions = before


def _bars(table: pd.DataFrame, symbol: str) -> pd.DataFrame:
    named = table.rename(columns=str.lower)
    missing = [name for name in BAR_COLUMNS[1:] if name not in named]
    if missing or not isinstance(table.index, pd.DatetimeIndex) or table.index.tz is None:
        if table.empty:
            return pd.DataFrame(columns=list(BAR_COLUMNS))
        raise ImportRefused(
            f"Yahoo should give times, open, high, low, close and volume of {symbol}. Found "
            f"{', '.join(map(str, table.columns))}."
        )
    times = table.index.tz_convert("UTC").as_unit("ns")
    values = {name: named[name].to_numpy(float) for name in BAR_COLUMNS[1:]}
    return pd.DataFrame({"timestamp": times, **values})


def _finished(bars: pd.DataFrame, bar: str, now: datetime) -> pd.DataFrame:
    """Return the bars that were over by `now`."""
    if bars.empty:
        return bars
    ends = pd.DatetimeIndex(bars["timestamp"]) + pd.Timedelta(bar)
    return pd.DataFrame(bars[ends <= pd.Timestamp(now)]).reset_index(drop=True)
