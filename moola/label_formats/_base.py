"""What every reader of labels returns, and the checks of single values they share.

A reader never takes a default: a value that is missing, of another kind or out of its range is a
refused row with its number and reason.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from moola.bar_rules import check_prices
from moola.exceptions import RefusedRow, SchemaError
from moola.label_records import ImportedProposal, ImportedSpan
from moola.schema import (
    CONFIDENCES,
    GRADES,
    REJECT_REASONS,
    SPAN_TYPES,
    WINDOW_LENGTH,
    Confidence,
    Direction,
    Grade,
    RejectReason,
    ReviewMode,
    ReviewState,
    SpanType,
    check_span,
)

BAD_GRADE = "D"
OFFSET = re.compile(r"(?P<base>.+)_offset(?P<bars>[+-]\d+)")
MISSING = {"", "nan", "none", "null"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Position:
    """Where a file says that a window lies: a series by id or symbol and its first bar."""

    bar_start: int
    series: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Clock:
    """Times and closes of a window's 105 bars, where a file has no more of them than that."""

    times: tuple[datetime, ...]
    closes: NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class WindowRecord:
    """One labelled window of a file: what it is called, where its bars are, what was decided."""

    row: int
    name: str
    ohlc: NDArray[np.float64] | None = None
    """(105, 4) prices; None where the file has no bars and the window is found another way."""
    clock: Clock | None = None
    position: Position | None = None
    bars_hash: str | None = None
    """`moola.windows.price_hash` of the bars that have to stand at the position."""
    state: ReviewState | None = None
    """A stored decision; None where the file holds none, and spans make the window verified."""
    reason: RejectReason | None = None
    note: str = ""
    mode: ReviewMode = "normal"
    seconds: float | None = None
    decided_at: datetime | None = None
    spans: tuple[ImportedSpan, ...] = ()
    proposals: tuple[ImportedProposal, ...] = ()
    names: tuple[str, ...] = ()
    """Further names of the same window."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelFile:
    """Everything a reader found: good windows, and every row that it refused."""

    format: str
    n_rows: int
    windows: tuple[WindowRecord, ...]
    files: tuple[Path, ...]
    """Every file that was read: the same ones again are the same import."""
    refused: tuple[RefusedRow, ...] = ()
    repaired: tuple[str, ...] = ()
    """Sentences about what needed care but was not refused."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reader:
    """A format: its key, its name for people, how to know a file of it and how to read one."""

    key: str
    title: str
    recognises: Callable[[Path], bool]
    read: Callable[[Path], LabelFile]


def split_offset(name: str) -> tuple[str, int]:
    """Return a name without its re-cut suffix, and the bars that the suffix says.

    >>> split_offset("102_exp_1_offset+52"), split_offset("window_7")
    (('102_exp_1', 52), ('window_7', 0))
    """
    found = OFFSET.fullmatch(name)
    return (found["base"], int(found["bars"])) if found else (name, 0)


def as_clause(error: SchemaError) -> str:
    """Return a message as part of a longer sentence."""
    return str(error).rstrip(".").replace(". Found", ", found")


def is_missing(value: Any) -> bool:
    """Return whether a cell holds nothing."""
    if value is None or (isinstance(value, float) and np.isnan(value)):
        return True
    return isinstance(value, str) and value.strip().lower() in MISSING


def bars_of_span(start: Any, end: Any, names: tuple[str, str]) -> tuple[int, int]:
    """Return first and last bar of a span that lies wholly in its window."""
    first, last = whole_number(start, names[0]), whole_number(end, names[1])
    check_span(first, last)
    return first, last


def whole_number(value: Any, name: str) -> int:
    """Return a whole number, or one written as text; 50.0 and NaN are none."""
    if isinstance(value, str) and re.fullmatch(r"\s*[+-]?\d+\s*", value):
        return int(value)
    if isinstance(value, bool) or not isinstance(value, int | np.integer):
        raise SchemaError(f"{name} should be a whole number. Found {value!r}")
    return int(value)


def text_name(value: Any, name: str = "window_id") -> str:
    """Return a name; a float is none, since 1.0 may have been an id once."""
    if isinstance(value, bool | float) or is_missing(value):
        raise SchemaError(f"{name} should be a name or a whole number. Found {value!r}")
    return str(value).strip()


def span_type(value: Any, name: str = "type") -> SpanType:
    """Return a type by its name or class id; an unknown class is never given a default."""
    is_word = isinstance(value, str | int | np.integer) and not isinstance(value, bool)
    text = str(value).strip().lower() if is_word else None
    for index, known in enumerate(SPAN_TYPES):
        if text in (known, str(index)):
            return known
    raise SchemaError(
        f"{name} should be one of {', '.join(SPAN_TYPES)} or its class id 0, 1, 2. Found {value!r}"
    )


def span_grade(value: Any, name: str = "grade") -> Grade | None:
    """Return a grade A, B or C, None where there is none; D is for the window to deal with."""
    if is_missing(value):
        return None
    for known in GRADES:
        if str(value).strip().upper() == known:
            return known
    raise SchemaError(f"{name} should be one of A, B, C, D. Found {value!r}")


def window_quality(value: Any, name: str) -> str | None:
    """Return the grade of a whole window, D included."""
    if not is_missing(value) and str(value).strip().upper() == BAD_GRADE:
        return BAD_GRADE
    return span_grade(value, name)


def direction_of(value: Any) -> Direction | None:
    """Return ``up`` or ``down``, None where there is none."""
    if is_missing(value):
        return None
    text = str(value).strip().lower()
    if text == "up":
        return "up"
    if text == "down":
        return "down"
    raise SchemaError(f"direction should be up or down. Found {value!r}")


def confidence_of(value: Any) -> Confidence | None:
    """Return a confidence from 1 to 3, None where there is none."""
    if is_missing(value):
        return None
    number = whole_number(value, "confidence")
    for known in CONFIDENCES:
        if number == known:
            return known
    raise SchemaError(f"confidence should be 1, 2 or 3. Found {number}")


def reject_reason(value: Any) -> tuple[RejectReason, str]:
    """Return the reason of a rejection and a note that keeps what has no word of ours."""
    text = "" if is_missing(value) else str(value).strip()
    for known in REJECT_REASONS:
        if text.lower().replace(" ", "_") == known:
            return known, ""
    return "other", text


def prices(value: Any, name: str = "features") -> NDArray[np.float64]:
    """Return (105, 4) checked prices of a list of bars: four numbers or open, high, low, close."""
    if isinstance(value, Sequence) and len(value) != WINDOW_LENGTH:
        raise SchemaError(f"{name} should hold {WINDOW_LENGTH} bars. Found {len(value)}")
    if isinstance(value, Sequence) and all(isinstance(bar, Mapping) for bar in value):
        value = [[bar.get(key) for key in ("open", "high", "low", "close")] for bar in value]
    try:
        ohlc = np.asarray(value, np.float64)
    except (TypeError, ValueError) as error:
        raise SchemaError(
            f"{name} should be 105 lists of open, high, low and close. Found other content"
        ) from error
    if ohlc.shape != (WINDOW_LENGTH, 4):
        raise SchemaError(f"{name} should have the shape (105, 4). Found {ohlc.shape}")
    if faults := check_prices(ohlc):
        raise SchemaError(f"bar {faults[0].row - 1} of {name}: {faults[0].reason}")
    return ohlc


def apply_quality(window: WindowRecord, quality: str | None, why: str = "") -> WindowRecord:
    """Return the window as its grade says: D is rejected, and D with spans wants a second look.

    >>> apply_quality(WindowRecord(row=1, name="w"), "D").state
    'rejected'
    """
    if quality != BAD_GRADE:
        return window
    note = "; ".join(text for text in (window.note, why or "grade D") if text)
    if window.spans:
        return replace(window, state="flagged", note=note)
    reason, _ = reject_reason(why)
    return replace(window, state="rejected", reason=reason, note=note)


def merge_windows(windows: Iterable[WindowRecord]) -> tuple[WindowRecord, ...]:
    """Return windows of one name and the same bars as one, with the spans of all."""
    merged: dict[object, WindowRecord] = {}
    for window in windows:
        key = (window.name, window.position, None if window.ohlc is None else window.ohlc.tobytes())
        known = merged.get(key)
        merged[key] = window if known is None else replace(known, spans=known.spans + window.spans)
    return tuple(merged.values())
