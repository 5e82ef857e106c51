"""Lean (QuantConnect): the day is in the file's name, prices of stocks are integers x 10,000."""

from __future__ import annotations

import re

import numpy as np
import pandas as pd

from moola.schema import PRICE_COLUMNS
from moola.vendors.answers import Answers
from moola.vendors.draft import Draft
from moola.vendors.sources import Source
from moola.vendors.text import TextTable, read_rows

DAY_FILE = re.compile(r"(\d{8})_([a-z0-9.]+)_(minute|second)_(trade|quote)", re.IGNORECASE)
LONG_STAMP = r"\d{8} \d\d:\d\d"
BARS = {"minute": "1min", "second": "1s"}
SCALE = 10_000
QUOTE_COLUMNS = 11
ZONES = {
    "Etc/GMT+5": "Lean keeps FXCM's quotes five hours behind UTC all year",
    "UTC": "Lean keeps OANDA's quotes and crypto in UTC",
    "America/New_York": "Lean keeps American stocks in New York's time",
}
STOCK_ZONE = "America/New_York"


def is_lean(source: Source, table: TextTable) -> bool:
    """Return whether a headerless table is named or written as Lean does."""
    if table.header is not None or not table.rows or table.delimiter != ",":
        return False
    first = table.rows[0]
    if DAY_FILE.match(source.name):
        return len(first) in (5, 6, QUOTE_COLUMNS) and first[0].isdigit()
    return len(first) in (6, QUOTE_COLUMNS) and re.fullmatch(LONG_STAMP, first[0]) is not None


def find_lean(source: Source, table: TextTable) -> Draft:
    """Return a day of seconds or minutes, or years of hours or days."""
    first = table.rows[0]
    named = DAY_FILE.match(source.name)
    is_quote = len(first) == QUOTE_COLUMNS
    columns: dict[str, int] = {"time": 0}
    columns |= {name: 1 + i for i, name in enumerate(PRICE_COLUMNS)}
    if is_quote:
        columns |= {f"ask_{name}": 6 + i for i, name in enumerate(PRICE_COLUMNS)}
    elif len(first) > 5:
        columns["volume"] = 5
    whole = all("." not in value for row in table.rows for value in row[1:5])
    scale = SCALE if whole else 1
    day = pd.to_datetime(named[1], format="%Y%m%d", errors="coerce") if named else None

    def mend(raw: pd.DataFrame) -> pd.DataFrame:
        for name in PRICE_COLUMNS:
            price = _numbers(raw, name)
            if is_quote:
                price = (price + _numbers(raw, f"ask_{name}")) / 2
            raw[name] = price / scale
        if day is not None:
            passed = pd.to_timedelta(_numbers(raw, "time"), unit="ms")
            raw["time"] = pd.Series(day + passed, index=raw.index).dt.as_unit("ns")
        return pd.DataFrame(raw[[name for name in raw if not str(name).startswith("ask_")]])

    head, chunks = read_rows(table, columns, mend=mend)  # pyright: ignore[reportArgumentType]
    symbol = named[2] if named else source.stem
    return Draft(
        format="lean", title="Lean (QuantConnect)", head=head, chunks=chunks,
        known=Answers(
            stamp="start", bar=BARS[named[3].lower()] if named else None,
            tz=STOCK_ZONE if whole else None, symbol=symbol.upper(),
        ),
        zones=ZONES, price_basis="mid" if is_quote else None,
        notes=_notes(is_quote=is_quote, whole=whole),
    )  # fmt: skip


def _notes(*, is_quote: bool, whole: bool) -> tuple[str, ...]:
    notes = []
    if whole:
        notes.append("Prices are integers x 10,000, as Lean keeps American stocks.")
    if is_quote:
        notes.append("Prices are the middle of bid and ask; there is no volume.")
    return tuple(notes)


def _numbers(raw: pd.DataFrame, name: str) -> np.ndarray:
    return pd.Series(pd.to_numeric(raw[name], errors="coerce")).to_numpy(float, na_value=np.nan)
