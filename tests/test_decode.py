from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from moola.decode import Calibration, decode_spans
from moola.exceptions import SchemaError
from moola.labels import create_expansion_labels
from moola.length_prior import LengthPrior, fit_length_prior, log_prior_cells

PRIOR = LengthPrior(shape=4.0, scale=3.0, p_no_span=0.1)
FLAT = LengthPrior(shape=1.0, scale=1e9, p_no_span=1e-9)
LEGAL_SPANS = [(s, e) for s in range(105) for e in range(s, 105)]


def clean_logits(start: int, end: int, *, height: float = 12.0) -> NDArray[np.float64]:
    mask, _ = create_expansion_labels(start, end)
    return np.where(mask == 1, height, -height)


def brute_force(logits: NDArray[np.float64], prior: LengthPrior) -> dict[str, float]:
    """Score every span one by one, as the module's first lines say."""
    density = [n ** (prior.shape - 1) * math.exp(-n / prior.scale) for n in range(1, 106)]
    posterior = {None: prior.p_no_span}
    for start, end in LEGAL_SPANS:
        n = end - start + 1
        p_length = density[n - 1] / sum(density)
        p_span = (1 - prior.p_no_span) * p_length / (106 - n)
        posterior[start, end] = p_span * math.exp(logits[start : end + 1].sum())
    total = sum(posterior.values())
    p_no_span = posterior.pop(None) / total
    if p_no_span > 0.5:
        return {"start": -1, "end": -1, "confidence": p_no_span, "p_no_span": p_no_span}
    best = max(posterior, key=lambda span: posterior[span])
    near = sum(
        p for (s, e), p in posterior.items() if abs(s - best[0]) <= 3 and abs(e - best[1]) <= 3
    )
    return dict(zip(("start", "end"), best, strict=True)) | {
        "confidence": near / total,
        "p_no_span": p_no_span,
    }


def kadane(values: NDArray[np.float64]) -> tuple[int, int]:
    """Span of the largest sum, in one pass."""
    best, best_span, running, start = -math.inf, (0, 0), 0.0, 0
    for bar, value in enumerate(values):
        if running <= 0:
            running, start = 0.0, bar
        running += value
        if running > best:
            best, best_span = running, (start, bar)
    return best_span


@pytest.mark.parametrize("prior", [PRIOR, LengthPrior(0.8, 20.0, 0.5)])
@pytest.mark.parametrize("level", [-1.0, -0.3, 0.2])
def test_agrees_with_scoring_every_span_one_by_one(prior: LengthPrior, level: float) -> None:
    logits = np.random.default_rng(3).normal(level, 1, (12, 105))
    decoded = decode_spans(logits, prior)
    for window, row in enumerate(logits):
        expected = brute_force(row, prior)
        assert decoded.start[window] == expected["start"]
        assert decoded.end[window] == expected["end"]
        assert decoded.confidence[window] == pytest.approx(expected["confidence"])
        assert decoded.p_no_span[window] == pytest.approx(expected["p_no_span"])


def test_every_legal_span_is_found_again_in_clean_logits() -> None:
    logits = np.stack([clean_logits(start, end) for start, end in LEGAL_SPANS])
    decoded = decode_spans(logits, PRIOR)
    np.testing.assert_array_equal(np.stack([decoded.start, decoded.end], axis=1), LEGAL_SPANS)
    assert decoded.p_no_span.max() < 0.5


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=50)
def test_without_a_prior_the_best_span_has_the_largest_sum(seed: int) -> None:
    logits = np.random.default_rng(seed).normal(0, 100, 105)
    decoded = decode_spans(logits[None], FLAT)
    start, end = kadane(logits)
    found = logits[decoded.start[0] : decoded.end[0] + 1].sum()
    # A flat prior still prefers a long span a little: it has fewer places to be in.
    assert found >= logits[start : end + 1].sum() - math.log(105)


def test_low_logits_everywhere_mean_no_span() -> None:
    decoded = decode_spans(np.full((1, 105), -6.0), PRIOR)
    assert (decoded.start[0], decoded.end[0]) == (-1, -1)
    assert decoded.p_no_span[0] > 0.9
    assert decoded.confidence[0] == decoded.p_no_span[0]


def test_a_length_that_never_occurs_in_training_is_not_chosen_lightly() -> None:
    # Two humps: a long weak one with the larger sum, and one of the usual length.
    logits = np.full(105, -2.0)
    logits[5:65] = 0.2
    logits[80:90] = 1.1
    assert kadane(logits) == (5, 64)
    usual = fit_length_prior([8, 9, 10, 11, 12, 10], 0)
    decoded = decode_spans(logits[None], usual)
    assert (decoded.start[0], decoded.end[0]) == (80, 89)


def test_confidence_is_high_for_clean_edges_and_low_for_vague_ones() -> None:
    vague = -np.abs(np.arange(105) - 52) / 40 + 0.4
    decoded = decode_spans(np.stack([clean_logits(40, 60), vague]), PRIOR)
    assert decoded.confidence[0] > 0.999
    assert decoded.confidence[1] < 0.5


def test_extreme_logits_do_not_overflow() -> None:
    logits = np.stack([np.full(105, 1e5), np.full(105, -1e5), clean_logits(3, 9, height=1e5)])
    decoded = decode_spans(logits, PRIOR)
    assert np.isfinite(decoded.confidence).all()
    assert decoded.start.tolist() == [0, -1, 3]
    assert decoded.end.tolist() == [104, -1, 9]


def test_many_windows_decode_as_one_by_one() -> None:
    logits = np.random.default_rng(0).normal(-0.5, 2, (130, 105))
    together = decode_spans(logits, PRIOR)
    for window in (0, 63, 64, 129):
        alone = decode_spans(logits[window : window + 1], PRIOR)
        for one, all_of_them in zip(alone, together, strict=True):
            np.testing.assert_allclose(one[0], all_of_them[window], atol=1e-12)


def test_no_windows_decode_to_nothing() -> None:
    assert [len(column) for column in decode_spans(np.empty((0, 105)), PRIOR)] == [0] * 6


@pytest.mark.parametrize(
    ("logits", "sentence"),
    [
        (np.zeros((2, 104)), r"shape \(W, 105\). Found \(2, 104\)"),
        (np.zeros(105), r"shape \(W, 105\)"),
        (np.where(np.arange(210).reshape(2, 105) == 150, np.nan, 0), "infinity in window 1"),
    ],
)
def test_unusable_logits_are_refused(logits: NDArray, sentence: str) -> None:
    with pytest.raises(SchemaError, match=sentence):
        decode_spans(logits, PRIOR)


def test_the_prior_sums_to_one() -> None:
    cells = np.exp(log_prior_cells(PRIOR))
    assert cells.sum() + PRIOR.p_no_span == pytest.approx(1)
    assert np.tril(cells, -1).sum() == 0


def test_the_fitted_prior_has_the_shape_of_the_lengths() -> None:
    lengths = np.random.default_rng(1).gamma(4, 3, 5000)
    prior = fit_length_prior(lengths, n_windows_without_span=0)
    assert prior.shape == pytest.approx(4, rel=0.1)
    assert prior.shape * prior.scale == pytest.approx(lengths.mean())


@pytest.mark.parametrize(
    ("n_spans", "n_without", "p_no_span"), [(9, 0, 0.05), (0, 9, 0.95), (5, 5, 0.5)]
)
def test_the_chance_of_no_span_is_never_quite_zero_or_one(
    n_spans: int, n_without: int, p_no_span: float
) -> None:
    assert fit_length_prior([7.0] * n_spans, n_without).p_no_span == pytest.approx(p_no_span)


def test_equal_lengths_leave_room_for_others() -> None:
    prior = fit_length_prior([10, 10, 10], 0)
    assert math.sqrt(prior.shape) * prior.scale >= 2  # standard deviation in bars


def test_without_any_span_every_length_is_about_equally_likely() -> None:
    cells = log_prior_cells(fit_length_prior([], 3))
    by_length = [np.exp(cells.diagonal(n)).sum() for n in range(105)]
    assert max(by_length) / min(by_length) < 1.02


def test_a_prior_survives_json() -> None:
    assert LengthPrior.from_dict(PRIOR.to_dict()) == PRIOR


@pytest.mark.parametrize("values", [{}, {"shape": 1, "scale": "x", "p_no_span": 0.1}])
def test_a_damaged_prior_is_refused(values: dict) -> None:
    with pytest.raises(SchemaError, match="should hold shape, scale and p_no_span"):
        LengthPrior.from_dict(values)


@pytest.mark.parametrize(
    "values", [(0, 1, 0.5), (1, -1, 0.5), (1, 1, 0), (1, 1, 1), (1, 1, np.nan)]
)
def test_an_impossible_prior_is_refused(values: tuple[float, float, float]) -> None:
    with pytest.raises(SchemaError, match="length prior should have"):
        LengthPrior(*values)


def softmax(logits: NDArray) -> NDArray:
    return np.exp(logits - np.logaddexp.reduce(logits, axis=-1, keepdims=True))


def brute_force_edges(
    logits: NDArray, edge_logits: NDArray, calibration: Calibration
) -> dict[tuple[int, int] | None, float]:
    """Posterior of every span and of none, one by one: either edge leads, the other follows."""
    p_start, p_end = softmax(edge_logits)
    prior = np.exp(log_prior_cells(PRIOR))
    evidence = 0.0
    for s, e in LEGAL_SPANS:
        inside = calibration.scale * logits[s : e + 1].sum() + calibration.offset * (e - s + 1)
        at_edges = (105 * p_start[s] * 105 * p_end[e]) ** calibration.edge
        evidence += prior[s, e] * math.exp(inside) * at_edges
    none = PRIOR.p_no_span / (PRIOR.p_no_span + evidence)
    scores: dict[tuple[int, int] | None, float] = {None: none}
    for s, e in LEGAL_SPANS:
        end_after = p_end[e] * prior[s, e] / sum(p_end[i] * prior[s, i] for i in range(s, 105))
        start_before = (
            p_start[s] * prior[s, e] / sum(p_start[i] * prior[i, e] for i in range(e + 1))
        )
        scores[s, e] = (1 - none) * (p_start[s] * end_after + p_end[e] * start_before) / 2
    return scores


@pytest.mark.parametrize("calibration", [Calibration(), Calibration(0.4, 0.1, 0.6)])
def test_edges_lead_each_other_as_scored_one_by_one(calibration: Calibration) -> None:
    rng = np.random.default_rng(5)
    logits, edge_logits = rng.normal(-0.2, 1, (3, 105)), rng.normal(0, 2, (3, 2, 105))
    decoded = decode_spans(logits, PRIOR, calibration, edge_logits=edge_logits)
    for window in range(3):
        posterior = brute_force_edges(logits[window], edge_logits[window], calibration)
        assert sum(posterior.values()) == pytest.approx(1)
        assert decoded.p_no_span[window] == pytest.approx(posterior.pop(None))
        best = max(posterior, key=lambda span: posterior[span])
        assert (decoded.start[window], decoded.end[window]) == best
        for bar in (0, best[0], 104):
            mass = sum(p for (s, _), p in posterior.items() if s == bar)
            assert decoded.start_prob[window, bar] == pytest.approx(mass)
            mass = sum(p for (_, e), p in posterior.items() if e == bar)
            assert decoded.end_prob[window, bar] == pytest.approx(mass)


def test_two_edges_that_follow_one_decoy_are_no_surer_than_one() -> None:
    # Both edges give the span at 30 a chance of 0.6 and the decoy at 70 the rest.
    edge_logits = np.full((1, 2, 105), -30.0)
    edge_logits[0, 0, [30, 70]] = edge_logits[0, 1, [40, 80]] = np.log([0.6, 0.4])
    decoded = decode_spans(np.full((1, 105), 5.0), PRIOR, edge_logits=edge_logits)
    assert (decoded.start[0], decoded.end[0]) == (30, 40)
    assert decoded.confidence[0] == pytest.approx(0.6, abs=0.01)  # not .36 / (.36 + .16) = .69


def test_inside_logits_say_whether_there_is_a_span_and_edges_where() -> None:
    edge_logits = np.full((2, 2, 105), -30.0)
    edge_logits[:, 0, 30] = edge_logits[:, 1, 40] = 0.0
    inside = np.stack([clean_logits(60, 70), np.full(105, -6.0)])
    decoded = decode_spans(inside, PRIOR, Calibration(edge=0.1), edge_logits=edge_logits)
    assert decoded.start.tolist() == [30, -1]
    assert decoded.end.tolist() == [40, -1]


@pytest.mark.parametrize("size", [1e3, 1e6])
def test_extreme_edge_logits_do_not_overflow(size: float) -> None:
    edge_logits = np.full((1, 2, 105), -size)
    edge_logits[0, 0, 80] = edge_logits[0, 1, 20] = size  # an end before the start
    narrow = fit_length_prior([4] * 50, 0)
    decoded = decode_spans(None, narrow, edge_logits=edge_logits)
    assert np.isfinite(decoded.start_prob).all()
    assert decoded.start_prob.sum() + decoded.p_no_span[0] == pytest.approx(1)


def test_the_hit_decision_takes_the_span_with_most_posterior_within_three_bars() -> None:
    rng = np.random.default_rng(6)
    logits, edge_logits = rng.normal(0.2, 0.5, (4, 105)), rng.normal(0, 2, (4, 2, 105))
    decoded = decode_spans(logits, PRIOR, edge_logits=edge_logits, decision="hit")
    for window in range(4):
        posterior = brute_force_edges(logits[window], edge_logits[window], Calibration())
        posterior.pop(None)
        grid = np.zeros((111, 111))
        for (s, e), p in posterior.items():
            grid[s + 3, e + 3] = p
        mass = {(s, e): grid[s : s + 7, e : e + 7].sum() for s, e in LEGAL_SPANS}
        best = max(mass, key=lambda span: mass[span] + 0.05 * posterior[span])
        assert (decoded.start[window], decoded.end[window]) == best
        assert decoded.confidence[window] == pytest.approx(mass[best])


def test_a_bar_head_alone_is_enough() -> None:
    edge_logits = np.full((1, 2, 105), -20.0)
    edge_logits[0, 0, 41] = edge_logits[0, 1, 52] = 0.0
    decoded = decode_spans(None, PRIOR, edge_logits=edge_logits)
    assert (decoded.start[0], decoded.end[0]) == (41, 52)
    assert decoded.edge_entropy()[0] < 0.01


def test_edges_that_may_be_anywhere_have_an_entropy_near_one() -> None:
    flat = decode_spans(np.zeros((1, 105)), LengthPrior(1.0, 1e9, 0.01))
    assert 0.9 < flat.edge_entropy()[0] <= 1


def test_spans_need_some_logits() -> None:
    with pytest.raises(SchemaError, match="Found neither"):
        decode_spans(None, PRIOR)
