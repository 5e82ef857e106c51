"""Bring the windows of a label file together by their bars, and say what does not fit together."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from moola.exceptions import RefusedRow, SchemaError
from moola.label_formats import LabelFile, WindowRecord, as_clause, split_offset
from moola.label_records import ImportedSpan
from moola.placing import Place, Placer, Shift
from moola.schema import WINDOW_LENGTH
from moola.store import WindowRow
from moola.windows import window_uid


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class PlacedWindow:
    """All that a file says about one window, and where that lies."""

    record: WindowRecord
    place: Place
    names: tuple[str, ...]
    shift: Shift | None = None

    @property
    def window_uid(self) -> str:
        """The id that the window has in the store."""
        return window_uid(*self.place)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Draft:
    """The windows of a file in their places, and what was refused on the way there."""

    windows: tuple[PlacedWindow, ...]
    refused: tuple[RefusedRow, ...]
    repaired: tuple[str, ...]


def draft(file: LabelFile, placer: Placer, known: Sequence[WindowRow]) -> Draft:
    """Place every window of a file, and hold them against one another.

    ``known`` are the windows of the store, to tell how far a new one lies from them.
    """
    refused = list(file.refused)
    repaired = list(file.repaired)
    placed: list[tuple[WindowRecord, Place]] = []
    for record in file.windows:
        try:
            place = _place(record, placer)
        except SchemaError as error:
            refused.append(RefusedRow(record.row, as_clause(error)))
            continue
        placed.append((_fitting(_moved(record, place), place, repaired), place))
        if note := _uncertain(record, place, placer):
            repaired.append(note)
    refused += _same_name_other_bars(placed)
    at_fault = {row.row for row in refused}
    merged: dict[Place, list[WindowRecord]] = {}
    for record, place in placed:
        if record.row not in at_fault:
            merged.setdefault(place, []).append(record)
    windows: list[PlacedWindow] = []
    for place, records in merged.items():
        window, faults = _merge(place, records, repaired)
        refused += faults
        windows.append(window)
    expected = _Known(windows, known)
    return Draft(
        windows=tuple(
            replace(window, shift=_shift(window, expected, placer)) for window in windows
        ),
        refused=tuple(sorted(set(refused), key=lambda at_fault: at_fault.row)),
        repaired=tuple(repaired),
    )


def shift_sentence(windows: Iterable[PlacedWindow]) -> str | None:
    """Say it when many windows lie the same number of bars from where they were expected."""
    shifts = [window.shift for window in windows if window.shift is not None and window.shift.bars]
    if not shifts:
        return None
    bars, number = Counter(shift.bars for shift in shifts).most_common(1)[0]
    if number < 2:
        return None
    return f"{number:,} of {len(shifts):,} shifted windows lie {bars:+d} bars from where expected"


def _place(record: WindowRecord, placer: Placer) -> Place:
    claimed = placer.claimed(record)
    if record.ohlc is not None:
        return placer.by_bars(record.ohlc, claimed)
    if record.clock is not None:
        return placer.by_clock(record.clock, record.name)
    if record.name:
        try:
            return placer.by_name(record.name)
        except SchemaError:
            if claimed is None:
                raise
    if claimed is None or not placer.fits(claimed):
        position = record.position
        where = (
            "no position" if position is None else f"bar {position.bar_start} of {position.series}"
        )
        raise SchemaError(f"its position should lie in a series of the store. Found {where}")
    return claimed


def _moved(record: WindowRecord, place: Place) -> WindowRecord:
    """Keep spans that were given in bars of the series where they are, if their window moved."""
    if record.name or record.position is None:
        return record
    moved = record.position.bar_start - place.bar_start
    spans = tuple(
        replace(span, start=span.start + moved, end=span.end + moved) for span in record.spans
    )
    return replace(record, spans=spans)


def _fitting(record: WindowRecord, place: Place, repaired: list[str]) -> WindowRecord:
    """Leave out spans that cross the border of a window that stands alone: no bars go on there."""
    inside = tuple(span for span in record.spans if span.start >= 0 and span.end < WINDOW_LENGTH)
    if not place.is_alone or len(inside) == len(record.spans):
        return record
    repaired.append(
        f"row {record.row}: a span crosses the border of {record.name}, which stands alone here; "
        "it was left out"
    )
    return replace(record, spans=inside)


def _uncertain(record: WindowRecord, place: Place, placer: Placer) -> str | None:
    if record.ohlc is None or not place.is_alone:
        return None
    n_places = placer.n_places(record.ohlc)
    if n_places < 2:
        return None
    return (
        f"row {record.row}: the bars of {record.name} stand at {n_places} places of a feed, so "
        "the window comes in alone"
    )


def _same_name_other_bars(placed: Sequence[tuple[WindowRecord, Place]]) -> list[RefusedRow]:
    first: dict[str, tuple[int, Place]] = {}
    refused = []
    for record, place in placed:
        if not record.name:
            continue
        row, known = first.setdefault(record.name, (record.row, place))
        if known != place:
            reason = f"window_id {record.name!r} names other bars in row {row}"
            refused.append(RefusedRow(record.row, reason, against=row))
    return refused


def _merge(
    place: Place, records: Sequence[WindowRecord], repaired: list[str]
) -> tuple[PlacedWindow, list[RefusedRow]]:
    """Return one window of all that is said about the same bars, and what contradicts."""
    first = records[0]
    refused: list[RefusedRow] = []
    kept: list[ImportedSpan] = []
    for span in (span for record in records for span in record.spans):
        reason, against = _against(span, kept)
        if reason is None:
            kept.append(span)
        elif against is None:
            repaired.append(reason)
        else:
            refused.append(RefusedRow(span.row, reason, against=against))
    for record in records[1:]:
        if (record.state, record.reason) != (first.state, first.reason):
            reason = (
                f"{record.name} is {_said(record)} and contradicts row {first.row}: "
                f"{first.name} is {_said(first)}, for the same bars"
            )
            refused.append(RefusedRow(record.row, reason, against=first.row))
    notes = dict.fromkeys(record.note for record in records if record.note)
    names = dict.fromkeys(
        name for record in records for name in (record.name, *record.names) if name
    )
    merged = replace(
        first,
        spans=tuple(kept),
        note="; ".join(notes),
        proposals=tuple(item for record in records for item in record.proposals),
    )
    return PlacedWindow(record=merged, place=place, names=tuple(names)), refused


def _said(record: WindowRecord) -> str:
    if record.state is None:
        return "labelled" if record.spans else "undecided"
    return f"{record.state} ({record.reason})" if record.reason else record.state


def _against(span: ImportedSpan, others: Sequence[ImportedSpan]) -> tuple[str | None, int | None]:
    """Return what is wrong with a span beside others of its window, and the row it is against.

    Repeating one is fine and is told without a row.
    """
    for other in others:
        if (span.start, span.end) == (other.start, other.end):
            if span.type == other.type:
                return f"row {span.row} repeats row {other.row}; it was taken once", None
            reason = f"{span.type} contradicts row {other.row}: {other.type} for the same bars"
            return reason, other.row
        if span.start <= other.end and other.start <= span.end and not _turns(span, other):
            reason = (
                f"bars {span.start}..{span.end} overlap {other.start}..{other.end} of row "
                f"{other.row} in the same window"
            )
            return reason, other.row
    return None, None


def _turns(one: ImportedSpan, other: ImportedSpan) -> bool:
    """Return whether two spans share one bar at which the direction flips."""
    first, second = sorted((one, other), key=lambda span: span.start)
    meet = first.start < first.end == second.start < second.end
    return meet and {first.direction, second.direction} == {"up", "down"}


class _Known:
    """Where windows of the file and of the store are, by name and by bar."""

    def __init__(self, placed: Sequence[PlacedWindow], known: Sequence[WindowRow]) -> None:
        self.of_name = {name: item.place for item in placed for name in item.names}
        self.of_name |= {
            row.alias: Place(row.series_id, row.bar_start) for row in known if row.alias
        }
        self.names = {row.window_uid: row.alias or row.window_uid for row in known}
        self._starts: dict[str, list[int]] = {}
        for row in known:
            self._starts.setdefault(row.series_id, []).append(row.bar_start)
        for starts in self._starts.values():
            starts.sort()

    def nearest(self, place: Place) -> Place | None:
        """Return the window of the store that shares the most bars with this one."""
        starts = self._starts.get(place.series_id, [])
        after = bisect_left(starts, place.bar_start)
        beside = starts[max(0, after - 1) : after + 1]
        best = min(beside, key=lambda start: abs(start - place.bar_start), default=None)
        if best is None or abs(best - place.bar_start) >= WINDOW_LENGTH:
            return None
        return Place(place.series_id, best)


def _shift(window: PlacedWindow, known: _Known, placer: Placer) -> Shift | None:
    """Return how far a window lies from where something else says it is; the file comes first."""
    place, record = window.place, window.record
    claimed = placer.claimed(record)
    if claimed is not None and claimed.series_id == place.series_id and record.name:
        return Shift(bars=place.bar_start - claimed.bar_start, of="the position in the file")
    base, offset = split_offset(record.name)
    if offset and base in known.of_name and known.of_name[base].series_id == place.series_id:
        return Shift(bars=place.bar_start - known.of_name[base].bar_start, of=base)
    near = known.nearest(place)
    if near is None or near == place or window.window_uid in known.names:
        return None
    uid = window_uid(*near)
    return Shift(bars=place.bar_start - near.bar_start, of=known.names[uid])
