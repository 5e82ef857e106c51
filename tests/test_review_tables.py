"""The Review page's rows: what a window is sorted and grouped by, checked by hand."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest

from moola import review_tables
from moola.examples import NO_SPAN, Examples
from moola.review_tables import SORTS, Reading, readings
from moola.schema import SPAN_TYPES, WINDOW_LENGTH
from tests.toy import toy_examples

BAR = np.arange(WINDOW_LENGTH)


def predicted(examples: Examples, spans: list[tuple[int, int]], **columns: float) -> pd.DataFrame:
    """Return predictions as an older run wrote them: no posterior, no three starts."""
    tables = []
    for uid, (start, end) in zip(examples.window_uid.tolist(), spans, strict=True):
        values = {
            "window_uid": uid,
            "split": "val",
            "bar": BAR,
            "binary_prob": ((start <= BAR) & (end >= BAR)) * 0.9,
            "countdown_bars": max(start, 0) + 2.0 - BAR,
            "ptr_start": max(start, 0) + 7,
            "ptr_end": max(end, 0) + 7,
            "start": start,
            "end": end,
            "confidence": 0.5,
            "p_no_span": 0.1,
            **{f"prob_{name}": 1 / 3 for name in SPAN_TYPES},
            **columns,
        }
        tables.append(pd.DataFrame(values))
    return pd.concat(tables, ignore_index=True)


def off_by(examples: Examples, *offs: int) -> list[tuple[int, int]]:
    return [
        (int(start) + off, int(end) + off)
        for start, end, off in zip(examples.start, examples.end, offs, strict=True)
    ]


@pytest.fixture
def rows() -> list[Reading]:
    """Windows w001..w003 with spans 0, 4 and -9 bars off; w000 has no span and gets none."""
    examples = toy_examples(4, n_without_span=1)
    spans = [(NO_SPAN, NO_SPAN), *off_by(examples.take(np.arange(1, 4)), 0, 4, -9)]
    return readings(examples, predicted(examples, spans))


def test_signed_errors_overlap_and_hits_are_those_of_the_edges(rows: list[Reading]) -> None:
    by_uid = {row.window_uid: row for row in rows}
    assert [by_uid[f"w00{i}"].start_off for i in range(4)] == [None, 0, 4, -9]
    assert [by_uid[f"w00{i}"].is_hit for i in range(4)] == [False, True, False, False]
    assert by_uid["w001"].iou == 1.0
    assert math.isnan(by_uid["w000"].iou)
    n_bars = by_uid["w002"].error.end - by_uid["w002"].error.start + 1
    assert by_uid["w002"].iou == pytest.approx(max(0, n_bars - 4) / (n_bars + 4))


def test_a_missed_span_has_no_overlap_and_no_start_error() -> None:
    examples = toy_examples(1)
    (row,) = readings(examples, predicted(examples, [(NO_SPAN, NO_SPAN)]))
    assert row.iou == 0.0
    assert row.start_off is None
    assert math.isnan(row.start_spread)


def test_an_older_run_gets_its_three_starts_from_its_own_columns(rows: list[Reading]) -> None:
    row = next(row for row in rows if row.window_uid == "w001")
    start = row.error.predicted_start
    assert row.starts == {"binary": start, "pointer": start + 7, "countdown": start + 2}
    assert row.start_spread == 7
    assert row.is_torn


def test_stored_starts_count_before_worked_out_ones() -> None:
    examples = toy_examples(1)
    columns = {"start_binary": 40.0, "start_pointer": 43.0, "start_countdown": 45.0}
    (row,) = readings(examples, predicted(examples, off_by(examples, 0), **columns))
    assert row.starts == {"binary": 40.0, "pointer": 43.0, "countdown": 45.0}
    assert not row.is_torn


def test_orders_put_the_worst_first_and_what_has_no_value_last(rows: list[Reading]) -> None:
    def order(key: str) -> list[str]:
        return [row.window_uid for row in review_tables.ordered(rows, SORTS[key])]

    assert order("error")[0] == "w003"
    assert order("start") == ["w003", "w002", "w001", "w000"]
    assert order("iou")[-2:] == ["w001", "w000"]
    # a hit and a quiet window are no confident error
    assert set(order("confident")[-2:]) == {"w000", "w001"}


def test_an_order_without_any_value_is_not_offered(rows: list[Reading]) -> None:
    keys = set(review_tables.offered(rows))
    assert "entropy" not in keys
    assert {"error", "start", "iou", "confidence", "none", "spread"} <= keys


def test_runs_disagree_by_their_further_edge_and_by_a_window_where_one_sees_none() -> None:
    examples = toy_examples(2)
    first = readings(examples, predicted(examples, off_by(examples, 0, 0)))
    second = readings(
        examples, predicted(examples, [off_by(examples, 5, 0)[0], (NO_SPAN, NO_SPAN)])
    )
    sort = review_tables.between_runs([first, second])
    assert {row.window_uid: sort.value(row) for row in first} == {"w000": 5.0, "w001": 105.0}


def test_buckets_count_labelled_windows_only_and_give_no_interval_from_few_groups() -> None:
    examples = toy_examples(30, n_without_span=2)
    offs = [0, 9] * 14
    spans = [(NO_SPAN, NO_SPAN)] * 2 + off_by(examples.take(np.arange(2, 30)), *offs)
    rows = readings(examples, predicted(examples, spans))
    even, odd = sorted(
        review_tables.grouped(rows, lambda row: str(row.error.error_bars)), key=lambda b: b.name
    )
    assert (even.n_windows, even.n_hits, even.low, even.high) == (14, 14, 1.0, 1.0)
    assert (odd.n_windows, odd.n_hits, odd.median_off) == (14, 0, 9.0)
    few = review_tables.grouped(rows[:5], lambda row: "one")
    assert (few[0].low, few[0].high) == (None, None)


def test_a_kind_may_leave_windows_out(rows: list[Reading]) -> None:
    assert review_tables.grouped(rows, lambda row: None) == []


@pytest.mark.parametrize(
    ("start", "end", "length", "position"),
    [
        (0, 0, "1–4 bars", "0–29"),
        (30, 37, "5–8 bars", "30–44"),
        (74, 88, "9–15 bars", "60–74"),
        (75, 104, "16 bars or more", "75–104"),
    ],
)
def test_lengths_and_positions_have_a_class_at_every_border(
    start: int, end: int, length: str, position: str
) -> None:
    examples = toy_examples(1)
    examples.start[0], examples.end[0] = start, end
    (row,) = readings(examples, predicted(examples, [(start, end)]))
    assert review_tables.length_kind(row) == length
    assert review_tables.position_kind(row) == position
    assert length in review_tables.LENGTH_KINDS
    assert position in review_tables.POSITION_KINDS
