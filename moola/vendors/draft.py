"""What a family of formats makes of a file: its raw rows and what is known of them.

A family's reader is a function ``find(source) -> Draft | None``. The raw tables have the columns
``time, open, high, low, close`` and perhaps ``volume`` and ``symbol``, as the file writes them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import pandas as pd

from moola.exceptions import ImportRefused
from moola.schema import PRICE_COLUMNS
from moola.tables import listed
from moola.vendors.answers import Answers, Progress, Question, StampSide

CHUNK_ROWS = 200_000
HEAD_ROWS = 2_000

START = "the vendor stamps a bar at its start"


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """A file as one family of formats understands it."""

    format: str
    title: str
    head: pd.DataFrame
    """The first raw rows."""
    chunks: Callable[[Progress | None], Iterator[pd.DataFrame]]
    """Yields all raw rows, some hundred thousand at a time."""
    known: Answers = field(default_factory=Answers)
    notes: tuple[str, ...] = ()
    price_basis: str | None = None
    """What the prices are: bid, ask or mid; None where the file does not say."""
    zones: Mapping[str, str] = field(default_factory=dict)
    """Likely zones of naive stamps, each with what speaks for it."""
    sides: Mapping[StampSide, str] = field(default_factory=dict)
    """What speaks for stamps at the start or at the end."""
    questions: tuple[Question, ...] = ()
    """Questions that replace the usual ones of the same name."""
    rows_of_symbol: bool = False
    """Whether rows are counted anew with every instrument, as in an archive of files."""
    symbols: tuple[str, ...] = ()
    """Instruments of the file, where its metadata lists them."""


def find_columns(
    names: Sequence[str], aliases: Mapping[str, Sequence[str]], where: str
) -> dict[str, str]:
    """Return {raw column: name in the file}, by name in any order and case.

    Raises
    ------
    ImportRefused
        If a column stands twice, or prices are missing: bid and ask are not open to close.
    """
    lowered: dict[str, list[str]] = {}
    for name in names:
        lowered.setdefault(bare_name(name), []).append(name)
    found: dict[str, str] = {}
    for column, spellings in aliases.items():
        own = [name for spelling in spellings for name in lowered.get(spelling, [])]
        first = next((lowered[spelling] for spelling in spellings if spelling in lowered), [])
        if len(first) > 1:
            raise ImportRefused(
                f"A column should stand once in a table. Found {bare_name(first[0])} twice "
                f"({where})."
            )
        if own:
            found[column] = own[0]
    return found


def refuse_missing(found: Mapping[str, str], names: Sequence[str], where: str) -> None:
    """Raise `ImportRefused` unless time and all four prices were found."""
    wanted = ("time", *PRICE_COLUMNS)
    missing = [name for name in wanted if name not in found]
    if not missing:
        return
    bare = {bare_name(name) for name in names}
    if any("bid" in name for name in bare) and any("ask" in name for name in bare):
        raise ImportRefused(
            "A bar file should have open, high, low and close. Found quotes, bid and ask "
            f"({where} has {listed(names)})."
        )
    if set(PRICE_COLUMNS).isdisjoint(found):
        raise ImportRefused(
            f"Bars should have the columns {', '.join(wanted)}. Found none of the four prices "
            f"({where} has {listed(names)})."
        )
    raise ImportRefused(
        f"Bars should have the columns {', '.join(wanted)}. Found no {', '.join(missing)} "
        f"({where} has {listed(names)})."
    )


def bare_name(name: str) -> str:
    """Return a column's name without case, brackets and numbering.

    >>> bare_name("1. open"), bare_name("<TICKVOL>")
    ('open', 'tickvol')
    """
    name = str(name).strip().strip("<>").lower()
    head, dot, tail = name.partition(". ")
    return tail if dot and head.isdigit() else name


def no_bars(where: str) -> ImportRefused:
    """Return the refusal of a file without a single bar."""
    return ImportRefused(f"A bar file should hold at least one bar. Found none ({where}).")
