"""What intervals draw together: windows that share bars, and blocks of long chains of them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from moola.draw_groups import BLOCK_BARS, draw_groups
from moola.examples import Examples
from moola.metrics import Predicted, score
from moola.schema import WINDOW_LENGTH
from tests.hand_labels import hand_labelled


def drawn(
    bar_start: list[int], *, group: list[int] | None = None, series: list[str] | None = None
) -> list[int]:
    n = len(bar_start)
    numbers = draw_groups(
        np.array(group if group is not None else [0] * n, np.int64),
        np.array(series if series is not None else ["nq"] * n, np.str_),
        np.array(bar_start, np.int64),
        block_bars=1000,
    )
    return np.unique(numbers, return_inverse=True)[1].tolist()


def test_a_chain_is_cut_at_fixed_bars_and_a_window_belongs_to_the_block_of_its_first_bar() -> None:
    assert drawn([0, 500, 999, 1000, 1999, 2000, 2500]) == [0, 0, 0, 1, 1, 2, 2]


def test_less_than_half_a_block_at_an_end_goes_with_its_neighbour() -> None:
    assert drawn([499, 999, 1000, 2394]) == [0, 0, 1, 1]
    assert drawn([501, 999, 1000, 2395]) == [0, 0, 0, 1]


def test_a_group_no_longer_than_a_block_stays_whole_wherever_it_lies() -> None:
    assert drawn([900, 1000, 900 + 1000 - WINDOW_LENGTH]) == [0, 0, 0]
    assert drawn([100, 1000, 100 + 1500 - WINDOW_LENGTH]) == [0, 1, 1]


def test_two_groups_in_one_stretch_of_bars_are_drawn_apart() -> None:
    assert drawn([0, 200, 10, 300], group=[0, 1, 0, 1]) == [0, 1, 0, 1]


def test_a_group_over_two_series_stays_whole_since_their_bars_are_counted_apart() -> None:
    # The same feed imported twice: bar 0 of the one is bar 500 of the other.
    assert drawn([0, 1500, 500, 2000], series=["a", "a", "b", "b"]) == [0, 0, 0, 0]


def test_nothing_has_no_groups() -> None:
    assert drawn([]) == []


@given(
    st.lists(st.tuples(st.integers(0, 5), st.sampled_from("ab"), st.integers(0, 9000)), min_size=1),
    st.randoms(use_true_random=False),
)
def test_a_draw_group_lies_in_one_group_and_is_the_same_in_any_order_of_rows(rows, random) -> None:
    def numbers(of: list[tuple[int, str, int]]) -> list[int]:
        group, series, bar_start = zip(*of, strict=True)
        return draw_groups(np.array(group), np.array(series), np.array(bar_start)).tolist()

    found = numbers(rows)
    assert len(set(zip(found, (row[0] for row in rows), strict=True))) == len(set(found))
    order = list(range(len(rows)))
    random.shuffle(order)
    assert numbers([rows[at] for at in order]) == [found[at] for at in order]
    for number in set(found):
        inside = [row[2] for row, its in zip(rows, found, strict=True) if its == number]
        same_series = len({row[1] for row, its in zip(rows, found, strict=True) if its == number})
        assert same_series > 1 or max(inside) - min(inside) < 2 * BLOCK_BARS


def chain(n: int, step: int) -> Examples:
    """Windows of one group, `step` bars apart."""
    examples = hand_labelled([(40, 50)] * n, groups=[0] * n)
    return replace(examples, bar_start=np.arange(n, dtype=np.int64) * step)


def found(examples: Examples, off_bars: np.ndarray) -> Predicted:
    return Predicted(
        start=examples.start + off_bars,
        end=examples.end + off_bars,
        center_norm=np.full(len(examples), 0.5),
        type_id=examples.type_id,
        countdown_bars=None,
    )


def test_a_long_chain_has_an_interval_and_it_is_that_of_its_blocks() -> None:
    examples = chain(210, 35)  # 10 blocks of 735 bars with 21 windows each
    off = np.where(examples.bar_start // BLOCK_BARS % 2, 9, 0)
    hit = score(examples, found(examples, off))["hit_at_3"]
    assert (hit.value, hit.n_groups) == (0.5, 10)
    # As ten coins: one by one, 210 windows would have had 0.43 to 0.57.
    assert hit.interval() == pytest.approx((0.2, 0.8), abs=0.02)


def test_windows_that_share_nothing_have_the_interval_that_they_had() -> None:
    examples = hand_labelled([(40, 50)] * 40)
    hit = score(examples, found(examples, np.arange(40) % 4 * 2))["hit_at_3"]
    plain = replace(hit, group=examples.group)
    assert hit.interval() == plain.interval()
    assert hit.n_groups == 40


def test_a_part_of_the_windows_is_drawn_in_the_blocks_of_the_whole() -> None:
    examples = chain(60, 35)
    part = examples.take(np.arange(20, 35))  # over a border, and shorter than a block
    assert part.draw_group.tolist() == examples.draw_group[20:35].tolist()
    assert len(set(part.draw_group.tolist())) == 2


def test_other_groups_are_drawn_anew() -> None:
    examples = chain(60, 35)
    assert len(set(examples.draw_group.tolist())) == 3
    apart = replace(examples, group=np.arange(60))
    assert len(set(apart.draw_group.tolist())) == 60
