"""What every import shares: its report, and that a failed one leaves no bars behind."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal

import pandas as pd

from moola.bars import BarStore, content_hash
from moola.exceptions import StoreError
from moola.store import LabelStore

WriteBars = Callable[[pd.DataFrame], str]
"""Writes bars and returns their content hash."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportReport:
    """What an import found and wrote."""

    kind: Literal["bars", "labels"]
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

    def __str__(self) -> str:
        if self.kind == "bars":
            text = f"{self.n_rows:,} bars as series {self.series_ids[0]}"
        else:
            text = (
                f"{self.n_rows:,} rows: {self.n_spans:,} spans in {self.n_windows:,} windows, "
                f"{self.n_matched:,} in imported bars and {self.n_cold:,} alone"
            )
        known = "; all of it was there already" if self.already_there else ""
        notes = "".join(f"\n{note}" for note in self.repaired)
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
        used = _used_bars(store)
        for key in created:
            if key not in used and bar_store.path(key).exists():
                bar_store.path(key).unlink()
        raise


def _used_bars(store: LabelStore) -> set[str]:
    try:
        return {item.content_hash for item in store.series()}
    except StoreError:
        return set()  # a store that cannot be read has taken in nothing either
