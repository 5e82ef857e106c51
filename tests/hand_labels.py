"""Small `Examples` whose labels are written out by hand; bars and features are blank."""

from __future__ import annotations

from collections.abc import Sequence

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
