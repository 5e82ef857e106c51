"""A scan's windows a second beside plain PyTorch on the same bars, and its memory: `make bench`.

The plain way asks encoder and heads one by one and decodes nothing; a scan decodes as well. On the
real bars in ``../shared/bars`` where they are, on generated ones elsewhere.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from numpy.lib.stride_tricks import sliding_window_view

from moola.config import FinetuneConfig
from moola.features import compute_features
from moola.model import JadeCompact
from moola.runs import create_run
from moola.scanning import WindowScorer
from moola.schema import PRICE_COLUMNS, WINDOW_LENGTH
from moola.synthetic import generate_bars
from moola.trainer import Trainer
from moola.workspace import Workspace
from tests.benchmarks.detection.work import learn
from tests.benchmarks.detection.worlds import REAL_BARS, generated_plan, world
from tests.benchmarks.timing import interleaved, print_table

LONG_SERIES = REAL_BARS / "eurusd_1min_2017h1.parquet"
N_WINDOWS = 1024
ROUNDS = int(os.environ.get("BENCH_ROUNDS", "15"))


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The last checkpoint of a run in a workspace, trained for some epochs."""
    config = FinetuneConfig(device="cpu", epochs=20)
    trainer = Trainer(config, world("s0.9", 0, 60).train)
    learn(trainer)
    run = create_run(Workspace(tmp_path_factory.mktemp("scan")).runs_dir, config)
    path = run.path / "last.pt"
    trainer.checkpoint().save(path)
    return path


def bars() -> pd.DataFrame:
    if LONG_SERIES.exists():
        return pd.read_parquet(LONG_SERIES)
    return generate_bars(10_000, seed=0, plan=generated_plan("s0.9")).frame


def plain(model: JadeCompact, windows: torch.Tensor, batch_size: int) -> Callable[[], None]:
    @torch.no_grad()
    def run() -> None:
        for part in windows.split(batch_size):
            hidden, _ = model.encoder(model.scaled(part))
            pooled = model.projection(hidden.mean(dim=1)).relu()
            model.type_head(pooled)
            for head in (model.edge_head, model.binary_head, model.countdown_head):
                assert head is not None
                head(hidden)

    return run


def test_windows_a_second(checkpoint: Path) -> None:
    ohlc = bars()[list(PRICE_COLUMNS)].to_numpy(np.float64)[:10_000]
    features, some = compute_features(ohlc), range(5000, 5000 + N_WINDOWS)
    full, half = (WindowScorer(checkpoint, precision, "cpu", 64) for precision in ("fp32", "bf16"))
    assert not full.model.training
    views = sliding_window_view(features, WINDOW_LENGTH, axis=0).transpose(0, 2, 1)
    windows = torch.from_numpy(np.ascontiguousarray(views[some.start : some.stop]))
    seconds = interleaved(
        {
            "plain, batch 64, nothing decoded": plain(full.model, windows, 64),
            "plain, batch 16, nothing decoded": plain(full.model, windows, 16),
            "scan, fp32": lambda: full.score(features, some),
            "scan, fp32, nothing decoded": lambda: full.outputs(features, some),
            "scan, bf16": lambda: half.score(features, some),
        },
        rounds=ROUNDS,
    )
    print_table(f"{N_WINDOWS} windows", seconds)
    for name, values in seconds.items():
        print(f"{name:44}{N_WINDOWS / min(values):10,.0f} windows/s")
    (exact, _), (rounded, _) = (scorer.score(features, some) for scorer in (full, half))
    same = (np.abs(exact.start - rounded.start) <= 3) & (np.abs(exact.end - rounded.end) <= 3)
    types = [votes.type_probabilities.argmax(axis=1) for votes in (exact, rounded)]
    print(f"bf16 says the same span within 3 bars in {same.mean():.1%} of the windows, ", end="")
    print(f"the same type in {(types[0] == types[1]).mean():.1%}")


def test_memory_of_a_long_series(checkpoint: Path) -> None:
    run = checkpoint.parent
    root, file = run.parent.parent, run / "LONG.parquet"
    bars().to_parquet(file)
    moola = [sys.executable, "-m", "moola"]
    place = ["--workspace", str(root)]
    subprocess.run([*moola, "import", str(file), "--name", "LONG", *place], check=True)
    scan = ["scan", "LONG", "--run", run.name, "--device", "cpu", "--precision", "bf16"]
    process = subprocess.Popen([*moola, *scan, *place])
    _, status, used = os.wait4(process.pid, 0)
    assert status == 0
    n_windows = len(bars()) - WINDOW_LENGTH + 1
    cpu_s = used.ru_utime + used.ru_stime
    print(f"\n{n_windows:,} windows: {cpu_s:.1f} s of CPU ({n_windows / cpu_s:,.0f} windows/s), ")
    print(f"start and merging included; at most {used.ru_maxrss / 1024:,.0f} MB")
