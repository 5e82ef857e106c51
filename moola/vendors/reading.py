"""Recognise a bar file by its head, ask what it does not say, and read it chunk by chunk."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from moola.bar_rules import BAR_COLUMNS, Fault
from moola.exceptions import ConfigError, ImportRefused
from moola.vendors import timing
from moola.vendors.answers import (
    Answers,
    Progress,
    Question,
    Recognition,
    bar_seconds,
)
from moola.vendors.draft import Draft, no_bars
from moola.vendors.registry import find_draft
from moola.vendors.sources import stem
from moola.vendors.stamps import Stamps, check_zone, find_stamps

SHOWN_SYMBOLS = 40
WIDER: dict[str, str] = {"tz": " or another zone", "bar": " or another length"}
ORDERS = {"dmy": "day first, 31/12/2024", "mdy": "month first, 12/31/2024", "ymd": ""}


@dataclass(frozen=True, slots=True)
class Chunk:
    """Some rows of a file as bars, not yet checked."""

    bars: pd.DataFrame
    """`BAR_COLUMNS`, times in UTC at the start of the bar."""
    rows: NDArray[np.int64]
    """Row numbers in the file, from 1, not counting the header line."""
    unread: tuple[Fault, ...]
    """Entries that are there but could not be read."""


@dataclass(frozen=True, slots=True)
class BarFile:
    """A recognised file: what is known and asked, and how to read it."""

    path: Path
    draft: Draft
    stamps: Stamps
    recognition: Recognition
    newest_first: bool

    def answered(self, answers: Answers) -> Answers:
        """Return all answers; `ImportRefused` names the flag of the first that is missing."""
        if missing := open_questions(self.recognition, answers):
            first, *rest = missing
            others = f" Open too: {', '.join(q.flag for q in rest)}." if rest else ""
            raise ImportRefused(
                f"{first.text} Nothing in {self.path.name} says so: answer with {first.flag}, "
                f"one of {', '.join(first.options)}{WIDER.get(first.name, '')}.{others}"
            )
        if answers.tz is not None:
            check_zone(answers.tz)
        self._check_symbol(answers)
        return self._without_contradiction(answers).or_else(self.recognition.known)

    def chunks(self, answers: Answers, progress: Progress | None = None) -> Iterator[Chunk]:
        """Yield the file's bars, oldest first."""
        complete = self.answered(answers)
        chunks = self._in_file_order(complete, progress)
        if self.newest_first:
            chunks = _reversed(chunks)
        yield from chunks

    def _in_file_order(self, answers: Answers, progress: Progress | None) -> Iterator[Chunk]:
        first_row, asked = 1, any(q.name == "symbol" for q in self.recognition.questions)
        raws = self.draft.chunks(progress)
        previous = None
        for raw in raws:
            if self.draft.rows_of_symbol and raw["symbol"].iloc[0] != previous:
                first_row, previous = 1, raw["symbol"].iloc[0]
            rows = np.arange(first_row, first_row + len(raw), dtype=np.int64)
            first_row += len(raw)
            if "symbol" in raw:
                own = self._own_rows(raw, answers, asked=asked)
                raw, rows = pd.DataFrame(raw[own]), rows[own]
            if len(raw):
                yield self._chunk(raw.reset_index(drop=True), rows, answers)

    def _own_rows(self, raw: pd.DataFrame, answers: Answers, *, asked: bool) -> NDArray[np.bool_]:
        """Return which rows are of the instrument; a second one that nobody named is refused."""
        names = pd.Series(raw["symbol"]).astype("str")
        known = answers.symbol if asked else self.recognition.known.symbol
        own = (names == known).to_numpy(bool)
        if not asked and not own.all():
            other = pd.Series(names[~own]).iloc[0]
            raise ImportRefused(
                f"A series should hold one instrument. Found {known} and {other} in "
                f"{self.path.name}, the second far from its beginning: put them in two files."
            )
        return own

    def _chunk(self, raw: pd.DataFrame, rows: NDArray[np.int64], answers: Answers) -> Chunk:
        times = self.stamps.read(
            pd.Series(raw["time"]), answers, where=self.path.name, first_row=int(rows[0])
        )
        if answers.stamp == "end" and answers.bar:
            times = times - pd.Timedelta(seconds=bar_seconds(answers.bar))
        numbers = {name: _numbers(raw, name) for name in BAR_COLUMNS[1:]}
        bars = pd.DataFrame({"timestamp": pd.DatetimeIndex(times).as_unit("ns"), **numbers})
        return Chunk(bars, rows, tuple(_unread(raw, bars)))

    def _check_symbol(self, answers: Answers) -> None:
        question = next((q for q in self.recognition.questions if q.name == "symbol"), None)
        if question and answers.symbol not in question.options:
            raise ConfigError(
                f"symbol should be one of {', '.join(question.options)}. Found {answers.symbol!r}."
            )

    def _without_contradiction(self, answers: Answers) -> Answers:
        """Refuse answers that the file itself contradicts."""
        known = self.recognition.known
        for name in ("stamp", "bar", "date_order"):
            said, answer = getattr(known, name), getattr(answers, name)
            if said and answer and said != answer:
                raise ConfigError(
                    f"{name} should be {said}, as {self.path.name} says ({self.recognition.title})."
                    f" Found {answer!r}."
                )
        # stamps with an offset and numbers since 1970 have their zone already
        return replace(answers, tz=None) if self.stamps.has_zone else answers


def open_questions(recognition: Recognition, answers: Answers) -> list[Question]:
    """Return what a file does not say and nobody has answered."""
    return [q for q in recognition.questions if getattr(answers, q.name) is None]


def open_file(path: Path) -> BarFile:
    """Recognise a file; `ImportRefused` says in one sentence why it holds no bars."""
    draft = find_draft(path)
    if draft.head.empty:
        raise no_bars(path.name)
    stamps = find_stamps(pd.Series(draft.head["time"]), path.name)
    known, asked = draft.known, {question.name: question for question in draft.questions}
    zone = "UTC" if stamps.has_zone else stamps.zone_name
    known = Answers(tz=zone).or_else(known)
    if known.date_order is None and len(stamps.day_orders) == 1:
        known = replace(known, date_order=stamps.day_orders[0])
    symbols = draft.symbols or _symbols(draft.head)
    known = _with_symbol(known, symbols)
    seconds = timing.head_seconds(draft, stamps)
    newest_first, steps = timing.is_newest_first(seconds), np.abs(np.diff(seconds))
    timing.refuse_days_without_clock(steps, stamps, path.name)
    bar = known.bar or timing.usual_bar(steps)
    if bar and known.bar is None:
        known = replace(known, bar=bar)
    if known.stamp is None and not stamps.has_clock:
        known = replace(known, stamp="start")
    for question in _questions(draft, known, symbols, steps):
        asked.setdefault(question.name, question)
    notes = (*draft.notes, "Newest bars first: read from its end.") if newest_first else draft.notes
    recognition = Recognition(
        format=draft.format, title=draft.title, known=known, questions=tuple(asked.values()),
        notes=notes, price_basis=draft.price_basis,
    )  # fmt: skip
    return BarFile(path, draft, stamps, recognition, newest_first)


def _questions(
    draft: Draft, known: Answers, symbols: tuple[str, ...], steps: NDArray[np.int64]
) -> Iterator[Question]:
    if known.symbol is None and symbols:
        yield Question(
            name="symbol",
            text=f"Which instrument? The file holds {len(symbols)} of them.",
            options=symbols,
        )
    if known.date_order is None:
        yield Question(
            name="date_order",
            text="Does the day or the month come first? The first dates can be read both ways.",
            options=("dmy", "mdy"),
            hints={name: ORDERS[name] for name in ("dmy", "mdy")},
        )
    if known.tz is None:
        zones = dict(draft.zones) or {"UTC": ""}
        yield Question(
            name="tz",
            text="Which time zone are the stamps in? They carry none.",
            options=tuple(zones),
            hints={name: hint for name, hint in zones.items() if hint},
        )
    if known.stamp is None:
        yield Question(
            name="stamp",
            text="Is a stamp the start or the end of its bar? Vendors differ.",
            options=tuple(draft.sides) or ("start", "end"),
            hints={str(side): hint for side, hint in draft.sides.items()},
        )
    if known.bar is None:
        yield Question(
            name="bar",
            text="How long is a bar? The stamps are too irregular to tell.",
            options=timing.likely_bars(steps),
        )


def _symbols(head: pd.DataFrame) -> tuple[str, ...]:
    if "symbol" not in head:
        return ()
    return tuple(sorted(head["symbol"].astype("str").unique())[:SHOWN_SYMBOLS])


def _with_symbol(known: Answers, symbols: tuple[str, ...]) -> Answers:
    return replace(known, symbol=symbols[0]) if len(symbols) == 1 else known


def _numbers(raw: pd.DataFrame, name: str) -> NDArray[np.float64]:
    """Return a column as floats, NaN where it holds no number."""
    if name not in raw or pd.api.types.is_bool_dtype(raw[name]):
        return np.full(len(raw), np.nan)
    numbers = pd.Series(pd.to_numeric(pd.Series(raw[name]), errors="coerce"))
    return numbers.to_numpy(np.float64, na_value=np.nan)


def _unread(raw: pd.DataFrame, bars: pd.DataFrame) -> Iterator[Fault]:
    """Tell entries that are there but could not be read apart from missing ones."""
    for name in BAR_COLUMNS:
        column = raw.get("time" if name == "timestamp" else name)
        if column is None:
            continue
        unread = (bars[name].isna() & column.notna()).to_numpy()
        if unread.any():
            what = "a time that its zone has once" if name == "timestamp" else "a number"
            yield Fault(
                f"{name} is not {what}",
                unread,
                lambda i, c=column, n=name, w=what: f"{n} should be {w}, found {c.iloc[i]!r}",
            )


def _reversed(chunks: Iterator[Chunk]) -> Iterator[Chunk]:
    """Yield chunks and their rows in the opposite order, by way of a temporary file."""
    faults: list[tuple[Fault, ...]] = []
    with tempfile.TemporaryFile() as file:
        writer: pq.ParquetWriter | None = None
        for chunk in chunks:
            table = pa.Table.from_pandas(chunk.bars.assign(row=chunk.rows), preserve_index=False)
            writer = writer or pq.ParquetWriter(file, table.schema)
            writer.write_table(table, row_group_size=max(len(chunk.rows), 1))
            faults.append(chunk.unread)
        if writer is None:
            return
        writer.close()
        with pq.ParquetFile(file) as reader:
            for group in reversed(range(reader.num_row_groups)):
                frame = reader.read_row_group(group).to_pandas()[::-1].reset_index(drop=True)
                rows = frame.pop("row").to_numpy(np.int64)
                yield Chunk(frame, rows, tuple(_flipped(fault) for fault in faults[group]))


def _flipped(fault: Fault) -> Fault:
    last = len(fault.at_fault) - 1
    return Fault(fault.rule, fault.at_fault[::-1], lambda i: fault.describe(last - i))


def default_name(path: Path, recognition: Recognition, answers: Answers) -> str:
    """Return what to call the series: the instrument, or else the file."""
    return answers.symbol or recognition.known.symbol or stem(path.name)
