"""Import bars of any vendor as a feed, or as the later bars of a feed that is there.

A file is read in parts into a temporary file, checked on the way, and kept whole or not at all.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import pandas as pd

from moola.bars import BarStore, BarWriter
from moola.exceptions import ImportRefused
from moola.extending import Overlap, compare, refuse_misfit, write_joined
from moola.imported import ImportReport, kept_if_used
from moola.schema import WINDOW_LENGTH
from moola.store import LabelStore, Series
from moola.tables import refuse_rows
from moola.vendors import (
    Answers,
    Inspection,
    Preview,
    Progress,
    default_name,
    inspect_bars,
    recognise,
)

JOINED_WITHIN = pd.Timedelta(days=4)
"""A file that begins so soon after a series goes on with it: a long weekend is no longer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Incoming:
    """A file that was read and checked."""

    name: str
    source: str
    key: str
    preview: Preview
    tz_exchange: str | None
    price_basis: str | None

    @property
    def first(self) -> datetime:
        return _known(self.preview.first_ts)

    @property
    def last(self) -> datetime:
        return _known(self.preview.last_ts)


def import_bars(
    path: Path,
    store: LabelStore,
    bar_store: BarStore,
    *,
    answers: Answers | None = None,
    name: str | None = None,
    tz_exchange: str | None = None,
    leave_out_refused: bool = False,
    progress: Progress | None = None,
) -> ImportReport:
    """Import the bars of a file as the feed `name`, by default its instrument or file name.

    Parameters
    ----------
    answers
        What the file does not say; `moola.vendors.recognise` tells what is needed.
    tz_exchange
        Zone of the exchange, in which session breaks are told.
    leave_out_refused
        Whether to take the good rows of a file that has others too.

    Raises
    ------
    ImportRefused
        If a question is open, rows are at fault, or the bars do not fit the series they extend.
    """
    answers = answers or Answers()
    recognition = recognise(path)
    name = name or default_name(path, recognition, answers)
    with bar_store.writer() as writer:
        inspection = inspect_bars(
            path, answers, take=writer.add, tz_exchange=tz_exchange, progress=progress
        )
        preview = _accepted(inspection, path.name, leave_out_refused=leave_out_refused)
        new = _Incoming(
            name=name, source=path.name, key=writer.finish(), preview=preview,
            tz_exchange=tz_exchange, price_basis=recognition.price_basis,
        )  # fmt: skip
        return _take_in(new, writer, store, bar_store)


def why_refused(preview: Preview, *, leave_out_refused: bool) -> str | None:
    """Return why a file cannot be imported as it stands, None if it can."""
    if preview.looks_synthetic:
        return (
            "Highs and lows should enclose open and close, as on every exchange. Found so many "
            "bars that do not that these look made up."
        )
    if preview.n_refused and not leave_out_refused:
        return (
            f"Every row should pass the checks. Found {preview.n_refused:,} of "
            f"{preview.n_rows:,} at fault, and nobody has said to leave them out."
        )
    if preview.n_ok < WINDOW_LENGTH:
        return (
            f"A series should have at least {WINDOW_LENGTH} bars, one window. Found {preview.n_ok}."
        )
    return None


def _accepted(inspection: Inspection, where: str, *, leave_out_refused: bool) -> Preview:
    """Return what was found, or refuse the file."""
    preview = inspection.preview()
    if not (leave_out_refused or preview.looks_synthetic):  # names the rows themselves
        refuse_rows(inspection.refused, preview.n_rows, where, n_refused=preview.n_refused)
    if problem := why_refused(preview, leave_out_refused=leave_out_refused):
        rows = inspection.refused if preview.looks_synthetic else ()
        raise ImportRefused(f"{problem.rstrip('.')} ({where}).", rows)
    return preview


def _take_in(
    new: _Incoming, writer: BarWriter, store: LabelStore, bar_store: BarStore
) -> ImportReport:
    feeds = [item for item in store.series() if item.kind == "feed"]
    if same := next((item for item in feeds if item.content_hash == new.key), None):
        writer.keep(new.key)  # heals a lost file
        renamed = same.symbol != new.name
        notes = (f"the same bars were imported before, as {same.symbol}",) if renamed else ()
        return _report(new, same, already_there=True, repaired=notes)
    if older := _continued(new, feeds):
        return _extend(new, older, writer, store, bar_store)
    series = _feed(new)
    with kept_if_used(writer, new.key, store, bar_store):
        store.add_series(series, op_id=f"import-bars:{series.series_id}:{new.key}")
    return _report(new, series)


def _continued(new: _Incoming, feeds: list[Series]) -> Series | None:
    """Return the series that a file goes on with: of its name, its bar, and near enough."""
    own = [item for item in feeds if item.symbol == new.name and item.bar == new.preview.bar]
    for item in own:
        if new.first < _known(item.start_ts) and new.last >= _known(item.start_ts):
            raise ImportRefused(
                f"A file should not begin before the series it extends. Found {new.source} from "
                f"{new.first:%Y-%m-%d %H:%M} UTC and {item.series_id} from "
                f"{item.start_ts:%Y-%m-%d %H:%M} UTC: bars count from the first, so none can come "
                "before it. Import the file as a series of its own, as in --name OTHER."
            )
    own = [
        item
        for item in own
        if _known(item.start_ts) <= new.first <= _known(item.end_ts) + JOINED_WITHIN
    ]
    return max(own, key=lambda item: _known(item.end_ts), default=None)


def _extend(
    new: _Incoming, older: Series, writer: BarWriter, store: LabelStore, bar_store: BarStore
) -> ImportReport:
    overlap = compare(writer.groups(), older, bar_store)
    refuse_misfit(overlap, older, new.source)
    notes = _notes(overlap, older)
    if not overlap.n_new:
        return _report(new, older, already_there=True, repaired=notes, overlap=overlap)
    with bar_store.writer() as joined:
        write_joined(joined, older, writer.groups(), bar_store)
        key = joined.finish()
        longer = _feed(new, key=key, older=older, n_bars=joined.n_bars)
        with kept_if_used(joined, key, store, bar_store):
            store.extend_series(older.series_id, longer, op_id=f"extend:{older.series_id}:{key}")
    return _report(new, longer, repaired=notes, overlap=overlap)


def _notes(overlap: Overlap, older: Series) -> tuple[str, ...]:
    notes = []
    if overlap.n_conflicts:
        notes.append(
            f"{overlap.n_conflicts:,} bars differ from those of {older.series_id}, which were kept"
            + ("; its last was perhaps exported unfinished" if overlap.last_differs else "")
        )
    if overlap.n_between:
        notes.append(
            f"{overlap.n_between:,} bars lie between those of {older.series_id} and were left out: "
            "bars are only added at its end"
        )
    if not overlap.n_shared:
        notes.append(
            f"no bar of the file is in {older.series_id} already, so nothing shows that the prices "
            "fit together"
        )
    return tuple(notes)


def _report(
    new: _Incoming,
    series: Series,
    *,
    already_there: bool = False,
    repaired: tuple[str, ...] = (),
    overlap: Overlap | None = None,
) -> ImportReport:
    return ImportReport(
        kind="bars",
        n_rows=new.preview.n_ok,
        series_ids=(series.series_id,),
        repaired=repaired,
        already_there=already_there,
        n_added=overlap.n_new if overlap else None,
        conflicts=tuple(overlap.conflicts) if overlap else (),
        n_conflicts=overlap.n_conflicts if overlap else 0,
        preview=new.preview,
    )


def _feed(
    new: _Incoming,
    *,
    key: str | None = None,
    older: Series | None = None,
    n_bars: int | None = None,
) -> Series:
    """Return a new feed, or an older one with the bars of a file behind its own."""
    return Series(
        series_id=older.series_id if older else f"{new.name}-{new.key[:8]}",
        kind="feed",
        symbol=new.name,
        bar=new.preview.bar,
        tick_size=older.tick_size if older else new.preview.tick_size,
        content_hash=key or new.key,
        n_bars=n_bars or new.preview.n_ok,
        start_ts=older.start_ts if older else new.first,
        end_ts=new.last,
        source=new.source,
        tz_exchange=new.tz_exchange,
        price_basis=new.price_basis,
    )


def _known(time: datetime | None) -> datetime:
    if time is None:
        raise ImportRefused("A feed should have times. Found a series without.")
    return time
