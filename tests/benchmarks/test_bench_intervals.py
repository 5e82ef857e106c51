"""How often a 95 % interval holds the truth, and of how many groups it is: `make bench`.

Windows overlap on continuous bars. The generated hits depend on each other through the bars that
windows share and through a slower state of the market; the real ones are those of a simple rule on
the written rule's proposals in EURUSD minutes, where the truth is half a year and a sample is two
or four weeks. A day is 1,380 bars.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping

import numpy as np
import pandas as pd
import pytest
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray
from scipy.signal import lfilter

from moola.baselines.rules import largest_sums
from moola.draw_groups import BLOCK_BARS, draw_groups
from moola.proposals import average_true_range, propose_spans
from moola.resampling import group_interval, share_of_sums
from moola.schema import PRICE_COLUMNS, WINDOW_LENGTH
from tests.benchmarks.detection.worlds import REAL_BARS

LONG_SERIES = REAL_BARS / "eurusd_1min_2017h1.parquet"
DAY_BARS = 1380
BLOCKS = {
    f"{BLOCK_BARS:,} bars": BLOCK_BARS,
    "a day": DAY_BARS,
    "two days": 2 * DAY_BARS,
}
STEP_BARS, N_SAMPLES, N_DRAWS = 31, 300, 400
LEAST_SHARE = -0.3  # in standard deviations: about 60 % of windows are hit
NOISE = 0.7

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Sample = tuple[Ints, Floats]
"""First bars of windows, in order, and their hits."""


def chains(bar_start: Ints) -> Ints:
    return np.concatenate([[0], np.cumsum(np.diff(bar_start) >= WINDOW_LENGTH)])


def drawn(bar_start: Ints) -> dict[str, Ints]:
    group, series = chains(bar_start), np.full(len(bar_start), "s")
    blocks = {
        name: draw_groups(group, series, bar_start, block_bars=bars)
        for name, bars in BLOCKS.items()
    }
    return {"window": np.arange(len(bar_start)), "whole chain": group, **blocks}


def coverage(samples: list[Sample], truth: float) -> dict[str, tuple[float, float]]:
    """Return how many of the intervals hold the truth, and of how many groups they are."""
    held: dict[str, list[tuple[float, int]]] = {}
    for bar_start, hit in samples:
        parts = np.stack([hit, np.ones(len(hit))], axis=1)
        for name, group in drawn(bar_start).items():
            low, high = group_interval(parts, group, share_of_sums, n_draws=N_DRAWS)
            held.setdefault(name, []).append((low <= truth <= high, len(np.unique(group))))
    return {name: (mean[0], mean[1]) for name, mean in _means(held)}


def _means(held: Mapping[str, list[tuple[float, int]]]) -> Iterator[tuple[str, Floats]]:
    return ((name, np.mean(rows, axis=0)) for name, rows in held.items())


def state(rng: np.random.Generator, n_bars: int, half_life: float) -> Floats:
    keeps, warm = 0.5 ** (1 / half_life), int(10 * half_life)
    noise = rng.normal(size=n_bars + warm) * math.sqrt(1 - keeps**2)
    return np.asarray(lfilter([1], [1, -keeps], noise))[warm:]


def generated(n_bars: int, half_life: float, slow: float, *, n_chains: int = 1) -> list[Sample]:
    """Return samples of windows that hit if the mean state of their bars, with noise, is high."""
    apart = np.abs(np.subtract.outer(np.arange(WINDOW_LENGTH), np.arange(WINDOW_LENGTH)))
    kept = (1 - slow) * 0.5 ** (apart / half_life) + slow * 0.5 ** (apart / DAY_BARS)
    rng = np.random.default_rng(0)

    def chain() -> Sample:
        fast, regime = state(rng, n_bars, half_life), state(rng, n_bars, DAY_BARS)
        bars = math.sqrt(1 - slow) * fast + math.sqrt(slow) * regime
        mean = sliding_window_view(bars, WINDOW_LENGTH).mean(axis=1) / math.sqrt(kept.mean())
        bar_start = np.cumsum(rng.integers(1, 2 * STEP_BARS, 2 * n_bars // STEP_BARS))
        bar_start = bar_start[bar_start < len(mean)]
        noisy = mean[bar_start] + NOISE * rng.normal(size=len(bar_start))
        return bar_start, (noisy > LEAST_SHARE).astype(float)

    samples = []
    for _ in range(N_SAMPLES):
        parts = [chain() for _ in range(n_chains)]
        starts = [2 * n_bars * at + bar_start for at, (bar_start, _) in enumerate(parts)]
        samples.append((np.concatenate(starts), np.concatenate([hit for _, hit in parts])))
    return samples


def hit_share() -> float:
    return 0.5 * (1 + math.erf(-LEAST_SHARE / math.sqrt(2 * (1 + NOISE**2))))


def print_coverage(rows: Mapping[str, Mapping[str, tuple[float, float]]]) -> None:
    names = list(next(iter(rows.values())))
    print(f"\n{'share of intervals that hold the truth':48}{''.join(f'{n:>18}' for n in names)}")
    for title, found in rows.items():
        cells = [
            f"{100 * share:.0f} % of {n:.0f}" if n > 1 else "none"
            for share, n in (found[name] for name in names)
        ]
        print(f"{title:48}{''.join(f'{cell:>18}' for cell in cells)}")


def test_coverage_on_generated_bars() -> None:
    rows = {}
    for half_life, slow in ((10, 0.0), (60, 0.0), (60, 0.03), (60, 0.1)):
        told = f"half-life {half_life} bars" + (f", {slow:.0%} of it a day" if slow else "")
        for days in (10, 20, 40):
            samples = generated(days * DAY_BARS, half_life, slow)
            rows[f"{told}; {days} days"] = coverage(samples, hit_share())
    samples = generated(BLOCK_BARS, 60, 0.0, n_chains=18)
    rows["half-life 60 bars; 18 chains far apart"] = coverage(samples, hit_share())
    print_coverage(rows)
    blocks = f"{BLOCK_BARS:,} bars"
    assert rows["half-life 60 bars; 40 days"][blocks][0] > 0.9
    assert rows["half-life 60 bars; 40 days"]["window"][0] < 0.8


@pytest.mark.skipif(not LONG_SERIES.exists(), reason="the shared bars are not on this machine")
def test_coverage_on_real_bars() -> None:
    bar_start, hits, n_bars = rule_hits()
    rows = {}
    for name, hit in hits.items():
        for days in (10, 20):
            samples = []
            for first in range(0, n_bars - days * DAY_BARS, DAY_BARS):
                inside = (bar_start >= first) & (bar_start < first + days * DAY_BARS)
                samples.append((bar_start[inside], hit[inside]))
            rows[f"{name}; {days} days, {len(samples)} starts"] = coverage(samples, hit.mean())
    print_coverage(rows)


def rule_hits() -> tuple[Ints, dict[str, Floats], int]:
    """Return windows around proposals, and what the largest move in ATR finds of them."""
    frame = pd.read_parquet(LONG_SERIES)
    ohlc = frame[list(PRICE_COLUMNS)].to_numpy(np.float64)
    spans = propose_spans(ohlc, timestamps=frame["timestamp"])
    true = np.array([(span.start, span.end) for span in spans])
    bar_start = true[:, 0] - np.random.default_rng(0).integers(20, 80, len(true))
    fits = (bar_start >= 0) & (bar_start + WINDOW_LENGTH <= len(ohlc))
    order = np.flatnonzero(fits)[np.argsort(bar_start[fits], kind="stable")]
    true, bar_start = true[order], bar_start[order]
    moves = np.diff(ohlc[:, 3], prepend=ohlc[0, 0]) / np.maximum(
        average_true_range(ohlc, 20), 1e-12
    )
    inside = moves[bar_start[:, None] + np.arange(WINDOW_LENGTH)]
    up, down = largest_sums(inside - 0.2), largest_sums(-inside - 0.2)
    is_up = up.confidence >= down.confidence
    off = [
        np.abs(bar_start + np.where(is_up, one, other) - true[:, edge])
        for edge, (one, other) in enumerate(((up.start, down.start), (up.end, down.end)))
    ]
    hits = {
        "start within 3": (off[0] <= 3).astype(float),
        "both edges within 3": (np.maximum(*off) <= 3).astype(float),
        "start off, cut at 20": np.minimum(off[0], 20).astype(float),
    }
    return bar_start, hits, len(ohlc)
