"""The same bars as every vendor writes them: small files of the shape of the real ones."""

from __future__ import annotations

import gzip
import json
import zipfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.feather

from moola.vendors import Answers
from tests.toy_bars import toy_bars

N_BARS = 150
BARS = toy_bars(N_BARS)
NEW_YORK = "America/New_York"
OHLC = ["open", "high", "low", "close"]


@dataclass(frozen=True, kw_only=True)
class Shape:
    """A vendor's layout, and what an import of it has to ask."""

    format: str
    name: str
    write: Callable[[Path], None]
    asks: tuple[str, ...] = ()
    answers: Answers = field(default_factory=Answers)
    has_volume: bool = True
    symbol: str | None = None
    bar: str = "1min"

    def bars(self) -> pd.DataFrame:
        """Return the bars that should come out."""
        bars = daily() if self.bar == "1d" else BARS
        return bars if self.has_volume else bars.assign(volume=float("nan"))


def daily() -> pd.DataFrame:
    """Return a bar a working day, each from midnight in New York."""
    days = pd.bdate_range("2024-01-02", periods=N_BARS, tz=NEW_YORK).tz_convert("UTC")
    return BARS.assign(timestamp=days.as_unit("ns"))


def local(bars: pd.DataFrame, zone: str, *, end: bool = False) -> pd.Series:
    """Return naive stamps in a zone, of the start or the end of the bars."""
    times = bars["timestamp"] + pd.Timedelta(minutes=1 if end else 0)
    return times.dt.tz_convert(zone).dt.tz_localize(None)


def table(
    bars: pd.DataFrame,
    columns: dict[str, Any],
    *,
    sep: str = ",",
    header: bool = True,
    newline: str = "\n",
    newest_first: bool = False,
) -> str:
    """Return a text table of some columns; a name among the bars' stands for theirs."""
    frame = pd.DataFrame(
        {
            name: bars[value] if isinstance(value, str) and value in bars else value
            for name, value in columns.items()
        },
        index=bars.index,
    )
    frame = frame[::-1] if newest_first else frame
    return frame.to_csv(sep=sep, header=header, index=False, lineterminator=newline)


def text(make: Callable[[], str], encoding: str = "utf-8") -> Callable[[Path], None]:
    """Return a writer of a text file."""
    return lambda path: path.write_bytes(make().encode(encoding)) and None


def _studies(*, volume: bool) -> str:
    stamps = BARS["timestamp"].dt.strftime("%Y-%m-%dT%H:%M:%SZ")
    own = {"Volume": "volume"} if volume else {}
    return table(BARS, {"time": stamps, **dict(zip(OHLC, OHLC, strict=True)), "VWAP": 14752.3,
                        "MA #1": "NaN", **own, "Volume MA": 74.15})  # fmt: skip


def _offsets() -> str:
    stamps = [
        (time.tz_convert("Etc/GMT+5") if i < 60 else time.tz_convert("Etc/GMT+6")).isoformat()
        for i, time in enumerate(BARS["timestamp"])
    ]
    return table(BARS, {"time": stamps, **dict(zip(OHLC, OHLC, strict=True))})


def _epochs(unit: int) -> pd.Series:
    return pd.Series(pd.DatetimeIndex(BARS["timestamp"]).asi8 // unit)


def _binance(unit: int, *, header: bool) -> str:
    opens = _epochs(unit)
    names = ("open_time", "open", "high", "low", "close", "volume", "close_time", "quote_volume",
             "count", "taker_buy_volume", "taker_buy_quote_volume", "ignore")  # fmt: skip
    values = [opens, *OHLC, "volume", opens + 60_000_000_000 // unit - 1, 1.5, 79, 3.5, 0.5, 0]
    return table(BARS, dict(zip(names, values, strict=True)), header=header)


def _databento_csv(*, raw: bool) -> str:
    times = _epochs(1) if raw else BARS["timestamp"].dt.strftime("%Y-%m-%dT%H:%M:%S.000000000Z")
    both = []
    for symbol, number, shift in (("ESM4", 118, 100), ("NQM4", 4358, 0)):
        shifted = BARS[OHLC] + shift
        prices = (shifted * 1_000_000_000).astype("int64") if raw else shifted.map("{:.9f}".format)
        own = dict(prices.items())
        both.append(
            pd.DataFrame(
                {"ts_event": times, "rtype": 33, "publisher_id": 1, "instrument_id": number, **own,
                 "volume": BARS["volume"].astype(int), "symbol": symbol}
            )
        )  # fmt: skip
    frame = pd.concat(both).sort_index(kind="stable")
    return frame.to_csv(index=False)


def _json_gz(path: Path) -> None:
    rows = [
        json.dumps(
            {"date": time.isoformat(), "open": o, "high": h, "low": low, "close": c, "volume": v,
             "average": c, "barCount": 3}
        )
        for time, o, h, low, c, v in zip(
            local(BARS, NEW_YORK), *(BARS[name] for name in (*OHLC, "volume")), strict=True
        )
    ]  # fmt: skip
    path.write_bytes(gzip.compress("\n".join(rows).encode()))


def _freqtrade(path: Path) -> None:
    rows = [list(row) for row in zip(_epochs(1_000_000).tolist(),
            *(BARS[name].tolist() for name in (*OHLC, "volume")), strict=True)]  # fmt: skip
    path.write_text(json.dumps(rows))


def _freqtrade_feather(path: Path) -> None:
    frame = BARS.rename(columns={"timestamp": "date"})
    frame["date"] = frame["date"].dt.as_unit("ms")
    pyarrow.feather.write_feather(pa.Table.from_pandas(frame), path, compression="lz4")


def _zip(member: str, make: Callable[[], str]) -> Callable[[Path], None]:
    def write(path: Path) -> None:
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr(member, make())

    return write


def _lean_trade() -> str:
    ms = local(BARS, NEW_YORK) - pd.Timestamp("2024-03-04")
    prices = {name: (BARS[name] * 10_000).astype("int64") for name in OHLC}
    return table(BARS, {"ms": ms // pd.Timedelta("1ms"), **prices,
                        "v": BARS["volume"].astype(int)}, header=False)  # fmt: skip


def _lean_quote() -> str:
    ms = local(BARS, "Etc/GMT+5") - pd.Timestamp("2024-03-04")
    bids = {f"bid_{name}": (BARS[name] - 0.25).map("{:.5f}".format) for name in OHLC}
    asks = {f"ask_{name}": (BARS[name] + 0.25).map("{:.5f}".format) for name in OHLC}
    return table(BARS, {"ms": ms // pd.Timedelta("1ms"), **bids, "b": 0, **asks, "a": 0},
                 header=False)  # fmt: skip


def _lean_hours() -> str:
    stamps = local(BARS, NEW_YORK).dt.strftime("%Y%m%d %H:%M")
    prices = {name: (BARS[name] * 10_000).astype("int64") for name in OHLC}
    return table(BARS, {"t": stamps, **prices, "v": BARS["volume"].astype(int)}, header=False)


def _compact(zone: str, *, end: bool) -> str:
    stamps = local(BARS, zone, end=end).dt.strftime("%Y%m%d %H%M%S")
    return table(BARS, {"t": stamps, **dict(zip(OHLC, OHLC, strict=True)), "v": "volume"},
                 sep=";", header=False)  # fmt: skip


def _split(day: str, clock: str, zone: str = "Europe/Athens") -> dict[str, Any]:
    stamps = local(BARS, zone)
    return {"date": stamps.dt.strftime(day), "time": stamps.dt.strftime(clock)}


def _prices(frame: pd.DataFrame = BARS) -> dict[str, Any]:
    return {name: frame[name] for name in OHLC}


def _titled(names: str) -> dict[str, Any]:
    return dict(zip(names.split(), [*OHLC, "volume"], strict=False))


def _mt5() -> str:
    split = _split("%Y.%m.%d", "%H:%M:%S")
    return table(BARS, {"<DATE>": split["date"], "<TIME>": split["time"],
                        **_titled("<OPEN> <HIGH> <LOW> <CLOSE> <TICKVOL>"), "<VOL>": 0,
                        "<SPREAD>": 3}, sep="\t")  # fmt: skip


def _sierra() -> str:
    stamps = local(BARS, "America/Chicago")
    return table(BARS, {
        "Date": [f"{t.year}/{t.month}/{t.day}" for t in stamps],
        " Time": stamps.dt.strftime(" %H:%M:%S.%f"), **_titled("Open High Low Last Volume"),
        "NumberOfTrades": 3, "BidVolume": 2, "AskVolume": 1,
    })  # fmt: skip


def _dated(day: str, names: str, **more: Any) -> dict[str, Any]:
    days = daily()["timestamp"].dt.tz_convert(NEW_YORK).dt.strftime(day)
    return {"Date": days, **_titled(names), **more}


def _stooq() -> str:
    split = _split("%Y%m%d", "%H%M%S", "Europe/Warsaw")
    return table(BARS, {"<TICKER>": "NQ.F", "<PER>": 1, "<DATE>": split["date"],
                        "<TIME>": split["time"], **_titled("<OPEN> <HIGH> <LOW> <CLOSE> <VOL>"),
                        "<OPENINT>": 0})  # fmt: skip


def _named(stamps: pd.Series, first: str, names: str, **more: Any) -> str:
    return table(BARS, {first: stamps, **_titled(names)}, **more)


LOWER, TITLE = "open high low close volume", "Open High Low Close Volume"
TWO = ("tz", "stamp")
ZONED_START = Answers(tz=NEW_YORK, stamp="start")

SHAPES = (
    Shape(format="tradingview", name="studies.csv", write=text(lambda: _studies(volume=True))),
    Shape(format="tradingview", name="no_volume.csv", write=text(lambda: _studies(volume=False)),
          has_volume=False),
    Shape(format="tradingview", name="offsets.csv", write=text(_offsets), has_volume=False),
    Shape(format="tradingview", name="unix.csv", has_volume=False,
          write=text(lambda: table(BARS, {"time": _epochs(10**9), **_prices()}))),
    Shape(format="databento_csv", name="ohlcv.csv", write=text(lambda: _databento_csv(raw=False)),
          asks=("symbol",), answers=Answers(symbol="NQM4"), symbol="NQM4"),
    Shape(format="databento_csv", name="fixed.csv", write=text(lambda: _databento_csv(raw=True)),
          asks=("symbol",), answers=Answers(symbol="NQM4"), symbol="NQM4"),
    Shape(format="ninjatrader_histdata", name="NQ 03-24.Last.txt",
          write=text(lambda: _compact("UTC", end=True)), asks=TWO,
          answers=Answers(tz="UTC", stamp="end")),
    Shape(format="ninjatrader_histdata", name="DAT_ASCII_NQ_M1_202403.csv",
          write=text(lambda: _compact(NEW_YORK, end=False)), asks=TWO, answers=ZONED_START),
    Shape(format="metatrader4", name="NQ1.csv", asks=("tz",), answers=Answers(tz="Europe/Athens"),
          write=text(lambda: table(BARS, {**_split("%Y.%m.%d", "%H:%M"), **_prices(),
                                          "v": BARS["volume"].astype(int)}, header=False))),
    Shape(format="metatrader5", name="NQ_M1.csv", asks=("tz",), write=text(_mt5, "utf-16"),
          answers=Answers(tz="Europe/Athens")),
    Shape(format="firstrate", name="NQ_1min.txt", asks=TWO, answers=ZONED_START,
          write=text(lambda: table(BARS, {"t": local(BARS, NEW_YORK), **_prices(), "v": "volume"},
                                   header=False))),
    Shape(format="sierra", name="NQH24.csv", asks=("tz",), write=text(_sierra),
          answers=Answers(tz="America/Chicago")),
    Shape(format="ib_json", name="bars.json.gz", asks=("tz",), write=_json_gz,
          answers=Answers(tz=NEW_YORK)),
    Shape(format="binance", name="ms.csv", write=text(lambda: _binance(10**6, header=False))),
    Shape(format="binance", name="us.csv", write=text(lambda: _binance(10**3, header=False))),
    Shape(format="binance", name="header.csv", write=text(lambda: _binance(10**6, header=True))),
    Shape(format="binance", name="BTCUSDT-1m-2024-03.zip",
          write=_zip("BTCUSDT-1m-2024-03.csv", lambda: _binance(10**6, header=False))),
    Shape(format="dukascopy", name="NQ_1m_BID.csv", write=text(
        lambda: _named(local(BARS, "UTC").dt.strftime("%d.%m.%Y %H:%M:%S.000"), "Gmt time", TITLE,
                       newline="\r\n"))),
    Shape(format="stooq", name="nq.f.txt", asks=TWO, write=text(_stooq), symbol="NQ.F",
          answers=Answers(tz="Europe/Warsaw", stamp="start")),
    Shape(format="yahoo", name="NQ.csv", asks=("tz",), bar="1d", answers=Answers(tz=NEW_YORK),
          write=text(lambda: table(daily(), _dated("%Y-%m-%d", "Open High Low Close")
                                   | {"Adj Close": 1.0, "Volume": "volume"}))),
    Shape(format="yahoo", name="old.csv", asks=("tz",), bar="1d", answers=Answers(tz=NEW_YORK),
          write=text(lambda: table(daily(), _dated("%Y-%m-%d", TITLE) | {"Adj Close": 1.0}))),
    Shape(format="alphavantage", name="intraday_1min_NQ.csv", asks=TWO, answers=ZONED_START,
          write=text(lambda: _named(local(BARS, NEW_YORK), "timestamp", LOWER,
                                    newest_first=True))),
    Shape(format="google", name="NQ_google.csv", asks=("tz",), bar="1d",
          answers=Answers(tz=NEW_YORK),
          write=text(lambda: table(daily(), _dated("%d-%b-%y", TITLE), newest_first=True))),
    Shape(format="quandl", name="WIKI.csv", asks=("tz",), bar="1d", answers=Answers(tz=NEW_YORK),
          write=text(lambda: table(daily(), _dated("%Y-%m-%d", TITLE) | {
              "Ex-Dividend": 0.0, "Adj. Open": 1.0, "Adj. High": 1.0, "Adj. Low": 1.0,
              "Adj. Close": 1.0, "Adj. Volume": 1.0}, newest_first=True))),
    Shape(format="lean", name="20240304_trade.zip", symbol="NQ",
          write=_zip("20240304_nq_minute_trade.csv", _lean_trade)),
    Shape(format="lean", name="20240304_quote.zip", symbol="NQ", asks=("tz",), has_volume=False,
          answers=Answers(tz="Etc/GMT+5"), write=_zip("20240304_nq_minute_quote.csv", _lean_quote)),
    Shape(format="lean", name="nq.zip", symbol="NQ", write=_zip("nq.csv", _lean_hours)),
    Shape(format="freqtrade_json", name="NQ_USD-1m.json", write=_freqtrade),
    Shape(format="freqtrade_feather", name="NQ_USD-1m.feather", write=_freqtrade_feather),
    Shape(format="pandas", name="unnamed.csv", asks=TWO, answers=ZONED_START,
          write=text(lambda: _named(local(BARS, NEW_YORK), "", TITLE))),
    Shape(format="plain", name="backtrader.txt", asks=TWO, answers=ZONED_START,
          write=text(lambda: table(BARS, {
              **dict(zip(("Date", "Time"), _split("%Y-%m-%d", "%H:%M:%S", NEW_YORK).values(),
                         strict=True)), **_titled(TITLE), "OpenInterest": 0}))),
    Shape(format="plain", name="american.csv", asks=("date_order", *TWO),
          answers=Answers(tz=NEW_YORK, stamp="start", date_order="mdy"),
          write=text(lambda: _named(local(BARS, NEW_YORK).dt.strftime("%m/%d/%Y %I:%M %p"),
                                    "Datetime", TITLE))),
    Shape(format="moola", name="own.csv", write=text(lambda: BARS.to_csv(index=False))),
    Shape(format="moola", name="own.csv.gz", write=lambda path: BARS.to_csv(path, index=False)),
    Shape(format="moola", name="own.csv.zst", write=lambda path: path.write_bytes(
        pa.Codec("zstd").compress(BARS.to_csv(index=False).encode(), asbytes=True)) and None),
    Shape(format="parquet", name="own.parquet", write=lambda path: BARS.to_parquet(path)),
    Shape(format="feather", name="own.feather",
          write=lambda path: pyarrow.feather.write_feather(pa.Table.from_pandas(BARS), path)),
    Shape(format="parquet", name="naive.parquet", asks=TWO, answers=ZONED_START,
          write=lambda path: BARS.assign(timestamp=local(BARS, NEW_YORK)).to_parquet(path)),
)  # fmt: skip
