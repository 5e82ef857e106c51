"""Databento's binary DBN, read by the `databento` package where that is installed."""

from __future__ import annotations

import importlib
import warnings
from collections.abc import Iterator
from typing import Any

import pandas as pd

from moola.exceptions import ImportRefused
from moola.schema import PRICE_COLUMNS
from moola.tables import one_line
from moola.vendors.answers import Answers, Progress
from moola.vendors.draft import CHUNK_ROWS, HEAD_ROWS, Draft, no_bars
from moola.vendors.sources import Source

MAGIC = b"DBN"
SCHEMA_BARS = {"ohlcv-1s": "1s", "ohlcv-1m": "1min", "ohlcv-1h": "1h", "ohlcv-1d": "1d"}
INSTALL = "python -m pip install 'databento>=0.70'"


def is_dbn(head: bytes) -> bool:
    """Return whether a file's first unpacked bytes are those of DBN."""
    return head.startswith(MAGIC) and head[3:4] < b"\x10"


def find_dbn(source: Source) -> Draft:
    """Return the bars of a DBN file, which may hold several instruments."""
    store = _open(source)
    schema = str(store.schema)
    if schema not in SCHEMA_BARS:
        raise ImportRefused(
            f"A DBN file should hold bars ({', '.join(SCHEMA_BARS)}). Found the schema {schema} "
            f"({source.name})."
        )

    def chunks(progress: Progress | None = None) -> Iterator[pd.DataFrame]:
        for frame in _frames(_open(source), source, CHUNK_ROWS):
            yield _table(frame)
        if progress:
            progress(1.0)

    head = next(_frames(store, source, HEAD_ROWS), None)
    if head is None or head.empty:
        raise no_bars(source.name)
    return Draft(
        format="databento_dbn", title="Databento DBN", head=_table(head), chunks=chunks,
        known=Answers(tz="UTC", stamp="start", bar=SCHEMA_BARS[schema]),
        symbols=_symbols(store, head),
    )  # fmt: skip


def _open(source: Source) -> Any:
    try:
        databento = importlib.import_module("databento")
    except ImportError as error:
        raise ImportRefused(
            f"DBN files should be read by the databento package. Found it missing: {INSTALL}"
        ) from error
    try:
        if source.member is None:
            return databento.DBNStore.from_file(source.path)
        with source.open() as file:
            return databento.DBNStore.from_bytes(file.read())
    except Exception as error:  # whatever the decoder raises on damaged bytes
        raise _damaged(source, error) from error


def _frames(store: Any, source: Source, n_rows: int) -> Iterator[pd.DataFrame]:
    frames: Iterator[pd.DataFrame] | None = None
    while True:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # of its use of pandas
                if frames is None:
                    frames = iter(store.to_df(count=n_rows, price_type="float"))
                frame = next(frames, None)
        except Exception as error:  # whatever the decoder raises on damaged bytes
            raise _damaged(source, error) from error
        if frame is None:
            return
        yield frame


def _table(frame: pd.DataFrame) -> pd.DataFrame:
    """Return raw columns; an instrument without a name goes by its number."""
    names = frame["symbol"] if "symbol" in frame else pd.Series(pd.NA, index=frame.index)
    numbers = frame["instrument_id"].astype("str")
    raw = frame.rename_axis("time").reset_index()[["time", *PRICE_COLUMNS, "volume"]]
    raw["symbol"] = names.astype("str").where(names.notna(), numbers).to_numpy()
    return pd.DataFrame(raw)


def _symbols(store: Any, head: pd.DataFrame) -> tuple[str, ...]:
    mapped = {str(name) for name, intervals in store.mappings.items() if intervals}
    return tuple(sorted(mapped | set(_table(head)["symbol"])))


def _damaged(source: Source, error: Exception) -> ImportRefused:
    return ImportRefused(
        f"{source.name} should be a DBN file one can read. Found: {one_line(error)}."
    )
