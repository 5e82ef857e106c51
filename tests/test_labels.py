from __future__ import annotations

import numpy as np
import pytest

from moola.exceptions import SchemaError
from moola.labels import create_expansion_labels, decode_pointers, encode_pointers

LEGAL_SPANS = np.array([(s, e) for s in range(105) for e in range(s, 105)])


def test_start_50_end_65_marks_sixteen_bars() -> None:
    mask, _ = create_expansion_labels(50, 65)
    np.testing.assert_array_equal(np.flatnonzero(mask), np.arange(50, 66))


@pytest.mark.parametrize(("bar", "bars_left"), [(0, 50), (45, 5), (50, 0), (55, -5), (104, -54)])
def test_countdown_falls_through_zero_at_the_start(bar: int, bars_left: int) -> None:
    _, countdown = create_expansion_labels(50, 65)
    assert countdown[bar] == bars_left


@pytest.mark.parametrize("span", [(0, 0), (104, 104), (0, 104), (30, 30), (74, 104)])
def test_mask_includes_both_ends(span: tuple[int, int]) -> None:
    mask, countdown = create_expansion_labels(*span)
    assert (np.flatnonzero(mask)[0], np.flatnonzero(mask)[-1]) == span
    assert countdown[span[0]] == 0
    assert mask.dtype == countdown.dtype == np.float32


def test_mask_gives_the_span_back_for_every_legal_span() -> None:
    for start, end in LEGAL_SPANS:
        inside = np.flatnonzero(create_expansion_labels(start, end)[0])
        assert (inside[0], inside[-1], inside.size) == (start, end, end - start + 1)


def test_other_window_lengths_are_possible() -> None:
    mask, countdown = create_expansion_labels(2, 4, window_length=6)
    assert mask.tolist() == [0, 0, 1, 1, 1, 0]
    assert countdown.tolist() == [2, 1, 0, -1, -2, -3]


@pytest.mark.parametrize(
    ("span", "sentence"),
    [
        ((-1, 5), "expansion_start should be in 0..104. Found -1"),
        ((105, 106), "expansion_start should be in 0..104. Found 105"),
        ((50, 105), "expansion_end should be in 0..104. Found 105"),
        ((50, 49), "should not come before expansion_start. Found 50..49"),
    ],
)
def test_an_illegal_span_is_refused(span: tuple[int, int], sentence: str) -> None:
    with pytest.raises(SchemaError, match=sentence):
        create_expansion_labels(*span)


@pytest.mark.parametrize(
    ("span", "center", "length"),
    [((50, 65), 57.5 / 104, 16 / 105), ((0, 0), 0, 1 / 105), ((104, 104), 1, 1 / 105)],
)
def test_pointers_are_centre_and_length(
    span: tuple[int, int], center: float, length: float
) -> None:
    assert encode_pointers(*span).tolist() == [center, length]


@pytest.mark.parametrize("precision", [np.float32, np.float64])
def test_pointers_give_every_legal_span_back(precision: type) -> None:
    assert len(LEGAL_SPANS) == 5565
    pointers = encode_pointers(LEGAL_SPANS[:, 0], LEGAL_SPANS[:, 1]).astype(precision)
    np.testing.assert_array_equal(np.stack(decode_pointers(pointers), axis=1), LEGAL_SPANS)


def test_pointers_stay_within_zero_and_one() -> None:
    pointers = encode_pointers(LEGAL_SPANS[:, 0], LEGAL_SPANS[:, 1])
    assert pointers.min() >= 0
    assert pointers.max() <= 1


def test_any_prediction_decodes_to_a_legal_span() -> None:
    pointers = np.stack(np.meshgrid(np.linspace(0, 1, 201), np.linspace(0, 1, 201)), axis=-1)
    start, end = decode_pointers(pointers)
    assert start.shape == (201, 201)
    assert (start >= 0).all()
    assert (end <= 104).all()
    assert (start <= end).all()
