"""What every import shares: its report, and that a failed one leaves no bars behind."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal

import pandas as pd

from moola.bars import BarStore, BarWriter, content_hash
from moola.exceptions import RefusedRow, StoreError
from moola.store import LabelStore
from moola.vendors import Preview

WriteBars = Callable[[pd.DataFrame], str]
"""Writes bars and returns their content hash."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportReport:
    """What an import found and wrote."""

    kind: Literal["bars", "labels", "events"]
    n_rows: int
    n_windows: int = 0
    n_spans: int = 0
    n_matched: int = 0
    """Windows whose bars lie in an imported feed."""
    n_cold: int = 0
    """Windows that stand alone: their features start without the bars before."""
    series_ids: tuple[str, ...]
    repaired: tuple[str, ...] = ()
    """Sentences about what needed care but was not refused."""
    already_there: bool = False
    n_added: int | None = None
    """Bars that a file added to a series that was there; None if the series is new."""
    conflicts: tuple[RefusedRow, ...] = ()
    """The first bars of a file that differ from those of the series, which were kept."""
    n_conflicts: int = 0
    preview: Preview | None = None
    """What the file of bars holds."""

    def __str__(self) -> str:
        if self.kind == "bars" and self.n_added:
            text = f"{self.n_added:,} bars added to series {self.series_ids[0]}"
        elif self.kind == "bars":
            text = f"{self.n_rows:,} bars as series {self.series_ids[0]}"
        elif self.kind == "events":
            text = f"{self.n_rows:,} events, every table rebuilt from them"
        else:
            text = (
                f"{self.n_rows:,} rows: {self.n_spans:,} spans in {self.n_windows:,} windows, "
                f"{self.n_matched:,} in imported bars and {self.n_cold:,} alone"
            )
        known = "; all of it was there already" if self.already_there else ""
        notes = "".join(f"\n{note}" for note in (*self.repaired, *map(str, self.conflicts)))
        return f"{text}{known}{notes}"


@contextmanager
def nothing_left_behind(store: LabelStore, bar_store: BarStore) -> Iterator[WriteBars]:
    """Give a way to write bars, and remove what it wrote if the import fails after all."""
    created: list[str] = []

    def write(frame: pd.DataFrame) -> str:
        key = content_hash(frame)
        if not bar_store.path(key).exists():
            created.append(key)
        return bar_store.write(frame)

    try:
        yield write
    except BaseException:
        _remove_unused(created, store, bar_store)
        raise


@contextmanager
def kept_if_used(
    writer: BarWriter, key: str, store: LabelStore, bar_store: BarStore
) -> Iterator[None]:
    """Keep what a writer has written, and remove it if what needs it fails after all."""
    created = [] if bar_store.path(key).exists() else [key]
    try:
        writer.keep(key)
        yield
    except BaseException:
        _remove_unused(created, store, bar_store)
        raise


def _remove_unused(created: Sequence[str], store: LabelStore, bar_store: BarStore) -> None:
    used = _used_bars(store)
    for key in created:
        if key not in used:
            bar_store.path(key).unlink(missing_ok=True)


def _used_bars(store: LabelStore) -> set[str]:
    try:
        return {item.content_hash for item in store.series()}
    except StoreError:
        return set()  # a store that cannot be read has taken in nothing either
