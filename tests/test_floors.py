from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from moola.exceptions import SchemaError
from moola.floors import best_constant_span, fit_constants
from moola.metrics import score
from tests.hand_labels import hand_labelled

SPANS = st.tuples(st.integers(0, 104), st.integers(0, 104)).map(lambda span: tuple(sorted(span)))


def n_hits(constant: tuple[int, int], spans: np.ndarray) -> int:
    return int((np.abs(spans - constant) <= 3).all(axis=1).sum())


@given(st.lists(SPANS, min_size=1, max_size=12))
def test_no_other_span_hits_more_of_the_training_spans(spans: list[tuple[int, int]]) -> None:
    array = np.array(spans)
    found = best_constant_span(array[:, 0], array[:, 1])
    assert found[0] <= found[1]
    near_any = {(s + ds, e + de) for s, e in spans for ds in range(-3, 4) for de in range(-3, 4)}
    legal = [(s, e) for s, e in near_any if 0 <= s <= e <= 104]
    assert n_hits(found, array) == max(n_hits(span, array) for span in legal)


def test_each_constant_is_the_best_for_its_own_metric() -> None:
    examples = hand_labelled([(40, 50), (42, 52), (44, 54), (90, 99)], types=[2, 1, 2, 0])
    constants = fit_constants(examples)
    assert (constants.start, constants.end) == (42, 52)
    assert constants.center_norm == pytest.approx(48 / 104)
    assert constants.type_id == 2
    assert constants.countdown_bars[[0, 30, 43, 104]].tolist() == [20, 13, 0, -20]


def test_no_shifted_profile_or_centre_does_better_on_the_training_rows() -> None:
    rng = np.random.default_rng(0)
    start = rng.integers(10, 80, 60)
    end = start + rng.integers(0, 20, 60)
    examples = hand_labelled(list(zip(start, end, strict=True)))
    constants = fit_constants(examples)
    best = score(examples, constants.predict(60))
    for shift in (-3, -1, 1, 3):
        moved = constants.predict(60)
        moved.countdown_bars[:] = np.clip(moved.countdown_bars + shift, -20, 20)
        moved.center_norm[:] += shift / 104
        other = score(examples, moved)
        for key in ("countdown_mae_bars", "center_mae_norm"):
            assert best[key].value <= other[key].value


def test_rows_without_a_span_do_not_move_the_constants() -> None:
    with_span = fit_constants(hand_labelled([(40, 50), (60, 62)]))
    mixed = fit_constants(hand_labelled([(40, 50), None, (60, 62), None]))
    assert (mixed.start, mixed.end, mixed.center_norm, mixed.type_id) == (
        with_span.start,
        with_span.end,
        with_span.center_norm,
        with_span.type_id,
    )
    np.testing.assert_array_equal(mixed.countdown_bars, with_span.countdown_bars)


def test_without_training_spans_there_is_no_floor() -> None:
    with pytest.raises(SchemaError, match="Found none"):
        fit_constants(hand_labelled([None]))


def test_the_majority_type_finds_no_other_type() -> None:
    train = hand_labelled([(40, 50)] * 3, types=[1, 1, 0])
    val = hand_labelled([(40, 50)] * 2, types=[1, 0])
    scores = score(val, fit_constants(train).predict(2))
    assert scores["type_f1_macro"].value == pytest.approx(1 / 3)
    assert scores["type_recall_min"].value == 0
