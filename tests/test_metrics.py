from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from moola.epoch_metrics import HISTORY_KEYS, intervals, summarise
from moola.examples import Examples
from moola.exceptions import SchemaError
from moola.labels import encode_pointers
from moola.metrics import (
    Predicted,
    confusion,
    countdown_errors,
    edge_hits,
    f1_macro,
    false_alarm_rate,
    recall_min,
    recalls,
    score,
    span_iou,
)
from moola.resampling import group_interval
from tests.hand_labels import hand_labelled

BARS = np.arange(105)


def predict(examples: Examples, **changes: object) -> Predicted:
    """A perfect answer, with some columns replaced."""
    perfect = Predicted(
        start=examples.start,
        end=examples.end,
        center_norm=encode_pointers(examples.start, examples.end)[:, 0],
        type_id=examples.type_id,
        countdown_bars=(examples.start[:, None] - BARS).astype(float),
    )
    arrays = {key: np.asarray(value) for key, value in changes.items() if value is not None}
    return dataclasses.replace(perfect, **(dict.fromkeys(changes) | arrays))


@pytest.mark.parametrize(
    ("found", "hits"),
    [
        ((50, 65), (True, True, True, True)),
        ((47, 68), (True, True, True, True)),
        ((53, 68), (True, True, True, True)),
        ((46, 65), (False, False, True, True)),
        ((50, 69), (False, True, False, True)),
        ((46, 69), (False, False, False, True)),  # wrong edges around the right centre
        ((54, 69), (False, False, False, False)),
        ((-1, -1), (False, False, False, False)),
    ],
)
def test_a_hit_is_at_most_three_bars_off(
    found: tuple[int, int], hits: tuple[bool, bool, bool, bool]
) -> None:
    start, end = np.array([found[0]]), np.array([found[1]])
    result = edge_hits(start, end, true_start=np.array([50]), true_end=np.array([65]))
    assert tuple(bool(hit[0]) for hit in result) == hits


def test_no_decoded_span_is_a_miss_even_beside_bar_zero() -> None:
    nothing = np.array([-1])
    result = edge_hits(nothing, nothing, true_start=np.array([0]), true_end=np.array([2]))
    assert not any(hit[0] for hit in result)


@pytest.mark.parametrize(
    ("found", "iou"),
    [((50, 65), 1), ((58, 65), 0.5), ((66, 70), 0), ((40, 75), 16 / 36), ((-1, -1), 0)],
)
def test_iou_counts_both_ends(found: tuple[int, int], iou: float) -> None:
    start, end = np.array([found[0]]), np.array([found[1]])
    value = span_iou(start, end, true_start=np.array([50]), true_end=np.array([65]))
    assert value[0] == pytest.approx(iou)


def test_clipping_forgives_everything_beyond_twenty_bars() -> None:
    far = np.full((1, 105), -40.0)  # says: started long ago
    start = np.array([0])
    assert countdown_errors(far, true_start=start, clip=True)[0, [0, 10, 20, 104]].tolist() == [
        20,
        10,
        0,
        0,
    ]
    assert countdown_errors(far, true_start=start, clip=False)[0, [0, 40, 104]].tolist() == [
        40,
        0,
        64,
    ]


# Labelled consolidation 4 (3 right, 1 as reversal), retracement 2 (1 right, 1 as consolidation).
CELLS = np.array([[3.0, 0, 1], [1, 1, 0], [0, 0, 0]])


def test_confusion_counts_labelled_against_predicted() -> None:
    np.testing.assert_array_equal(confusion([0, 0, 0, 0, 1, 1], [0, 0, 0, 2, 1, 0]), CELLS)


def test_f1_and_recall_leave_out_a_type_that_no_window_is_labelled_with() -> None:
    np.testing.assert_allclose(recalls(CELLS), [0.75, 0.5, np.nan])
    assert recall_min(CELLS) == 0.5
    assert f1_macro(CELLS) == pytest.approx((3 / 4 + 2 / 3) / 2)


def test_the_majority_of_two_balanced_types_has_f1_of_a_third() -> None:
    cells = confusion([0] * 10 + [1] * 10, [0] * 20)
    assert f1_macro(cells) == pytest.approx(1 / 3)
    assert recall_min(cells) == 0


def test_a_perfect_answer_scores_perfectly() -> None:
    examples = hand_labelled([(50, 65), (0, 3), (104, 104)], types=[0, 1, 2])
    values = {key: item.value for key, item in score(examples, predict(examples)).items()}
    assert values == {
        "hit_at_3": 1,
        "start_at_3": 1,
        "end_at_3": 1,
        "center_at_3": 1,
        "iou_mean": 1,
        "iou_half_share": 1,
        "center_mae_norm": 0,
        "countdown_mae_bars": 0,
        "countdown_near_mae_bars": 0,
        "type_f1_macro": 1,
        "type_recall_min": 1,
    }


def test_values_are_means_over_windows_and_bars() -> None:
    examples = hand_labelled([(50, 65), (20, 29)])
    off_by_one = examples.start[:, None] - BARS + np.array([[1.0], [0.0]])
    predicted = predict(
        examples, start=[50, 26], center_norm=[57.5 / 104, 34.9 / 104], countdown_bars=off_by_one
    )
    values = {key: item.value for key, item in score(examples, predicted).items()}
    assert values["hit_at_3"] == values["start_at_3"] == 0.5
    assert values["end_at_3"] == 1
    assert values["iou_mean"] == pytest.approx((1 + 4 / 10) / 2)
    assert values["center_mae_norm"] == pytest.approx(10.4 / 104 / 2)
    # Off by one on the 40 bars from 30..70 that clipping leaves; the two windows have 41 and 41
    # bars within 20 of the start.
    assert values["countdown_mae_bars"] == pytest.approx(40 / 210)
    assert values["countdown_near_mae_bars"] == pytest.approx(41 / 82)


def test_windows_without_a_label_are_not_scored_but_counted_for_false_alarms() -> None:
    examples = hand_labelled([(50, 65), None, None, None, None])
    predicted = predict(examples, start=[50, 10, -1, -1, -1], end=[65, 20, -1, -1, -1])
    assert score(examples, predicted)["hit_at_3"].value == 1
    assert len(score(examples, predicted)["hit_at_3"].group) == 1
    assert false_alarm_rate(examples, predicted) == 0.25


def test_without_span_less_windows_there_is_no_false_alarm_rate() -> None:
    examples = hand_labelled([(50, 65)])
    assert np.isnan(false_alarm_rate(examples, predict(examples)))


def test_ignored_bars_do_not_count() -> None:
    examples = hand_labelled([(50, 65)])
    ignore = np.zeros((1, 105), bool)
    ignore[:, 60:] = True
    examples = dataclasses.replace(examples, ignore=ignore)
    countdown = np.where(BARS < 60, 50.0 - BARS, 1e6)[None]
    values = score(examples, predict(examples, countdown_bars=countdown))
    assert values["countdown_mae_bars"].value == 0
    assert values["countdown_near_mae_bars"].value == 0


def test_a_window_with_two_spans_is_scored_once_against_the_nearer_one() -> None:
    examples = hand_labelled(
        [(20, 30), (70, 80), (50, 60)], types=[0, 1, 2], windows=["a", "a", "b"], groups=[0, 0, 1]
    )
    predicted = predict(
        examples,
        start=[71, 71, 50],
        end=[81, 81, 60],
        center_norm=[75 / 104, 75 / 104, 55 / 104],
        type_id=[1, 1, 2],
        countdown_bars=np.array([[70.0], [70.0], [50.0]]) - BARS,
    )
    for key, item in score(examples, predicted).items():
        assert len(item.group) == 2, key
        perfect = 0 if "mae" in key else pytest.approx(1, abs=0.2 if key == "iou_mean" else 0)
        assert item.value == perfect, key


def test_without_countdown_and_without_labels_the_summary_is_shorter() -> None:
    examples = hand_labelled([(50, 65)])
    assert set(summarise(score(examples, predict(examples)))) == set(HISTORY_KEYS)
    bare = predict(examples, countdown_bars=None)
    assert set(summarise(score(examples, bare))) == set(HISTORY_KEYS) - {"countdown_mae_bars"}
    nothing = hand_labelled([None, None])
    assert summarise(score(nothing, predict(nothing))) == {}


def test_an_epoch_has_intervals_around_its_values_once_there_are_groups_enough() -> None:
    few = hand_labelled([(50, 65)] * 9)
    assert intervals(score(few, predict(few))) == {}
    many = hand_labelled([(40 + i, 55 + i) for i in range(12)])
    # The start of every other window is 4 bars late.
    start = many.start + 4 * (np.arange(12) % 2)
    found = score(many, predict(many, start=start))
    ranges = intervals(found)
    assert set(ranges) == set(HISTORY_KEYS)
    low, high = ranges["hit_at_3"]
    assert 0 < low < found["hit_at_3"].value == 0.5 < high < 1
    assert ranges == intervals(score(many, predict(many, start=start)))


def test_predictions_of_another_length_are_refused() -> None:
    examples = hand_labelled([(50, 65), (10, 12)])
    with pytest.raises(SchemaError, match=r"row for row\. Found 1 for 2"):
        score(examples, predict(examples).take(np.array([0])))


def share(sums: np.ndarray) -> np.ndarray:
    return sums[:, 0] / sums[:, 1]


def hits(values: np.ndarray) -> np.ndarray:
    return np.stack([values, np.ones(len(values))], axis=1).astype(float)


def test_the_interval_of_34_windows_at_84_percent_is_about_71_to_97() -> None:
    values = np.arange(34) < 28.5
    low, high = group_interval(hits(values), np.arange(34), share)
    assert low == pytest.approx(0.71, abs=0.03)
    assert high == pytest.approx(0.97, abs=0.03)


def test_windows_that_share_bars_widen_the_interval() -> None:
    values = np.repeat(np.arange(40) % 2 == 0, 10)
    alone = group_interval(hits(values), np.arange(400), share)
    together = group_interval(hits(values), np.repeat(np.arange(40), 10), share)
    assert together[1] - together[0] > 2.5 * (alone[1] - alone[0])


def test_the_interval_is_the_same_every_time() -> None:
    values = hits(np.random.default_rng(0).random(50))
    group = np.arange(50)
    assert group_interval(values, group, share) == group_interval(values, group, share)
    assert group_interval(values, group, share) != group_interval(values, group, share, seed=1)


@pytest.mark.parametrize("n_windows", [0, 5])
def test_fewer_than_two_groups_have_no_interval(n_windows: int) -> None:
    interval = group_interval(np.ones((n_windows, 2)), np.zeros(n_windows, int), share)
    assert np.isnan(interval).all()


def test_a_draw_without_a_rare_type_is_scored_on_the_others() -> None:
    examples = hand_labelled([(50, 60)] * 20, types=[0] * 19 + [1])
    scores = score(examples, predict(examples))
    assert scores["type_recall_min"].interval() == (1, 1)
    assert scores["type_f1_macro"].interval() == (1, 1)


@given(st.lists(st.booleans(), min_size=2, max_size=60), st.integers(0, 100))
def test_the_value_lies_inside_its_interval(values: list[bool], seed: int) -> None:
    low, high = group_interval(hits(np.array(values)), np.arange(len(values)), share, seed=seed)
    assert 0 <= low <= np.mean(values) <= high <= 1
