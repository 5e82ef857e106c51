from __future__ import annotations

import numpy as np
import pytest

from moola.calibration import fit_calibration
from moola.decode import IDENTITY, Calibration, decode_spans
from moola.examples import NO_SPAN
from moola.length_prior import LengthPrior
from moola.schema import WINDOW_LENGTH

PRIOR = LengthPrior(shape=4.0, scale=2.0, p_no_span=0.1)


def unsure_head(n: int = 80, seed: int = 0, share_without: float = 0.0) -> tuple[np.ndarray, ...]:
    """Logits of a head that sees the span, but calls every bar outside; neighbours agree."""
    rng = np.random.default_rng(seed)
    start = rng.integers(10, 80, n)
    end = start + rng.integers(3, 14, n)
    bar = np.arange(WINDOW_LENGTH)
    inside = (bar >= start[:, None]) & (bar <= end[:, None])
    noise = np.repeat(rng.normal(size=(n, WINDOW_LENGTH // 7)), 7, axis=1)
    without = rng.random(n) < share_without
    logits = -3.5 + 2.5 * (inside & ~without[:, None]) + 0.7 * noise
    return logits, np.where(without, NO_SPAN, start), np.where(without, NO_SPAN, end)


def hits(logits: np.ndarray, start: np.ndarray, end: np.ndarray, fit: Calibration) -> float:
    spans = decode_spans(logits, PRIOR, fit)
    return float(((abs(spans.start - start) <= 3) & (abs(spans.end - end) <= 3)).mean())


def test_calibrated_logits_find_spans_where_raw_ones_say_there_is_none() -> None:
    train, fresh = unsure_head(seed=0), unsure_head(seed=1)
    fit = fit_calibration(*train, PRIOR)
    raw = decode_spans(fresh[0], PRIOR)
    assert (raw.start == NO_SPAN).mean() > 0.9
    assert hits(*fresh, fit) > 0.7
    assert fit.offset > 0


def test_confidence_after_the_fit_is_close_to_the_hit_rate_on_fresh_windows() -> None:
    train, fresh = unsure_head(200, seed=2), unsure_head(200, seed=3)
    fit = fit_calibration(*train, PRIOR)
    confidence = decode_spans(fresh[0], PRIOR, fit).confidence.mean()
    assert confidence == pytest.approx(hits(*fresh, fit), abs=0.1)


def test_windows_without_a_span_still_come_out_empty() -> None:
    train = unsure_head(120, seed=4, share_without=0.5)
    fresh = unsure_head(120, seed=5, share_without=0.5)
    prior = LengthPrior(shape=4.0, scale=2.0, p_no_span=0.5)
    spans = decode_spans(fresh[0], prior, fit_calibration(*train, prior))
    said_none, has_none = spans.start == NO_SPAN, fresh[1] == NO_SPAN
    assert (said_none == has_none).mean() > 0.9


def test_the_fit_is_where_the_labelled_spans_are_most_probable() -> None:
    logits, start, end = unsure_head(30)

    def penalised(scale: float, offset: float) -> float:
        """Log posterior of the labelled cells by plain sums, with the pull towards (1, 0)."""
        from moola.length_prior import log_prior_cells

        cells = log_prior_cells(PRIOR)
        total = 0.0
        for window, s, e in zip(scale * logits + offset, start, end, strict=True):
            sums = np.pad(np.cumsum(window), (1, 0))
            grid = sums[None, 1:] - sums[:-1, None] + cells
            every = np.append(grid.ravel(), np.log(PRIOR.p_no_span))
            total += grid[s, e] - np.logaddexp.reduce(every)
        return total - ((scale - 1) ** 2 + offset**2) / 2

    fit = fit_calibration(logits, start, end, PRIOR)
    best = penalised(fit.scale, fit.offset)
    for shift in ((0.02, 0.0), (-0.02, 0.0), (0.0, 0.02), (0.0, -0.02)):
        assert penalised(fit.scale + shift[0], fit.offset + shift[1]) < best


def test_the_starting_point_does_not_matter() -> None:
    data = unsure_head(40)
    from_identity = fit_calibration(*data, PRIOR)
    from_afar = fit_calibration(*data, PRIOR, initial=Calibration(scale=0.1, offset=1.0))
    assert from_afar.scale == pytest.approx(from_identity.scale, abs=5e-3)
    assert from_afar.offset == pytest.approx(from_identity.offset, abs=5e-3)


def test_identity_changes_nothing() -> None:
    logits, _, _ = unsure_head(10)
    for raw, same in zip(
        decode_spans(logits, PRIOR), decode_spans(logits, PRIOR, IDENTITY), strict=True
    ):
        np.testing.assert_array_equal(raw, same)
