"""What a bar file says of itself, and what has to be asked."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Literal, get_args

from moola.exceptions import ConfigError

StampSide = Literal["start", "end"]
DateOrder = Literal["dmy", "mdy", "ymd"]
Topic = Literal["tz", "stamp", "symbol", "bar", "date_order"]
Progress = Callable[[float], None]
"""Is told how much of a file has been read, 0 to 1."""

BAR_UNITS = {"s": 1, "min": 60, "h": 3_600, "d": 86_400}
COMMON_BARS = ("1s", "1min", "5min", "15min", "30min", "1h", "4h", "1d")


@dataclass(frozen=True, slots=True, kw_only=True)
class Answers:
    """What a file says or a person answers; None where it is open."""

    tz: str | None = None
    """Zone of stamps that carry none, such as ``America/New_York``."""
    stamp: StampSide | None = None
    """Whether a stamp is the first or the last moment of its bar."""
    symbol: str | None = None
    """Which instrument of the file."""
    bar: str | None = None
    """Length of a bar, such as ``1min``."""
    date_order: DateOrder | None = None

    def __post_init__(self) -> None:
        _check("stamp", self.stamp, get_args(StampSide))
        _check("date_order", self.date_order, get_args(DateOrder))
        if self.bar is not None:
            bar_seconds(self.bar)

    def or_else(self, other: Answers) -> Answers:
        """Return these answers, with `other`'s where these are open."""
        missing = {
            item.name: getattr(other, item.name)
            for item in fields(self)
            if getattr(self, item.name) is None
        }
        return replace(self, **missing)


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """Something that the file does not say."""

    name: Topic
    text: str
    """One sentence: what is asked, and why."""
    options: tuple[str, ...] = ()
    """Likely answers, the likeliest first; for a zone others are allowed too."""
    hints: Mapping[str, str] = field(default_factory=dict)
    """Option to what speaks for it."""

    @property
    def flag(self) -> str:
        """The command line's name of the answer."""
        return "--" + self.name.replace("_", "-")

    def __str__(self) -> str:
        hints = (f"{option} ({self.hints[option]})" if self.hints.get(option) else option
                 for option in self.options)  # fmt: skip
        return f"{self.flag}: {self.text} {', '.join(hints)}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Recognition:
    """What the head of a file shows."""

    format: str
    """Key of the format, such as ``tradingview``."""
    title: str
    """Name of the format, such as ``NinjaTrader or HistData``."""
    known: Answers
    """What the file itself or its vendor's documentation says."""
    questions: tuple[Question, ...] = ()
    price_basis: str | None = None
    """What the prices are: bid, ask or mid; None where the file does not say."""
    notes: tuple[str, ...] = ()
    """Sentences on what was understood, for example which of two volumes is taken."""


def bar_seconds(bar: str) -> int:
    """Return the length of a bar in seconds.

    >>> bar_seconds("5min")
    300
    """
    found = re.fullmatch(r"(\d{1,5})(s|min|h|d)", bar)
    if not found or int(found[1]) == 0:
        raise ConfigError(
            f"bar should be a number and one of s, min, h, d, such as 1min. Found {bar!r}."
        )
    return int(found[1]) * BAR_UNITS[found[2]]


def bar_name(seconds: float) -> str:
    """Return the name of a bar of so many seconds.

    >>> bar_name(3600)
    '1h'
    """
    whole = int(seconds)
    for unit, size in reversed(BAR_UNITS.items()):
        if whole >= size and whole % size == 0:
            return f"{whole // size}{unit}"
    return f"{whole}s"


def _check(name: str, value: str | None, options: tuple[str, ...]) -> None:
    if value is not None and value not in options:
        raise ConfigError(f"{name} should be one of {', '.join(options)}. Found {value!r}.")
