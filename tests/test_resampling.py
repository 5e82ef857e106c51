"""Differences between runs and means over seeds, with their intervals."""

from __future__ import annotations

import numpy as np
import pytest

from moola.exceptions import SchemaError
from moola.resampling import Interval, Score, over_seeds, paired, unpaired


def hits(*values: int, group: list[int] | None = None) -> Score:
    """A share of hits: one window a value, a group each unless named."""
    parts = np.stack([np.array(values, float), np.ones(len(values))], axis=1)
    groups = np.arange(len(values)) if group is None else np.array(group)
    return Score(parts, groups, lambda sums: sums[:, 0] / sums[:, 1])


def test_a_paired_difference_is_that_of_the_two_shares() -> None:
    change = paired(hits(1, 0, 0, 0), hits(1, 1, 1, 0))
    assert change.value == pytest.approx(0.75 - 0.25)


def test_two_runs_that_hit_the_same_windows_differ_by_exactly_nothing() -> None:
    one = hits(*[1, 0] * 20)
    assert paired(one, one).interval() == (0.0, 0.0)
    loose = unpaired(one, one)
    assert loose.low < -0.1
    assert loose.high > 0.1


def test_a_paired_interval_is_narrower_than_an_unpaired_one() -> None:
    before = hits(*[1, 0] * 20)
    after = hits(*[1, 0] * 18, 1, 1, 1, 1)
    low, high = paired(before, after).interval()
    loose = unpaired(before, after)
    assert high - low < 0.5 * (loose.high - loose.low)


def test_windows_are_drawn_in_the_coarser_groups_of_the_two() -> None:
    coarse = [0, 0, 1, 1]
    pair = paired(hits(1, 1, 0, 0), hits(1, 0, 0, 1, group=coarse))
    assert pair.group.tolist() == coarse


def test_scores_of_different_windows_cannot_be_paired() -> None:
    with pytest.raises(SchemaError, match="Found 2 and 3"):
        paired(hits(1, 0), hits(1, 0, 1))


def test_the_mean_over_seeds_is_of_seeds_and_not_of_windows() -> None:
    found = over_seeds([hits(*[1] * 10), hits(*[0] * 30)])
    assert found.value == 0.5


def test_seeds_that_disagree_widen_the_interval() -> None:
    alike = over_seeds([hits(*[1, 0] * 50), hits(*[1, 0] * 50), hits(*[1, 0] * 50)])
    apart = over_seeds([hits(*[1] * 100), hits(*[1, 0] * 50), hits(*[0] * 100)])
    assert alike.value == apart.value == 0.5
    assert apart.high - apart.low > 2 * (alike.high - alike.low)


def test_seeds_that_say_the_same_of_the_same_windows_add_no_certainty() -> None:
    one = hits(*[1, 0] * 20)
    low, high = one.interval()
    found = over_seeds([one] * 9)
    assert (found.low, found.high) == pytest.approx((low, high))
    assert high - low == pytest.approx(2 * 1.96 * np.sqrt(0.25 / 40), abs=0.03)


def test_two_seeds_of_which_one_hits_all_and_one_nothing_may_both_be_either() -> None:
    # A draw of two seeds is both, one of each, or neither: 1/4, 1/2, 1/4. The windows add nothing.
    found = over_seeds([hits(*[1] * 20), hits(*[0] * 20)])
    assert (found.value, found.low, found.high) == (0.5, 0.0, 1.0)


def test_seeds_that_hold_out_other_windows_are_drawn_by_the_groups_that_each_has() -> None:
    early, late = hits(*[1, 0] * 20), hits(*[1, 0] * 20, group=[*range(40, 80)])
    apart, together = over_seeds([early, late]), over_seeds([early, early])
    # Half of the draws take both, so that the variance is 1/2 + 1/2 * 1/2 of one seed's.
    ratio = (apart.high - apart.low) / (together.high - together.low)
    assert ratio == pytest.approx(np.sqrt(0.75), abs=0.07)


def test_the_interval_over_one_seed_is_about_that_over_its_windows() -> None:
    one = hits(*[1, 0] * 50)
    found, plain = over_seeds([one]), one.interval()
    assert (found.low, found.high) == pytest.approx(plain, abs=0.02)


def test_too_few_groups_have_a_value_and_no_interval() -> None:
    found = over_seeds([hits(*[1] * 5, *[0] * 4)])
    assert found.value == pytest.approx(5 / 9)
    assert np.isnan(found.low)
    assert np.isnan(unpaired(hits(1, 0), hits(1, 1)).high)
    assert np.isnan(over_seeds([hits(1, 0, 1)]).low)
    assert over_seeds([hits(*[1, 0] * 20)]).low > 0.2


def test_no_seed_has_no_value() -> None:
    assert np.isnan(over_seeds([]).value)


def test_an_interval_is_clear_of_zero_on_one_side_only() -> None:
    assert Interval(0.1, 0.02, 0.2).excludes_zero
    assert Interval(-0.1, -0.2, -0.02).excludes_zero
    assert not Interval(0.1, -0.02, 0.2).excludes_zero
    assert not Interval(0.1, float("nan"), float("nan")).excludes_zero
