"""Votes of overlapping windows become disjoint spans."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from moola.examples import NO_SPAN
from moola.scan_merging import CONTEXT_BARS, WindowVotes, merge_votes


def votes_for(
    spans: list[tuple[int, int]], n_bars: int = 600, *, confidence: float = 0.8, jitter: int = 0
) -> WindowVotes:
    """Every window says the first span that lies wholly in it, or nothing."""
    rng = np.random.default_rng(0)
    bar_start = np.arange(n_bars - 104)
    start, end = (np.full(len(bar_start), NO_SPAN, np.int64) for _ in range(2))
    for w in bar_start:
        held = [(s, e) for s, e in spans if s >= w and e <= w + 104]
        if held:
            start[w], end[w] = np.array(held[0]) + rng.integers(-jitter, jitter + 1, 2)
    return WindowVotes(
        bar_start,
        start,
        end,
        np.full(len(bar_start), confidence, np.float32),
        np.tile(np.float32([0.2, 0.5, 0.3]), (len(bar_start), 1)),
    )


def test_one_expansion_seen_by_sixty_windows_is_one_span() -> None:
    found = merge_votes(votes_for([(300, 314)]), n_bars=600)
    assert (found.start.tolist(), found.end.tolist()) == ([300], [314])
    assert found.n_windows.tolist() == [105 - 15 - 2 * CONTEXT_BARS + 1]
    np.testing.assert_allclose(found.support, 0.8, rtol=1e-6)
    np.testing.assert_allclose(found.type_probabilities, [[0.2, 0.5, 0.3]], rtol=1e-6)


def test_edges_that_differ_by_a_bar_or_two_are_votes_for_one_span() -> None:
    found = merge_votes(votes_for([(300, 314)], jitter=1), n_bars=600)
    assert len(found.start) == 1
    assert abs(found.start[0] - 300) <= 1
    np.testing.assert_allclose(found.support, 0.8, atol=0.03)  # two windows may be in or out


def test_windows_that_say_nothing_count_against_a_span() -> None:
    votes = votes_for([(300, 314)])
    silent = votes.bar_start % 4 != 0
    start = np.where(silent, NO_SPAN, votes.start)
    found = merge_votes(
        votes._replace(start=start, end=np.where(silent, NO_SPAN, votes.end)), n_bars=600
    )
    assert 0.15 < found.support[0] < 0.25


def test_windows_below_a_confidence_count_as_saying_nothing() -> None:
    votes = votes_for([(300, 314)])
    half = votes._replace(
        confidence=np.where(votes.bar_start % 2 == 0, 0.8, 0.4).astype(np.float32)
    )
    found = merge_votes(half.surer_than(0.5), n_bars=600)
    np.testing.assert_allclose(found.support, 0.4, atol=0.02)
    assert len(merge_votes(votes.surer_than(0.9), n_bars=600).start) == 0


def test_a_span_across_a_pause_is_no_vote() -> None:
    run_start = np.where(np.arange(600) < 305, 0, 305)
    assert len(merge_votes(votes_for([(300, 314)]), n_bars=600, run_start=run_start).start) == 0


def test_a_series_without_any_span_gives_none() -> None:
    found = merge_votes(votes_for([]), n_bars=600)
    assert found.start.size == 0
    assert found.type_probabilities.shape == (0, 3)


def test_the_first_and_the_last_window_may_see_spans_at_the_border() -> None:
    found = merge_votes(votes_for([(2, 9), (590, 598)]), n_bars=600, min_support=0.0)
    assert sorted(found.start.tolist()) == [2, 590]


@given(
    st.lists(
        st.tuples(st.integers(0, 190), st.integers(0, 30), st.floats(0.05, 1)),
        min_size=1,
        max_size=96,
    )
)
def test_merged_spans_never_overlap_and_are_some_windows_own(
    said: list[tuple[int, int, float]],
) -> None:
    n = len(said)
    bar_start = np.arange(n)
    start = np.array([min(s, w + 80) if s >= w else w for w, (s, _, _) in enumerate(said)])
    end = np.minimum(start + [length for _, length, _ in said], bar_start + 104)
    votes = WindowVotes(
        bar_start, start, end, np.float32([c for *_, c in said]), np.full((n, 3), 1 / 3, np.float32)
    )
    found = merge_votes(votes, n_bars=n + 104, min_support=0.0)
    order = np.argsort(found.start)
    assert (found.start[order][1:] > found.end[order][:-1]).all()
    own = set(zip(start.tolist(), end.tolist(), strict=True))
    assert set(zip(found.start.tolist(), found.end.tolist(), strict=True)) <= own
    assert ((found.support >= 0) & (found.support <= 1)).all()
