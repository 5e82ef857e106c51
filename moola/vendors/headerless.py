"""Text without a header line: NinjaTrader, HistData, MetaTrader 4, FirstRate, Binance, Lean."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from moola.exceptions import ImportRefused
from moola.schema import PRICE_COLUMNS
from moola.vendors.answers import Answers, Question, bar_name
from moola.vendors.draft import Draft
from moola.vendors.sources import Source
from moola.vendors.text import NUMBER, TextTable, read_rows

COMPACT_STAMP = r"\d{8} \d{4}(?:\d\d)?"
EPOCH_STAMP = r"\d{13}|\d{16}"
DAY = r"\d{4}[-./]\d\d[-./]\d\d|\d{1,2}[-./]\d{1,2}[-./]\d{4}|\d{8}"
CLOCK = r"\d{1,2}:\d\d(?::\d\d(?:\.\d+)?)?|\d{6}"
TWINS_TZ = {
    "UTC": "NinjaTrader files seen so far are in UTC",
    "America/New_York": "HistData files seen so far follow New York with daylight saving",
    "Etc/GMT+5": "HistData documents Eastern Standard Time without daylight saving",
}
TWINS_SIDE = {"end": "NinjaTrader stamps the end of a bar", "start": "HistData stamps its start"}
TWINS = (
    Question(
        name="tz",
        text="Which zone are the stamps in? NinjaTrader and HistData write byte for byte the same "
        "layout in different zones.",
        options=tuple(TWINS_TZ),
        hints=TWINS_TZ,
    ),
    Question(
        name="stamp",
        text="Is a stamp the start or the end of its bar? NinjaTrader stamps the end and HistData "
        "the start, in the same layout.",
        options=tuple(TWINS_SIDE),
        hints=TWINS_SIDE,
    ),
)
SERVER_ZONES = {
    "Europe/Athens": "many brokers' servers run on it",
    "UTC": "some brokers' servers run on it",
}
FIRSTRATE_ZONES = {"America/New_York": "FirstRate documents US Eastern time", "UTC": ""}


def find_headerless(source: Source, table: TextTable) -> Draft:
    """Return a table without a header line as its layout means it."""
    first = table.rows[0]
    for fits, read in LAYOUTS:
        if fits(table, first):
            return read(source, table)
    raise ImportRefused(
        "A file of bars without a header line should have a stamp and then open, high, low, close "
        f"in every row. Found {table.delimiter.join(first)[:60]!r} ({source.name}, row 1)."
    )


def _numbers_from(first: Sequence[str], start: int, least: int) -> bool:
    fields = first[start:]
    return len(fields) >= least and all(re.fullmatch(NUMBER, value) for value in fields)


def _is_binance(table: TextTable, first: Sequence[str]) -> bool:
    return len(first) in (11, 12) and bool(re.fullmatch(EPOCH_STAMP, first[0])) and (
        len(first[6]) == len(first[0])
    )  # fmt: skip


def _binance(source: Source, table: TextTable) -> Draft:
    first = table.rows[0]
    unit = 1e3 if len(first[0]) == 13 else 1e6
    # the close time is the last moment of the bar
    seconds = (int(float(first[6])) - int(first[0]) + 1) / unit
    bar = bar_name(seconds) if seconds >= 1 and seconds == int(seconds) else None
    known = Answers(tz="UTC", stamp="start", bar=bar)
    return _draft(source, table, "binance", "Binance klines", known=known)


def _is_compact(table: TextTable, first: Sequence[str]) -> bool:
    return bool(re.fullmatch(COMPACT_STAMP, first[0])) and len(first) in (5, 6)


def _compact(source: Source, table: TextTable) -> Draft:
    head = _draft(source, table, "ninjatrader_histdata", "NinjaTrader or HistData")
    return Draft(
        format=head.format,
        title=head.title,
        head=head.head,
        chunks=head.chunks,
        questions=TWINS,
        notes=("NinjaTrader and HistData write the same layout: the zone and the side of the "
               "stamps cannot be told from the file.",),
    )  # fmt: skip


def _is_metatrader4(table: TextTable, first: Sequence[str]) -> bool:
    return len(first) in (6, 7) and bool(
        re.fullmatch(DAY, first[0]) and re.fullmatch(CLOCK, first[1])
    )


def _metatrader4(source: Source, table: TextTable) -> Draft:
    dotted = "." in table.rows[0][0]
    return _draft(
        source, table, "metatrader4" if dotted else "plain",
        "MetaTrader 4" if dotted else "Table without a header line",
        time=(0, 1), price=2, known=Answers(stamp="start" if dotted else None),
        zones=SERVER_ZONES if dotted else FIRSTRATE_ZONES,
    )  # fmt: skip


def _is_stamped(table: TextTable, first: Sequence[str]) -> bool:
    return len(first) in (5, 6, 7) and _numbers_from(first, 1, 4)


def _firstrate(source: Source, table: TextTable) -> Draft:
    return _draft(
        source, table, "firstrate", "FirstRate or another table without a header line",
        zones=FIRSTRATE_ZONES, sides={"start": "FirstRate stamps the start of a bar"},
    )  # fmt: skip


def _draft(
    source: Source,
    table: TextTable,
    key: str,
    title: str,
    *,
    time: Sequence[int] = (0,),
    price: int = 1,
    known: Answers | None = None,
    **more: object,
) -> Draft:
    columns: dict[str, int | Sequence[int]] = {"time": tuple(time)}
    columns |= {name: price + i for i, name in enumerate(PRICE_COLUMNS)}
    has_volume = table.n_columns > price + 4
    if has_volume:
        columns["volume"] = price + 4
    head, chunks = read_rows(table, columns)  # pyright: ignore[reportArgumentType]
    notes = () if has_volume else ("The file has no volume.",)
    return Draft(
        format=key, title=title, head=head, chunks=chunks, known=known or Answers(), notes=notes,
        **more,  # pyright: ignore[reportArgumentType]
    )  # fmt: skip


Layout = tuple[Callable[[TextTable, Sequence[str]], bool], Callable[[Source, TextTable], Draft]]
LAYOUTS: tuple[Layout, ...] = (
    (_is_binance, _binance),
    (_is_compact, _compact),
    (_is_metatrader4, _metatrader4),
    (_is_stamped, _firstrate),
)
"""The first that fits is taken."""
