"""Labelled windows of the sample look like a real label file: overlapping, varied, consistent."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise

import numpy as np
import pytest

from moola.cuts import APART_BARS, MAX_GROUP, N_EVENTS, N_SEEN_TWICE, N_WINDOWS, cut_windows
from moola.label_file import LabelRow
from moola.schema import PRICE_COLUMNS, SPAN_TYPES, WINDOW_LENGTH
from moola.synthetic import GeneratedSeries, generate_bars
from moola.windows import BarIndex


@pytest.fixture(scope="module", params=[7, 21])
def series(request: pytest.FixtureRequest) -> GeneratedSeries:
    return generate_bars(30_000, seed=request.param)


@pytest.fixture(scope="module")
def rows(series: GeneratedSeries) -> list[LabelRow]:
    found = cut_windows(series, seed=1)
    assert found is not None
    return found


@pytest.fixture(scope="module")
def starts(series: GeneratedSeries, rows: list[LabelRow]) -> list[int]:
    ohlc = series.frame[list(PRICE_COLUMNS)].to_numpy()
    index = BarIndex(ohlc)
    found = [index.locate(row.ohlc) for row in rows]
    assert None not in found
    return [start for start in found if start is not None]


def test_174_different_windows_with_different_names(
    rows: list[LabelRow], starts: list[int]
) -> None:
    assert len(rows) == len(set(starts)) == len({row.window_id for row in rows}) == N_WINDOWS
    assert [row.row for row in rows] == list(range(1, N_WINDOWS + 1))


def test_64_events_are_seen_in_two_windows_that_agree(
    rows: list[LabelRow], starts: list[int]
) -> None:
    seen = Counter(
        (start + row.start, start + row.end, row.type)
        for start, row in zip(starts, rows, strict=True)
    )
    assert len(seen) == N_EVENTS
    assert Counter(seen.values()) == {2: N_SEEN_TWICE, 1: N_EVENTS - N_SEEN_TWICE}
    spans = sorted((start, end) for start, end, _ in seen)
    assert all(before[1] < after[0] for before, after in pairwise(spans))


def test_each_window_holds_one_event_whole_and_cuts_no_other(
    series: GeneratedSeries, rows: list[LabelRow], starts: list[int]
) -> None:
    for start, row in zip(starts, rows, strict=True):
        end = start + WINDOW_LENGTH - 1
        touched = [e for e in series.events if e.start <= end and e.end >= start]
        assert len(touched) == 1
        assert start <= touched[0].start
        assert touched[0].end <= end
        assert abs(start + row.start - touched[0].start) <= 1
        assert abs(start + row.end - touched[0].end) <= 1


def test_spans_start_anywhere_in_20_to_88_and_last_2_to_23_bars(rows: list[LabelRow]) -> None:
    place = np.array([row.start for row in rows])
    length = np.array([row.end - row.start + 1 for row in rows])
    assert place.min() >= 20
    assert place.max() <= 88
    assert np.ptp(np.percentile(place, [10, 90])) > 40
    assert length.min() >= 2
    assert length.max() <= 23
    assert 6 < length.mean() < 10


def test_overlapping_windows_form_small_groups(starts: list[int]) -> None:
    sizes, size = [], 1
    for before, after in pairwise(sorted(starts)):
        if after - before < WINDOW_LENGTH + APART_BARS:
            size += 1
        else:
            sizes.append(size)
            size = 1
    assert max([*sizes, size]) <= MAX_GROUP
    assert len(sizes) >= 40


def test_types_keep_their_shares(rows: list[LabelRow]) -> None:
    counts = Counter(row.type for row in rows)
    for name, share in zip(SPAN_TYPES, (0.45, 0.35, 0.20), strict=True):
        assert counts[name] / N_WINDOWS == pytest.approx(share, abs=0.1)


def test_names_mix_the_formats_of_real_label_files(rows: list[LabelRow]) -> None:
    names = [row.window_id for row in rows]
    for fragment in ("_exp_1", "batch_", "window_", "_offset+"):
        assert any(fragment in name for name in names), fragment
    assert any(name.isdigit() for name in names)


def test_recut_names_tell_the_offset_in_bars(rows: list[LabelRow], starts: list[int]) -> None:
    start_of = {row.window_id: start for row, start in zip(rows, starts, strict=True)}
    recut = [name for name in start_of if "_offset+" in name]
    assert len(recut) == N_SEEN_TWICE
    for name in recut:
        first, offset = name.split("_offset+")
        assert start_of[name] - start_of[first] == int(offset)


def test_equal_seeds_cut_equal_windows(series: GeneratedSeries, rows: list[LabelRow]) -> None:
    again = cut_windows(series, seed=1) or []
    other = cut_windows(series, seed=2) or []
    assert [(r.window_id, r.start, r.end, r.type) for r in again] == [
        (r.window_id, r.start, r.end, r.type) for r in rows
    ]
    assert [r.start for r in other] != [r.start for r in rows]


def test_a_series_with_too_few_events_is_no_sample() -> None:
    assert cut_windows(generate_bars(5_000, seed=1), seed=1) is None
