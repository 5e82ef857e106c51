"""Small `Examples` whose labels are written out by hand; bars and features are blank."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from moola.examples import NO_SPAN, Examples
from moola.schema import WINDOW_LENGTH


def hand_labelled(
    spans: Sequence[tuple[int, int] | None],
    *,
    types: Sequence[int] | None = None,
    windows: Sequence[str] | None = None,
    groups: Sequence[int] | None = None,
    is_val: Sequence[bool] | None = None,
) -> Examples:
    """One row per span, None for a window without; by default each row is its own window."""
    n = len(spans)
    start = np.array([NO_SPAN if span is None else span[0] for span in spans], np.int64)
    end = np.array([NO_SPAN if span is None else span[1] for span in spans], np.int64)
    bar = np.arange(WINDOW_LENGTH)
    type_id = np.array(types if types is not None else [0] * n, np.int64)
    return Examples(
        window_uid=np.array(windows or [f"w{i:04}" for i in range(n)], dtype="U16"),
        series_id=np.array(["toy"] * n, dtype="U16"),
        bar_start=np.arange(n) * WINDOW_LENGTH,
        ohlc=np.ones((n, WINDOW_LENGTH, 4)),
        features=np.zeros((n, WINDOW_LENGTH, 12), np.float32),
        start=start,
        end=end,
        type_id=np.where(start == NO_SPAN, NO_SPAN, type_id),
        inside=(bar >= start[:, None]) & (bar <= end[:, None]) & (start[:, None] != NO_SPAN),
        ignore=np.zeros((n, WINDOW_LENGTH), bool),
        cold=np.zeros(n, bool),
        group=np.array(groups if groups is not None else range(n), np.int64),
        is_val=np.array(is_val if is_val is not None else [False] * n, bool),
    )


def moved_away(examples: Examples, rows: np.ndarray, *, seed: int = 4) -> Examples:
    """Move the spans of some rows by 8 to 30 bars, within their windows."""
    rng = np.random.default_rng(seed)
    bar = np.arange(WINDOW_LENGTH)
    start, end, inside = examples.start.copy(), examples.end.copy(), examples.inside.copy()
    for row in rows.tolist():
        room = [d for d in range(-30, 31) if abs(d) >= 8 and start[row] + d >= 0]
        off = int(rng.choice([d for d in room if end[row] + d < WINDOW_LENGTH]))
        start[row], end[row] = start[row] + off, end[row] + off
        inside[row] = (start[row] <= bar) & (end[row] >= bar)
    return replace(examples, start=start, end=end, inside=inside)
