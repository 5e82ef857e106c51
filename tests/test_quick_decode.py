"""The compiled decoder says what `moola.decode` says."""

from __future__ import annotations

import numpy as np
import pytest

from moola.decode import Calibration, decode_spans
from moola.length_prior import fit_length_prior
from moola.quick_decode import quick_decode

PRIOR = fit_length_prior([5, 8, 9, 13, 16, 21], 2)


@pytest.mark.parametrize("spread", [0.1, 1.0, 6.0, 20.0])
@pytest.mark.parametrize("mean", [-3.0, 0.0, 3.0])
@pytest.mark.parametrize("heads", ["inside", "edges", "both"])
def test_it_finds_the_spans_of_the_plain_decoder(spread: float, mean: float, heads: str) -> None:
    rng = np.random.default_rng(int(10 * spread))
    inside = rng.normal(mean, spread, (40, 105)).astype(np.float32)
    edges = rng.normal(0, spread, (40, 2, 105)).astype(np.float32)
    inside[:, 40:52] += 2 * spread
    given = (inside if heads != "edges" else None, edges if heads != "inside" else None)
    calibration = Calibration(0.7, 0.3, 0.8)
    plain = decode_spans(given[0], PRIOR, calibration, edge_logits=given[1], decision="hit")
    quick = quick_decode(*given, PRIOR, calibration)
    assert quick.start.tolist() == plain.start.tolist()
    assert quick.end.tolist() == plain.end.tolist()
    np.testing.assert_allclose(quick.confidence, plain.confidence, atol=1e-9)
    np.testing.assert_allclose(quick.p_no_span, plain.p_no_span, atol=1e-9)


@pytest.mark.parametrize(("start", "end"), [(0, 5), (0, 12), (92, 104), (99, 104)])
def test_spans_at_the_border_of_the_window_are_found(start: int, end: int) -> None:
    logits = np.full((1, 105), -8.0, np.float32)
    logits[0, start : end + 1] = 8.0
    quick = quick_decode(logits, None, PRIOR, Calibration())
    assert (quick.start[0], quick.end[0]) == (start, end)


def test_windows_that_surely_hold_no_span_need_no_edges() -> None:
    inside, edges = np.full((1, 105), -1e5, np.float32), np.zeros((1, 2, 105), np.float32)
    quick = quick_decode(inside, edges, PRIOR, Calibration())
    assert (quick.start[0], quick.confidence[0]) == (-1, 1.0)


@pytest.mark.parametrize("certainty", [4.0, 12.0, 40.0])
def test_evidence_too_large_for_products_is_decoded_all_the_same(certainty: float) -> None:
    """The likeliest start, taken alone, lies after the likeliest end: e^(80 x 40) apart."""
    logits = np.full((1, 105), -certainty, np.float32)
    logits[0, 10:24] = certainty
    plain = decode_spans(logits, PRIOR, Calibration(), decision="hit")
    quick = quick_decode(logits, None, PRIOR, Calibration())
    assert (quick.start[0], quick.end[0]) == (plain.start[0], plain.end[0]) == (10, 23)
    np.testing.assert_allclose(quick.confidence, plain.confidence, atol=1e-9)
