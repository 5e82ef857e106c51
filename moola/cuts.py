"""Cut labelled windows out of a generated series, as an annotator would have collected them.

``cut_windows(series, seed=7)``: about 110 events, some seen twice in windows that overlap.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from moola.label_file import LabelRow
from moola.planting import Event
from moola.schema import PRICE_COLUMNS, SPAN_TYPES, WINDOW_LENGTH, SpanType
from moola.synthetic import GeneratedSeries

N_WINDOWS = 174
N_SEEN_TWICE = 64
N_EVENTS = N_WINDOWS - N_SEEN_TWICE
START_RANGE = (20, 88)
"""Where in its window a span may start, both inclusive."""
MAX_GROUP = 4
"""Most windows that overlap in a chain: long chains leave no way to split them."""
APART_BARS = 60
"""Bars between two groups of windows, so that not even the look-back of a feature is shared."""
TYPE_NOISE = 0.08
EDGE_NOISE = (0.25, 0.5, 0.25)
"""Shares of labels with an edge one bar early, right, one bar late."""


@dataclass(frozen=True, slots=True)
class EventLabel:
    """What an annotator said about an event: the same in every window that shows it."""

    start: int
    end: int
    type: SpanType


def cut_windows(series: GeneratedSeries, *, seed: int) -> list[LabelRow] | None:
    """Return 174 rows in the order of the bars, or None if the series has too few events.

    Each window holds exactly one event, wholly inside, and its border cuts no other.
    """
    rng = np.random.default_rng([seed, 174])
    n_looks = rng.permutation([2] * N_SEEN_TWICE + [1] * (N_EVENTS - N_SEEN_TWICE)).tolist()
    ohlc = series.frame[list(PRICE_COLUMNS)].to_numpy(np.float64)
    rows: list[LabelRow] = []
    group_end, group_size, event_number = -APART_BARS, 0, 0
    for index, event in enumerate(series.events):
        if event_number == N_EVENTS:
            break
        label = noisy_label(rng, event)
        first, last = _room(series.events, index, n_bars=len(ohlc))
        n = n_looks[event_number]
        if group_size + n > MAX_GROUP:
            first = max(first, group_end + APART_BARS + 1)
        starts = _window_starts(rng, label, (first, last), n)
        if starts is None:
            continue
        is_new_group = starts[0] > group_end + APART_BARS
        group_size = n if is_new_group else group_size + n
        group_end = starts[-1] + WINDOW_LENGTH - 1
        name = _window_id(rng, event_number)
        rows += [
            _row(ohlc, label, start, row=len(rows) + i + 1, name=_recut_id(name, start - starts[0]))
            for i, start in enumerate(starts)
        ]
        event_number += 1
    return rows if event_number == N_EVENTS else None


def noisy_label(rng: np.random.Generator, event: Event) -> EventLabel:
    """Label an event as an annotator would: an edge one bar off, now and then another type."""
    start, end = event.start, event.end
    early_or_late = rng.choice([-1, 0, 1], p=EDGE_NOISE, size=2)
    if 2 <= (end + early_or_late[1]) - (start + early_or_late[0]) + 1 <= 23:
        start, end = start + int(early_or_late[0]), end + int(early_or_late[1])
    others: list[SpanType] = [name for name in SPAN_TYPES if name != event.type]
    kind = others[rng.integers(len(others))] if rng.random() < TYPE_NOISE else event.type
    return EventLabel(start, end, kind)


def _room(events: list[Event], index: int, *, n_bars: int) -> tuple[int, int]:
    """Return the first and the last bar that a window of this event may show."""
    before, after = events[:index], events[index + 1 :]
    first = before[-1].end + 2 if before else 0
    last = after[0].start - 2 if after else n_bars - 1
    return first, last


def _window_starts(
    rng: np.random.Generator, label: EventLabel, room: tuple[int, int], n: int
) -> list[int] | None:
    """Return the first bars of `n` different windows that show the label, in order."""
    length_bars = label.end - label.start + 1
    latest_place = min(START_RANGE[1], WINDOW_LENGTH - length_bars)
    first = max(room[0], label.start - latest_place)
    last = min(room[1] - WINDOW_LENGTH + 1, label.start - START_RANGE[0])
    if last - first < 10:  # a window and its re-cut should differ by more than a bar or two
        return None
    while True:
        starts = sorted(int(start) for start in rng.integers(first, last + 1, size=n))
        if n == 1 or starts[1] - starts[0] >= 5:
            return starts


def _window_id(rng: np.random.Generator, event_number: int) -> str:
    """Return an id in one of the four formats that real label files mix."""
    session = f"2001030{1 + event_number // 40}{14 + event_number // 20 % 4:02d}30"
    return (
        f"{event_number}_exp_1",
        f"batch_{session}_{event_number % 40:03d}",
        f"window_{event_number}",
        f"{event_number}",
    )[rng.choice(4, p=(0.4, 0.3, 0.2, 0.1))]


def _recut_id(name: str, offset_bars: int) -> str:
    return f"{name}_offset+{offset_bars}" if offset_bars else name


def _row(
    ohlc: NDArray[np.float64], label: EventLabel, window_start: int, *, row: int, name: str
) -> LabelRow:
    return LabelRow(
        row=row,
        window_id=name,
        type=label.type,
        start=label.start - window_start,
        end=label.end - window_start,
        ohlc=ohlc[window_start : window_start + WINDOW_LENGTH],
    )
