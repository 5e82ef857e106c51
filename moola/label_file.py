"""Read and write the label Parquet of the source notes: one row per labelled span.

Columns: ``window_id, label, expansion_start, expansion_end, features``; ``features`` holds the
window's 105 bars of open, high, low and close. Both ends of a span are inclusive.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from moola.bar_rules import check_prices
from moola.exceptions import ImportRefused, RefusedRow, SchemaError
from moola.schema import SPAN_TYPES, WINDOW_LENGTH, SpanType, check_span
from moola.tables import (
    listed,
    read_parquet,
    read_parquet_schema,
    refuse_rows,
    write_parquet,
)
from moola.windows import price_hash

LABEL_COLUMNS = ("window_id", "label", "expansion_start", "expansion_end", "features")
SHAPE = (WINDOW_LENGTH, 4)


@dataclass(frozen=True, slots=True, eq=False)
class LabelRow:
    """One labelled span: the row it stood in (from 1), its window's name and the window's bars."""

    row: int
    window_id: str
    type: SpanType
    start: int
    end: int
    ohlc: NDArray[np.float64]
    """(105, 4) open, high, low, close."""


def read_label_file(path: Path) -> list[LabelRow]:
    """Return the rows of a label Parquet.

    Raises
    ------
    ImportRefused
        If it cannot be read, or if any row breaks a rule or contradicts another; ``rows`` names
        every row at fault with its reason.
    """
    rows, refused = parse_label_file(path)
    n_rows = len(rows) + len(refused)
    refused += _contradictions(rows)
    refuse_rows(sorted(refused, key=lambda at_fault: at_fault.row), n_rows, path.name)
    return rows


def parse_label_file(path: Path) -> tuple[list[LabelRow], list[RefusedRow]]:
    """Return the rows that keep the rules each by itself, and those that break one."""
    rows: list[LabelRow] = []
    refused: list[RefusedRow] = []
    for number, values in enumerate(_read_columns(path).to_pylist(), start=1):
        try:
            rows.append(_parse_row(number, values))
        except SchemaError as error:
            refused.append(RefusedRow(number, _as_clause(error)))
    return rows, refused


def write_label_file(
    path: Path, rows: Iterable[LabelRow], *, group_ids: Sequence[str] | None = None
) -> None:
    """Write a label Parquet whole or not at all; `read_label_file` gives the same rows back.

    With ``group_ids``, one a row, there is a column that says which windows share bars.
    """
    rows = list(rows)
    columns = {
        "window_id": pa.array([row.window_id for row in rows], pa.string()),
        "label": pa.array([row.type for row in rows], pa.string()),
        "expansion_start": pa.array([row.start for row in rows], pa.int64()),
        "expansion_end": pa.array([row.end for row in rows], pa.int64()),
        "features": pa.array(
            [np.asarray(row.ohlc, np.float64).tolist() for row in rows],
            pa.list_(pa.list_(pa.float64())),
        ),
    }
    if group_ids is not None:
        columns["group_id"] = pa.array(group_ids, pa.string())
    write_parquet(pa.table(columns), path)


def _read_columns(path: Path) -> pa.Table:
    table = read_parquet(path)
    names = read_parquet_schema(path).names
    if missing := [name for name in LABEL_COLUMNS if name not in names]:
        raise ImportRefused(
            f"A label file should have the columns {', '.join(LABEL_COLUMNS)}. Found no "
            f"{', '.join(missing)} ({path.name} has {listed(names)})."
        )
    if not table.num_rows:
        raise ImportRefused(
            f"A label file should hold at least one labelled window. Found none ({path.name})."
        )
    return table.select(list(LABEL_COLUMNS))


def _parse_row(number: int, values: dict[str, Any]) -> LabelRow:
    start = _whole_number(values["expansion_start"], "expansion_start")
    end = _whole_number(values["expansion_end"], "expansion_end")
    check_span(start, end)
    return LabelRow(
        row=number,
        window_id=_name(values["window_id"]),
        type=_type(values["label"]),
        start=start,
        end=end,
        ohlc=_prices(values["features"]),
    )


def _as_clause(error: SchemaError) -> str:
    """Return a message as part of a longer sentence."""
    return str(error).rstrip(".").replace(". Found", ", found")


def _name(value: Any) -> str:
    if isinstance(value, bool | float) or value is None or not str(value).strip():
        raise SchemaError(f"window_id should be a name or a whole number. Found {value!r}")
    return str(value).strip()


def _type(value: Any) -> SpanType:
    """Return a type by its name or class id; an unknown class is never given a default."""
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < len(SPAN_TYPES):
        return SPAN_TYPES[value]
    for known in SPAN_TYPES:
        if value == known:
            return known
    ids = "0, 1, 2"
    raise SchemaError(
        f"label should be one of {', '.join(SPAN_TYPES)} or its class id {ids}. Found {value!r}"
    )


def _whole_number(value: Any, name: str) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise SchemaError(f"{name} should be a whole number. Found {value!r}")
    return value


def _prices(value: Any) -> NDArray[np.float64]:
    if isinstance(value, list) and len(value) != WINDOW_LENGTH:
        raise SchemaError(f"features should hold {WINDOW_LENGTH} bars. Found {len(value)}")
    try:
        ohlc = np.asarray(value, np.float64)
    except (TypeError, ValueError) as error:
        raise SchemaError(
            "features should be 105 lists of open, high, low and close. Found other content"
        ) from error
    if ohlc.shape != SHAPE:
        raise SchemaError(f"features should have the shape {SHAPE}. Found {ohlc.shape}")
    if faults := check_prices(ohlc):
        first = faults[0]
        raise SchemaError(f"bar {first.row - 1} of features: {first.reason}")
    return ohlc


def _contradictions(rows: Sequence[LabelRow]) -> list[RefusedRow]:
    """Return rows that contradict an earlier row about the same bars or the same name."""
    bars_of_name: dict[str, tuple[str, int]] = {}
    spans_of_bars: dict[str, list[LabelRow]] = {}
    refused: list[RefusedRow] = []
    for row in rows:
        bars = price_hash(row.ohlc)
        first_bars, first_row = bars_of_name.setdefault(row.window_id, (bars, row.row))
        reason = _against_siblings(row, spans_of_bars.setdefault(bars, []))
        if first_bars != bars:
            reason = f"window_id {row.window_id!r} names other bars in row {first_row}"
        if reason:
            refused.append(RefusedRow(row.row, reason))
        else:
            spans_of_bars[bars].append(row)
    return refused


def _against_siblings(row: LabelRow, siblings: Sequence[LabelRow]) -> str | None:
    """Return what is wrong with a row beside the rows of the same bars; repeating one is fine."""
    for other in siblings:
        if (row.start, row.end) == (other.start, other.end):
            if row.type == other.type:
                return None
            return f"{row.type} contradicts row {other.row}: {other.type} for the same bars"
        if row.start <= other.end and other.start <= row.end:
            return (
                f"bars {row.start}..{row.end} overlap {other.start}..{other.end} of row "
                f"{other.row} in the same window"
            )
    return None
