"""What every writer is given: the labels of one layer, with bars, times, names and groups."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from moola.bars import BarStore
from moola.exceptions import SchemaError
from moola.features import LOOKBACK_BARS
from moola.schema import LABELLED_STATES, OPEN_STATES, TRUE_NEGATIVE_REASONS, WINDOW_LENGTH
from moola.second_look import all_agree, decision_of, is_person
from moola.splits import shared_bar_groups
from moola.store import LOCAL, Judgement, LabelStore, Rule, Series, WindowView
from moola.tables import write_file

STANDING = "standing"
"""Instead of a person's layer: gold where there is, else the one person's, else the agreed."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ExportWindow:
    """One window and what belongs to it."""

    view: WindowView
    name: str
    """Its alias where that means one window of the export, else its id."""
    ohlc: NDArray[np.float64]
    """(105, 4) prices."""
    times: tuple[datetime, ...] | None
    """UTC, start of each bar; None where the bars carry no time."""
    group_id: str
    """Windows that share bars have one: the smallest window id of them."""

    @property
    def is_cold(self) -> bool:
        """Whether too few bars stand before it for features to start warm."""
        return self.view.bar_start < LOOKBACK_BARS

    @property
    def is_labelled(self) -> bool:
        """Whether a person stands behind its spans."""
        return self.view.state in LABELLED_STATES

    @property
    def is_negative(self) -> bool:
        """Whether a person said that it holds nothing."""
        return self.view.state == "rejected" and self.view.reason in TRUE_NEGATIVE_REASONS


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class LabelSet:
    """The labels to write, by series and bar."""

    windows: tuple[ExportWindow, ...]
    series: dict[str, Series]
    layer: str
    rule: Rule | None
    bar_store: BarStore
    n_open: int
    """Windows that nobody has decided; no writer but that of tasks has them."""
    n_shared: int
    """Windows that two people or more have decided, whosever layer this is."""
    n_agreed: int
    """Those of them whose decisions and spans say the same."""

    def labelled(self) -> list[ExportWindow]:
        """Return the windows whose spans are labels; `SchemaError` if there is none."""
        found = [window for window in self.windows if window.is_labelled and window.view.spans]
        if not found:
            raise SchemaError(
                f"An export should have labelled windows. Found none of {self.layer}."
            )
        return found

    def states(self) -> Counter[str]:
        """Return how many windows are in each state."""
        return Counter(window.view.state for window in self.windows)


@dataclass(frozen=True, slots=True, kw_only=True)
class Writer:
    """A format: its key, its name for people, the ending of its file and how it is written.

    ``write`` returns sentences about what the format could not take.
    """

    key: str
    title: str
    suffix: str
    write: Callable[[LabelSet, Path], list[str]]
    wants_open: bool = False
    """Whether windows that nobody has decided belong into it."""


def gather(
    store: LabelStore,
    bar_store: BarStore,
    *,
    layer: str = LOCAL,
    series: str | None = None,
    with_open: bool = False,
) -> LabelSet:
    """Return the decided windows of a layer (or `STANDING`), of one series or of all."""
    series_id = store.find_series(series).series_id if series else None
    views = (
        store.standing_views()
        if layer == STANDING
        else store.views(series_id=series_id, annotator=layer)
    )
    views = [view for view in views if series_id in (None, view.series_id)]
    decided = [view for view in views if view.state not in OPEN_STATES]
    chosen = views if with_open else decided
    known = {item.series_id: item for item in store.series()}
    shared = _shared(store.judgements())
    return LabelSet(
        windows=_windows(chosen, known, bar_store),
        series={view.series_id: known[view.series_id] for view in chosen},
        layer=layer,
        rule=store.current_rule(),
        bar_store=bar_store,
        n_open=len(views) - len(decided),
        n_shared=len(shared),
        n_agreed=sum(all_agree(judged) for judged in shared),
    )


def _shared(judgements: Iterable[Judgement]) -> list[list[Judgement]]:
    """Return the decisions about each window that two people or more have decided."""
    of_window: dict[str, list[Judgement]] = {}
    for item in judgements:
        if is_person(item.layer) and decision_of(item.state) is not None:
            of_window.setdefault(item.window_uid, []).append(item)
    return [judged for judged in of_window.values() if len(judged) > 1]


def write_text(path: Path, text: str) -> None:
    """Write a text file whole or not at all."""
    write_file(path, lambda file: file.write(text.encode("utf-8")))


def stamp(time: datetime | None) -> str | None:
    """Return a time as text, UTC."""
    return None if time is None else time.isoformat()


def counted(windows: Iterable[ExportWindow], what: str) -> list[str]:
    """Return a sentence that says how many windows `what` holds for, none if for no window."""
    n = sum(1 for _ in windows)
    return [f"{n:,} {'window' if n == 1 else 'windows'} {what}"] if n else []


def _windows(
    views: list[WindowView], known: dict[str, Series], bar_store: BarStore
) -> tuple[ExportWindow, ...]:
    if not views:
        return ()
    cuts = [slice(view.bar_start, view.bar_start + WINDOW_LENGTH) for view in views]
    ohlc = [
        bar_store.ohlc(known[view.series_id].content_hash)[cut]
        for view, cut in zip(views, cuts, strict=True)
    ]
    groups = shared_bar_groups(
        np.array([view.series_id for view in views]),
        np.array([view.bar_start for view in views]),
        np.stack(ohlc),
    )
    smallest: dict[int, str] = {}
    for view, group in zip(views, groups.tolist(), strict=True):
        smallest[group] = min(smallest.get(group, view.window_uid), view.window_uid)
    n_named = Counter(view.alias for view in views)
    times = _times(views, known, bar_store)
    return tuple(
        ExportWindow(
            view=view,
            name=view.alias if view.alias and n_named[view.alias] == 1 else view.window_uid,
            ohlc=bars,
            times=times[view.window_uid],
            group_id=smallest[group],
        )
        for view, bars, group in zip(views, ohlc, groups.tolist(), strict=True)
    )


def _times(
    views: list[WindowView], known: dict[str, Series], bar_store: BarStore
) -> dict[str, tuple[datetime, ...] | None]:
    """Return the times of each window's bars; a series is read once."""
    of_series: dict[str, list[WindowView]] = {}
    for view in views:
        of_series.setdefault(view.series_id, []).append(view)
    found: dict[str, tuple[datetime, ...] | None] = {}
    for series_id, own in of_series.items():
        if known[series_id].start_ts is None:
            found |= dict.fromkeys((view.window_uid for view in own), None)
            continue
        stamps = pd.DatetimeIndex(bar_store.read(known[series_id].content_hash)["timestamp"])
        for view in own:
            cut = stamps[view.bar_start : view.bar_start + WINDOW_LENGTH]
            found[view.window_uid] = tuple(cut.to_pydatetime().tolist())
    return found
