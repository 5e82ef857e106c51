from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from moola.decoders import (
    DECODERS,
    Decoder,
    PerBar,
    decode,
    edges,
    kadane,
    rises,
    start_from_countdown,
)
from moola.exceptions import SchemaError
from moola.labels import create_expansion_labels, encode_pointers
from moola.length_prior import LengthPrior

PRIOR = LengthPrior(shape=4.0, scale=3.0, p_no_span=0.1)


def clear_heads(start: int, end: int) -> PerBar:
    """Return heads that all see the same span, without a doubt."""
    mask, _ = create_expansion_labels(start, end)
    edge_logits = np.full((1, 2, 105), -15.0)
    edge_logits[0, 0, start] = edge_logits[0, 1, end] = 0.0
    return PerBar(
        binary_logits=np.where(mask == 1, 12.0, -12.0)[None],
        edge_logits=edge_logits,
        pointers=encode_pointers([start], [end]),
    )


@pytest.mark.parametrize("decoder", DECODERS)
@pytest.mark.parametrize("span", [(0, 4), (50, 65), (100, 104)])
def test_every_decoder_finds_a_clear_span(decoder: Decoder, span: tuple[int, int]) -> None:
    found = decode(clear_heads(*span), decoder, PRIOR)
    assert (found.start[0], found.end[0]) == span


@pytest.mark.parametrize(("decoder", "head"), [("edge", "binary"), ("pointer", "pointer")])
def test_a_decoder_names_the_head_it_lacks(decoder: Decoder, head: str) -> None:
    with pytest.raises(SchemaError, match=f"reads the {head} head"):
        decode(PerBar(edge_logits=np.zeros((1, 2, 105))), decoder, PRIOR)


@given(st.lists(st.floats(-5, 5), min_size=1, max_size=12))
@settings(max_examples=100)
def test_kadane_finds_the_largest_sum_of_all_stretches(values: list[float]) -> None:
    (start,), (end,) = kadane(np.array([values]))
    best = max(sum(values[s : e + 1]) for s in range(len(values)) for e in range(s, len(values)))
    assert start <= end
    assert sum(values[start : end + 1]) == pytest.approx(best)


@given(st.integers(0, 2**32 - 1), st.integers(1, 6))
@settings(max_examples=50)
def test_rises_compare_the_bars_on_both_sides(seed: int, width: int) -> None:
    inside = np.random.default_rng(seed).random(20)
    found = rises(inside[None], width_bars=width)[0]
    for bar in range(20):
        after = [inside[min(bar + i, 19)] for i in range(width)]
        before = [inside[max(bar - 1 - i, 0)] for i in range(width)]
        assert found[bar] == pytest.approx(np.mean(after) - np.mean(before))


def test_an_edge_filter_looks_for_the_onset_not_for_the_largest_sum() -> None:
    # A slow swell, then a step: the sum takes what of the swell is above 0, the filter the step.
    logits = np.full((1, 105), -3.0)
    logits[0, 30:60] = np.linspace(-3, 0.5, 30)
    logits[0, 60:70] = 4.0
    assert kadane(logits)[0][0] == 55
    assert edges(logits)[0][0] == 60


@pytest.mark.parametrize("clip", [20, 200])
def test_the_start_is_where_the_countdown_crosses_zero(clip: int) -> None:
    countdown = np.stack([create_expansion_labels(start, 104)[1] for start in range(105)])
    starts = start_from_countdown(np.clip(countdown, -clip, clip))
    np.testing.assert_array_equal(starts, np.arange(105))


def test_a_crossing_between_two_bars_is_read_off_the_line() -> None:
    assert start_from_countdown([[3.0, 1.0, -3.0, -4.0]])[0] == 1.25


def test_a_short_dip_below_zero_is_not_the_start() -> None:
    countdown = create_expansion_labels(60, 70)[1]
    countdown[20] = -2
    assert start_from_countdown(countdown[None])[0] == 60


@pytest.mark.parametrize(("value", "start"), [(4.0, 104), (-4.0, 0)])
def test_a_countdown_that_never_crosses_starts_at_the_border(value: float, start: int) -> None:
    assert start_from_countdown(np.full((1, 105), value))[0] == start
