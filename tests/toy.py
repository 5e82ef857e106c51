"""Small worlds in which the learning room can be tested: a span is a loud stretch of bars."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from moola.config import FinetuneConfig
from moola.examples import NO_SPAN, Examples
from moola.runs import RunFolder, create_run
from moola.schema import WINDOW_LENGTH
from moola.sweep_config import SweepConfig

TOY_BASE = {"device": "cpu", "batch_size": 8}
"""Options that the trials of a toy sweep share."""


def toy_examples(n: int = 12, *, seed: int = 0, n_without_span: int = 0) -> Examples:
    """Return `n` windows whose features show the span, its type and nothing else but noise.

    Every fourth window is for validation; the first `n_without_span` hold no span.
    """
    rng = np.random.default_rng(seed)
    start = rng.integers(15, 70, n)
    end = start + rng.integers(3, 23, n)
    type_id = np.arange(n) % 3
    bar = np.arange(WINDOW_LENGTH)
    inside = (bar >= start[:, None]) & (bar <= end[:, None])
    features = rng.normal(0, 0.1, (n, WINDOW_LENGTH, 12)).astype(np.float32)
    features[:, :, 0] += inside
    features[:, :, 1] += (type_id[:, None] - 1) * inside
    without = np.arange(n) < n_without_span
    inside[without] = False
    return Examples(
        window_uid=np.array([f"w{i:03d}" for i in range(n)]),
        series_id=np.array(["toy"] * n),
        bar_start=np.arange(n) * WINDOW_LENGTH,
        ohlc=np.ones((n, WINDOW_LENGTH, 4)),
        features=features,
        start=np.where(without, NO_SPAN, start),
        end=np.where(without, NO_SPAN, end),
        type_id=np.where(without, NO_SPAN, type_id),
        inside=inside,
        ignore=np.zeros((n, WINDOW_LENGTH), dtype=bool),
        cold=np.zeros(n, dtype=bool),
        group=np.arange(n),
        is_val=np.arange(n) % 4 == 3,
    )


def toy_run(folder: Path, examples: Examples | None = None, **options: object) -> RunFolder:
    """Return a run folder that is ready to train on the CPU."""
    # toy features are none of bars, so nothing of them is the same upside down
    defaults = {"device": "cpu", "epochs": 4, "batch_size": 4, "augment": "none"}
    config = FinetuneConfig.from_dict({**defaults, **options})
    run = create_run(folder, config)
    (toy_examples() if examples is None else examples).save(run.path / "dataset.npz")
    return run


def toy_sweep(folder: Path, **options: object) -> RunFolder:
    """Return a sweep over toy windows that is ready to be carried out."""
    values = {"base": TOY_BASE, "trials": 2, "folds": 2, "epoch_range": (1, 2), "prune": False}
    config = SweepConfig(**{**values, **options})  # pyright: ignore[reportArgumentType]
    run = create_run(folder, config, kind="sweep")
    toy_examples(24).save(run.path / "dataset.npz")
    return run


def walk_file(path: Path, n_bars: int, *, seed: int = 1) -> Path:
    """Write the bars of a random walk that `moola import` reads, and return `path`."""
    rng = np.random.default_rng(seed)
    close = 100 + np.cumsum(rng.normal(0, 0.05, n_bars))
    open_ = np.r_[100, close[:-1]]
    pd.DataFrame(
        {
            "timestamp": pd.date_range("2024-01-02", periods=n_bars, freq="min", tz="UTC"),
            "open": open_,
            "high": np.maximum(open_, close) + 0.02,
            "low": np.minimum(open_, close) - 0.02,
            "close": close,
            "volume": 1.0,
        }
    ).to_parquet(path)
    return path
