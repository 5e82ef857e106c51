"""Read bars, check every row of them, and keep them as Parquet files named by their content.

``read_bars(path)`` gives a table with `BAR_COLUMNS`; ``BarStore(folder).write(table)`` keeps it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from moola.exceptions import ConfigError, ImportRefused, RefusedRow, StoreError
from moola.schema import PRICE_COLUMNS
from moola.tables import column_names, listed, one_line, read_table, refuse_rows, write_parquet

BAR_COLUMNS = ("timestamp", *PRICE_COLUMNS, "volume")
MAX_DECIMALS = 8
# a clock time and then an offset: the day of "2022-01-16" is none
HAS_ZONE = r"[T ]\d\d.*(?:[Zz]|[+-]\d\d(?::?\d\d)?)$"

Fault = tuple[NDArray[np.bool_], Callable[[int], str]]
"""Which rows break a rule, and what to say of row i (counted from 0)."""


def read_bars(path: Path, tz: str | None = None) -> pd.DataFrame:
    """Return the checked bars of a Parquet or CSV file (plain or gzip) as `BAR_COLUMNS`.

    Parameters
    ----------
    path
        A file with the named columns timestamp, open, high, low, close and perhaps volume; other
        columns are left out.
    tz
        Zone of stamps that carry none, such as ``America/New_York``; a zone is never guessed.

    Raises
    ------
    ImportRefused
        If the file cannot be read or rows break a rule; ``rows`` names every one of them.
    """
    raw = read_table(path, BAR_COLUMNS)
    if missing := [name for name in BAR_COLUMNS[:-1] if name not in raw]:
        raise ImportRefused(
            f"Bars should have the columns {', '.join(BAR_COLUMNS[:-1])}. Found no "
            f"{', '.join(missing)} ({path.name} has {listed(column_names(path))})."
        )
    if raw.empty:
        raise ImportRefused(f"A bar file should hold at least one bar. Found none ({path.name}).")
    times = parse_times(pd.Series(raw["timestamp"]), tz=tz, where=path.name)
    numbers = {name: _numbers(raw, name) for name in BAR_COLUMNS[1:]}
    frame = pd.DataFrame({"timestamp": times, **numbers})
    faults = [*_text_faults(raw, frame), *_time_faults(frame, needed=True), *_value_faults(frame)]
    refuse_rows(_rows_at_fault(faults), len(frame), path.name)
    return frame


def check_bars(frame: pd.DataFrame) -> list[RefusedRow]:
    """Return every row of a table with `BAR_COLUMNS` that breaks a rule, with the first reason.

    The rules: each price is a finite number above 0; high and low enclose open and close; volume
    is missing or not negative; times are all there or all absent, and strictly rising.
    """
    needed = bool(frame["timestamp"].notna().any())
    return _rows_at_fault([*_time_faults(frame, needed=needed), *_value_faults(frame)])


def check_prices(ohlc: NDArray[np.float64]) -> list[RefusedRow]:
    """Return the rows of (N, 4) prices that break a rule, counted from 1, with the first reason."""
    return _rows_at_fault(_price_faults(ohlc))


def parse_times(stamps: pd.Series, *, tz: str | None = None, where: str = "") -> pd.Series:
    """Return stamps as UTC times; NaT where one cannot be read, or exists twice or never in `tz`.

    Stamps are times of Parquet or ISO 8601 text. `ImportRefused` if their zone is unknown.
    """
    if not (pd.api.types.is_datetime64_any_dtype(stamps) or _is_text(stamps)):
        raise ImportRefused(
            "timestamp should be a time or ISO 8601 text such as 2022-01-31T09:30:00-05:00. "
            f"Found {stamps.iloc[0]!r} ({where}, row 1)."
        )
    if not _is_text(stamps):
        return _to_utc(stamps, naive=stamps.dt.tz is None, tz=tz, where=where)
    text = stamps.astype("str").str.strip().str.replace(r"\s*UTC$", "Z", regex=True)
    times = pd.to_datetime(text, format="ISO8601", errors="coerce", utc=True)
    has_zone = text.str.contains(HAS_ZONE, regex=True).fillna(False).astype(bool)
    naive = times.notna() & ~has_zone
    if naive.any() and (times.notna() & has_zone).any():
        raise ImportRefused(
            "Time stamps should all carry a zone or an offset. Found some with and some without "
            f"({where}, row {int(np.argmax(naive)) + 1} has none)."
        )
    if not naive.any():
        return _to_utc(times, naive=False, tz=tz, where=where)
    return _to_utc(times.dt.tz_localize(None), naive=True, tz=tz, where=where)


def content_hash(frame: pd.DataFrame) -> str:
    """Return the SHA-256 of times, prices and volume, whatever file they came from."""
    times = pd.DatetimeIndex(frame["timestamp"]).as_unit("ns").asi8
    values = frame[list(BAR_COLUMNS[1:])].to_numpy(np.float64)
    values = np.where(np.isnan(values), np.nan, values) + 0.0  # one NaN, one zero
    digest = hashlib.sha256(times.astype("<i8").tobytes())
    digest.update(np.ascontiguousarray(values, "<f8").tobytes())
    return digest.hexdigest()


def tick_size(ohlc: NDArray[np.float64]) -> float | None:
    """Return the greatest step that every price is a multiple of, or None if there is none.

    >>> tick_size(np.array([[15616.75, 15653.25, 15616.0, 15630.5]]))
    0.25
    """
    prices = np.unique(ohlc)
    if len(prices) < 2:
        return None
    for decimals in range(MAX_DECIMALS + 1):
        scaled = prices * 10.0**decimals
        whole = np.rint(scaled)
        # beyond the 15 digits of a float every number would look whole
        if whole[-1] < 1e14 and np.allclose(scaled, whole, rtol=1e-12, atol=1e-6):
            step = int(np.gcd.reduce(whole.astype(np.int64)))
            return round(step / 10**decimals, decimals)
    return None


def bar_size(timestamps: pd.Series) -> str | None:
    """Return the usual distance between bars, such as ``1min``; None without times."""
    if len(timestamps) < 2 or timestamps.isna().any():
        return None
    seconds = int(timestamps.diff().median().total_seconds())
    for unit, size in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= size and seconds % size == 0:
            return f"{seconds // size}{unit}"
    return f"{seconds}s"


class BarStore:
    """Bars as Parquet files in one folder; a file's name is the hash of its content."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        # room for a file of windows that came alone, 3 kB each, beside a few feeds of some MB
        self._cached_ohlc = lru_cache(maxsize=256)(self._read_ohlc)

    def path(self, key: str) -> Path:
        """Return where the bars with content hash `key` are kept."""
        return self.folder / f"{key}.parquet"

    def write(self, frame: pd.DataFrame) -> str:
        """Keep the bars and return their content hash; the same bars twice are one file."""
        key = content_hash(frame)
        if not self.path(key).exists():
            table = pa.Table.from_pandas(frame[list(BAR_COLUMNS)], preserve_index=False)
            write_parquet(table.replace_schema_metadata(None), self.path(key))
        return key

    def read(self, key: str) -> pd.DataFrame:
        """Return the bars with content hash `key`; `StoreError` if missing or damaged."""
        path = self.path(key)
        try:
            frame = pq.ParquetFile(path).read(columns=list(BAR_COLUMNS)).to_pandas()
        except FileNotFoundError as error:
            raise StoreError(
                f"The bars {key[:12]} should be in {self.folder}. Found no such file; import them "
                "again."
            ) from error
        except (OSError, ValueError, pa.ArrowException) as error:
            raise StoreError(f"{path} should hold bars. Found: {one_line(error)}.") from error
        if list(frame) != list(BAR_COLUMNS) or content_hash(frame) != key:
            raise StoreError(f"{path} should hold the bars it is named after. Found others.")
        return frame

    def ohlc(self, key: str) -> NDArray[np.float64]:
        """Return (N, 4) prices, read-only; the series used last stay in memory."""
        return self._cached_ohlc(key)

    def _read_ohlc(self, key: str) -> NDArray[np.float64]:
        ohlc = np.ascontiguousarray(self.read(key)[list(PRICE_COLUMNS)], np.float64)
        ohlc.flags.writeable = False
        return ohlc


def _is_text(column: pd.Series) -> bool:
    return pd.api.types.is_object_dtype(column) or pd.api.types.is_string_dtype(column)


def _to_utc(times: pd.Series, *, naive: bool, tz: str | None, where: str) -> pd.Series:
    if not naive:
        return times.dt.tz_convert("UTC").dt.as_unit("ns")
    if tz is None:
        raise ImportRefused(
            "Time stamps should carry a zone or an offset. Found some without in "
            f"{where}: say which zone they are in, as in --tz America/New_York."
        )
    try:
        local = times.dt.tz_localize(tz, ambiguous="NaT", nonexistent="NaT")
    except (KeyError, ValueError, OSError) as error:
        raise ConfigError(
            f"tz should be the name of a time zone, such as America/New_York. Found {tz!r}."
        ) from error
    return local.dt.tz_convert("UTC").dt.as_unit("ns")


def _numbers(raw: pd.DataFrame, name: str) -> NDArray[np.float64]:
    """Return a column as floats, NaN where it holds no number."""
    if name not in raw or pd.api.types.is_bool_dtype(raw[name]):
        return np.full(len(raw), np.nan)
    numbers = pd.Series(pd.to_numeric(pd.Series(raw[name]), errors="coerce"))
    return numbers.to_numpy(np.float64, na_value=np.nan)


def _text_faults(raw: pd.DataFrame, frame: pd.DataFrame) -> Iterable[Fault]:
    """Tell entries that are there but could not be read apart from missing ones."""
    for name in raw.columns:
        column = raw[name]
        unread = (frame[name].isna() & column.notna()).to_numpy()
        what = "an ISO 8601 time that its zone has once" if name == "timestamp" else "a number"
        yield unread, lambda i, c=column, n=name, w=what: f"{n} should be {w}, found {c.iloc[i]!r}"


def _time_faults(frame: pd.DataFrame, *, needed: bool) -> Iterable[Fault]:
    if not needed:
        return
    times = frame["timestamp"]
    yield times.isna().to_numpy(), lambda i: "timestamp is missing"
    step = times.diff().dt.total_seconds().to_numpy()
    yield step == 0, lambda i: f"timestamp {times.iloc[i]} repeats that of the row before"
    yield step < 0, lambda i: f"timestamp {times.iloc[i]} is earlier than that of the row before"


def _value_faults(frame: pd.DataFrame) -> Iterable[Fault]:
    yield from _price_faults(frame[list(PRICE_COLUMNS)].to_numpy(np.float64))
    volume = frame["volume"].to_numpy(np.float64)
    yield (volume < 0) | np.isinf(volume), lambda i: f"volume should not be {volume[i]:g}"


def _price_faults(ohlc: NDArray[np.float64]) -> Iterable[Fault]:
    for column, name in enumerate(PRICE_COLUMNS):
        price = ohlc[:, column]
        yield np.isnan(price), lambda i, n=name: f"{n} is missing (NaN)"
        yield (
            (price <= 0) | np.isinf(price),
            lambda i, n=name, p=price: f"{n} should be a finite price above 0, found {p[i]:g}",
        )
    o, h, low, c = ohlc.T
    yield h < low, lambda i: f"high {_price(h[i])} is below low {_price(low[i])}"
    top, bottom = np.maximum(o, c), np.minimum(o, c)
    yield h < top, lambda i: f"high {_price(h[i])} is below open or close {_price(top[i])}"
    yield low > bottom, lambda i: f"low {_price(low[i])} is above open or close {_price(bottom[i])}"


def _price(value: Any) -> str:
    return f"{value:.10g}"


def _rows_at_fault(faults: Iterable[Fault]) -> list[RefusedRow]:
    """Return the first reason of every row at fault, in row order."""
    reasons: dict[int, str] = {}
    for at_fault, describe in faults:
        for i in np.flatnonzero(at_fault).tolist():
            if i not in reasons:
                reasons[i] = describe(i)
    return [RefusedRow(i + 1, reasons[i]) for i in sorted(reasons)]
