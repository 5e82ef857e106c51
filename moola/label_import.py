"""Import label files: tried out first, then written as a whole or not at all."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import numpy as np
import pandas as pd

from moola import label_formats
from moola.bars import BarStore
from moola.exceptions import RefusedRow
from moola.imported import ImportReport, nothing_left_behind
from moola.label_formats import LabelFile, event_log
from moola.label_plan import Draft, PlacedWindow, draft, shift_sentence
from moola.placing import Placer, alone_bars, alone_series
from moola.store import (
    LOCAL,
    ImportedWindow,
    ImportSummary,
    LabelStore,
    Series,
)
from moola.tables import refuse_rows

SHOWN_ROWS = 20


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class LabelPlan:
    """What an import of labels would do; nothing has been written."""

    file: str
    format: str
    title: str
    layer: str
    n_rows: int
    refused: tuple[RefusedRow, ...]
    repaired: tuple[str, ...]
    windows: tuple[PlacedWindow, ...]
    summary: ImportSummary

    @property
    def n_refused(self) -> int:
        """Rows of the file that are refused, for whatever reason."""
        return len({row.row for row in self.refused})

    @property
    def n_ok(self) -> int:
        """Rows that come in as they are."""
        return max(0, self.n_rows - self.n_refused - self.n_repaired)

    @property
    def n_repaired(self) -> int:
        """Rows that needed care but were not refused."""
        return sum(note.startswith("row ") for note in self.repaired)

    @property
    def contradictions(self) -> tuple[RefusedRow, ...]:
        """Rows that say otherwise than another row, or the store, about the same bars."""
        return tuple(row for row in self.refused if row.against is not None)

    @property
    def n_cold(self) -> int:
        """Windows that stand alone: their features start without the bars before."""
        return sum(window.place.is_alone for window in self.windows)

    @property
    def shifted(self) -> tuple[PlacedWindow, ...]:
        """Windows that do not lie where something else says they do, or lie near another."""
        return tuple(item for item in self.windows if item.shift is not None and item.shift.bars)

    def __str__(self) -> str:
        n_matched = len(self.windows) - self.n_cold
        lines = [
            f"{self.file}: {self.title}, {self.n_rows:,} rows: {self.n_ok:,} ok, "
            f"{self.n_repaired:,} repaired, {self.n_refused:,} refused",
            f"{len(self.windows):,} windows ({self.summary.n_new_windows:,} new), "
            f"{self.summary.n_new_spans:,} new spans; {n_matched:,} windows in imported bars, "
            f"{self.n_cold:,} alone (cold)",
            *_listed("contradicts", self.contradictions),
            *_listed("refused", [row for row in self.refused if row.against is None]),
            *_listed("repaired", self.repaired),
            *_listed("shifted", [f"{item.names[0]}: {item.shift}" for item in self.shifted]),
        ]
        if sentence := shift_sentence(self.windows):
            lines.append(sentence)
        lines.append(
            "Refused rows block the import: mend or remove them."
            if self.refused
            else "Nothing was written: this was a dry run."
        )
        return "\n".join(lines)


def plan_labels(
    path: Path,
    store: LabelStore,
    bar_store: BarStore,
    *,
    layer: str = LOCAL,
    series: str | None = None,
) -> LabelPlan:
    """Return what importing a label file into a layer would do, without writing anything."""
    file = label_formats.read(path)
    drafted, imported = _prepare(file, path, store, bar_store, layer=layer, series=series)
    summary, against_store = store.try_labels(
        imported, op_id=_op_id(file, layer, series), source=_source(path, file), annotator=layer
    )
    refused = {(row.row, row.reason): row for row in (*drafted.refused, *against_store)}
    return LabelPlan(
        file=path.name,
        format=file.format,
        title=next(item.title for item in label_formats.READERS if item.key == file.format),
        layer=layer,
        n_rows=file.n_rows,
        refused=tuple(sorted(refused.values(), key=lambda row: row.row)),
        repaired=(*drafted.repaired, *summary.repaired),
        windows=drafted.windows,
        summary=summary,
    )


def import_labels(
    path: Path,
    store: LabelStore,
    bar_store: BarStore,
    *,
    layer: str = LOCAL,
    series: str | None = None,
) -> ImportReport:
    """Import a label file into a layer; its windows are found by their bars, else stand alone.

    Raises
    ------
    ImportRefused
        If one row breaks a rule or contradicts another or the store; nothing is written then.
    """
    file = label_formats.read(path)
    drafted, imported = _prepare(file, path, store, bar_store, layer=layer, series=series)
    refuse_rows(drafted.refused, file.n_rows, path.name)
    with nothing_left_behind(store, bar_store) as write:
        for window in drafted.windows:
            if window.place.is_alone and window.record.ohlc is not None:
                write(alone_bars(window.record.ohlc))
        summary = store.import_labels(
            imported,
            op_id=_op_id(file, layer, series),
            source=_source(path, file),
            annotator=layer,
        )
    n_cold = sum(window.place.is_alone for window in drafted.windows)
    return ImportReport(
        kind="labels",
        n_rows=file.n_rows,
        n_windows=summary.n_windows,
        n_spans=summary.n_spans,
        n_matched=summary.n_windows - n_cold,
        n_cold=n_cold,
        series_ids=tuple(sorted({window.place.series_id for window in drafted.windows})),
        repaired=(*drafted.repaired, *summary.repaired),
        already_there=summary.already_there,
    )


def restore_log(path: Path, store: LabelStore) -> ImportReport:
    """Rebuild an empty store from an event log."""
    rows = event_log.read(path)
    store.restore_log(rows)
    series = store.series()
    return ImportReport(
        kind="events", n_rows=len(rows), series_ids=tuple(item.series_id for item in series)
    )


def _prepare(
    file: LabelFile,
    path: Path,
    store: LabelStore,
    bar_store: BarStore,
    *,
    layer: str,
    series: str | None,
) -> tuple[Draft, list[ImportedWindow]]:
    placer = Placer(store, bar_store, series=series)
    drafted = draft(file, placer, store.windows(annotator=layer))
    times = _Times(bar_store)
    return drafted, [_as_imported(window, placer, times, path.name) for window in drafted.windows]


def _as_imported(
    window: PlacedWindow, placer: Placer, times: _Times, source: str
) -> ImportedWindow:
    record, place = window.record, window.place
    owner = placer.known.get(place.series_id) or alone_series(
        place, np.asarray(record.ohlc, np.float64), source
    )
    return ImportedWindow(
        series=owner,
        bar_start=place.bar_start,
        start_ts=times.of(owner, place.bar_start),
        aliases=tuple(name for name in window.names if name != window.window_uid),
        spans=record.spans,
        proposals=record.proposals,
        state=record.state,
        reason=record.reason,
        note=record.note,
        mode=record.mode,
        seconds=record.seconds,
        decided_at=record.decided_at,
        row=record.row,
    )


class _Times:
    """Start times of windows; the bars of a feed are read once."""

    def __init__(self, bar_store: BarStore) -> None:
        self._bar_store = bar_store
        self._known: dict[str, pd.Series] = {}

    def of(self, owner: Series, bar: int) -> datetime | None:
        """Return the time of a bar; a window that came alone has none and is given none."""
        if owner.start_ts is None:
            return None
        if owner.series_id not in self._known:
            frame = self._bar_store.read(owner.content_hash)
            self._known[owner.series_id] = pd.Series(frame["timestamp"])
        return self._known[owner.series_id].iloc[bar].to_pydatetime()


def _digest(file: LabelFile) -> str:
    whole = hashlib.sha256()
    for path in file.files:
        whole.update(path.read_bytes())
    return whole.hexdigest()


def _op_id(file: LabelFile, layer: str, series: str | None) -> str:
    parts = ["import-labels", _digest(file), "" if layer == LOCAL else layer, series or ""]
    return ":".join(part for part in parts if part)


def _source(path: Path, file: LabelFile) -> str:
    """Return where names count: a later file of this name may give the same ids to others."""
    return f"{path.name}#{_digest(file)[:8]}"


def _listed(word: str, items: Sequence[object]) -> list[str]:
    more = [f"  {word}: {len(items) - SHOWN_ROWS:,} more"] if len(items) > SHOWN_ROWS else []
    return [f"  {word}: {item}" for item in items[:SHOWN_ROWS]] + more
