"""JSON: lists of numbers as freqtrade keeps them, and objects as Interactive Brokers' API gives."""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import islice
from typing import IO, Any

import pandas as pd

from moola.exceptions import ImportRefused
from moola.schema import PRICE_COLUMNS
from moola.tables import one_line
from moola.vendors.answers import Answers, Progress
from moola.vendors.draft import HEAD_ROWS, Draft, find_columns, refuse_missing
from moola.vendors.named import ALIASES, MAKERS_ZONE
from moola.vendors.sources import Source, readable

BLOCK = 1 << 18
MAX_VALUE = 1 << 22
"""No bar is longer in text; a file that never closes a bracket is no list of bars."""
CHUNK_VALUES = 50_000
LIST_COLUMNS = ("time", *PRICE_COLUMNS, "volume")
IB_KEYS = {"barcount", "average", "wap", "count"}
IB_ZONES = {
    "America/New_York": "TWS writes the zone it is set to, often that of the exchange",
    "UTC": "",
}


def is_json(head: bytes) -> bool:
    """Return whether a file's first bytes begin a JSON list or object."""
    return head.removeprefix(b"\xef\xbb\xbf").lstrip()[:1] in (b"[", b"{")


def find_json(source: Source) -> Draft:
    """Return JSON bars: a list of lists, a list of objects, or an object a line."""
    with source.open_text() as file, readable(source.path):
        first = list(islice(_values(file, source.name), HEAD_ROWS))
    if not first:
        raise ImportRefused(
            f"A bar file should hold at least one bar. Found an empty list ({source.name})."
        )
    if isinstance(first[0], list):
        return _of_lists(source, first)
    return _of_objects(source, first)


def _of_lists(source: Source, first: list[Any]) -> Draft:
    n_fields = len(first[0])
    if n_fields < 5:
        raise ImportRefused(
            "Bars in JSON lists should be [time, open, high, low, close, volume]. Found "
            f"{n_fields} values ({source.name}, row 1)."
        )
    columns = LIST_COLUMNS[: min(n_fields, 6)]

    def table(values: list[Any]) -> pd.DataFrame:
        rows = [
            [_plain(item) for item in value[: len(columns)]]
            if isinstance(value, list) and len(value) >= len(columns)
            else [None] * len(columns)
            for value in values
        ]
        return pd.DataFrame(rows, columns=list(columns))

    return Draft(
        format="freqtrade_json", title="freqtrade JSON", head=table(first),
        chunks=_chunks(source, table), known=Answers(stamp="start"),
    )  # fmt: skip


def _of_objects(source: Source, first: list[Any]) -> Draft:
    keys = list(first[0])
    columns = find_columns(keys, ALIASES, source.name)
    refuse_missing(columns, keys, source.name)
    is_ib = bool({key.lower() for key in keys} & IB_KEYS)

    def table(values: list[Any]) -> pd.DataFrame:
        rows = [value if isinstance(value, dict) else {} for value in values]
        return pd.DataFrame(
            {raw: [_plain(row.get(key)) for row in rows] for raw, key in columns.items()}
        )

    return Draft(
        format="ib_json" if is_ib else "json",
        title="Interactive Brokers JSON" if is_ib else "JSON objects",
        head=table(first), chunks=_chunks(source, table),
        known=Answers(stamp="start" if is_ib else None),
        zones=IB_ZONES if is_ib else MAKERS_ZONE,
    )  # fmt: skip


def _chunks(source: Source, table: Any) -> Any:
    def chunks(progress: Progress | None = None) -> Iterator[pd.DataFrame]:
        with source.open_text(progress) as file:
            values = _values(file, source.name)
            while part := list(islice(values, CHUNK_VALUES)):
                yield table(part)

    return chunks


def _values(file: IO[str], name: str) -> Iterator[Any]:
    """Yield the lists or objects of a JSON list, or of JSON lines, without reading it whole."""
    decoder = json.JSONDecoder()
    text, at, is_list = file.read(BLOCK), 0, False
    text = text.lstrip()
    if text.startswith("["):
        text, is_list = text[1:], True
    while True:
        at = _skip(text, at)
        if is_list and text.startswith("]", at):
            return
        try:
            value, at = decoder.raw_decode(text, at)
        except (ValueError, RecursionError) as error:
            more = file.read(BLOCK)
            if not more and at == len(text) and not is_list:
                return
            if not more or len(text) - at > MAX_VALUE:
                raise ImportRefused(
                    f"{name} should be a JSON list of bars. Found: {_reason(error)}."
                ) from error
            text, at = text[at:] + more, 0
            continue
        if not isinstance(value, list | dict):
            raise ImportRefused(
                f"{name} should be a JSON list of bars. Found {str(value)[:40]!r} in it."
            )
        yield value


def _skip(text: str, at: int) -> int:
    while at < len(text) and text[at] in " \t\r\n,":
        at += 1
    return at


def _plain(value: Any) -> Any:
    """Return a value that a column can hold; lists and objects inside a bar are no numbers."""
    return str(value) if isinstance(value, list | dict | bool) else value


def _reason(error: Exception) -> str:
    return "brackets nested too deep" if isinstance(error, RecursionError) else one_line(error)
