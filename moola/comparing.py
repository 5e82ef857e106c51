"""Arrange what every layer decided: who judged what, which windows are disputed, what shares bars.

``arrange(store.judgements())`` puts the decisions in order; ``compare_layers`` gives the pair of
layers that `moola.agreement` scores.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd

from moola import agreement, market_hours, second_look
from moola.agreement import Pair
from moola.bars import BarStore
from moola.draw_groups import draw_groups
from moola.schema import WINDOW_LENGTH, Standing
from moola.second_look import CATCH, GOLD, REPEAT, decision_of, is_person
from moola.splits import shared_bar_groups
from moola.store import Judgement, LabelStore

NO_ZONE = "exchange unknown"
"""Bucket of windows whose series has times but names no exchange."""


@dataclass(frozen=True, eq=False)
class People:
    """The decisions of every layer, by layer and by window."""

    by_layer: Mapping[str, Sequence[Judgement]]
    by_window: Mapping[str, Mapping[str, Judgement]]

    @cached_property
    def persons(self) -> tuple[str, ...]:
        """People who have decided a window, the one with most decisions first."""
        found = [layer for layer in self.by_layer if is_person(layer)]
        return tuple(sorted(found, key=lambda name: (-len(self.by_layer[name]), name)))

    @cached_property
    def standing(self) -> Mapping[str, Standing]:
        """Where every window stands that anybody has judged, by series and bar."""
        stands: dict[str, Standing] = {}
        for uid, by_layer in self.by_window.items():
            if (standing := second_look.standing_of(by_layer)) is not None:
                stands[uid] = standing
        return stands

    def standing_at(self, standing: Standing) -> list[str]:
        """Return the windows that stand there, by series and bar."""
        return [uid for uid, found in self.standing.items() if found == standing]

    def versions(self, window_uid: str) -> dict[str, Judgement]:
        """Return what people decided about a window, by name; gold and repeats are left out."""
        return {
            layer: item
            for layer, item in self.by_window.get(window_uid, {}).items()
            if is_person(layer)
        }

    def differences(self, window_uid: str) -> list[str]:
        """Return in words what the people who decided a window differ in, each thing once."""
        versions = list(self.versions(window_uid).values())
        return list(
            dict.fromkeys(
                reason
                for i, one in enumerate(versions)
                for other in versions[i + 1 :]
                for reason in second_look.differences(one, other)
            )
        )

    def repeats(self, person: str) -> Sequence[Judgement]:
        """Return a person's second judgements."""
        return self.by_layer.get(person + REPEAT, ())


def arrange(judgements: Iterable[Judgement]) -> People:
    """Return the decisions in order; those that carry no judgement are left out."""
    by_layer: dict[str, list[Judgement]] = {}
    by_window: dict[str, dict[str, Judgement]] = {}
    for item in judgements:
        if decision_of(item.state) is not None:
            by_layer.setdefault(item.layer, []).append(item)
            by_window.setdefault(item.window_uid, {})[item.layer] = item
    return People(by_layer, by_window)


def trials(people: People, person: str) -> list[Judgement]:
    """Return what a person decided about proposals that were shifted on purpose."""
    return [*people.by_layer.get(person + CATCH, ()), *people.by_layer.get(person, ())]


def partners(people: People) -> list[str]:
    """Return the layers that can be compared with one another: people, and gold if there is any."""
    return [*people.persons, *([GOLD] if GOLD in people.by_layer else [])]


def compare_layers(people: People, first: str, second: str, groups: Mapping[str, int]) -> Pair:
    """Return two layers on the windows that both have decided."""
    return agreement.compare(
        people.by_layer.get(first, ()), people.by_layer.get(second, ()), groups
    )


def groups_of(people: People, store: LabelStore, bar_store: BarStore) -> dict[str, int]:
    """Return a number for every window that two layers have decided; intervals draw equal ones."""
    rows = [next(iter(of.values())) for of in people.by_window.values() if len(of) > 1]
    hashes = {series.series_id: series.content_hash for series in store.series()}
    if not rows:
        return {}
    ohlc = [
        bar_store.ohlc(hashes[row.series_id])[row.bar_start : row.bar_start + WINDOW_LENGTH]
        for row in rows
    ]
    series_id = np.array([row.series_id for row in rows])
    bar_start = np.array([row.bar_start for row in rows])
    groups = draw_groups(
        shared_bar_groups(series_id, bar_start, np.stack(ohlc)), series_id, bar_start
    )
    return {row.window_uid: int(group) for row, group in zip(rows, groups, strict=True)}


def hours_of(people: People, store: LabelStore, bar_store: BarStore) -> dict[str, str]:
    """Return the part of the trading day of every judged window, by its middle bar."""
    found: dict[str, str] = {}
    for series in store.series():
        rows = [
            row
            for row in (next(iter(of.values())) for of in people.by_window.values())
            if row.series_id == series.series_id
        ]
        if not rows:
            continue
        if series.start_ts is None or series.tz_exchange is None:
            name = market_hours.UNKNOWN if series.start_ts is None else NO_ZONE
            found |= {row.window_uid: name for row in rows}
            continue
        times = pd.DatetimeIndex(bar_store.read(series.content_hash)["timestamp"])
        middle = [row.bar_start + market_hours.MIDDLE_BAR for row in rows]
        names = market_hours.bucket_names(series.tz_exchange)
        indices = market_hours.buckets(times[middle], series.tz_exchange)
        found |= {row.window_uid: names[i] for row, i in zip(rows, indices, strict=True)}
    return found


def shuffled(names: Sequence[str], window_uid: str) -> list[str]:
    """Return people in an order that depends on the window alone, so that nobody is always A."""
    return sorted(names, key=lambda name: zlib.crc32(f"{window_uid}|{name}".encode()))
