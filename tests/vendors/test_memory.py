"""An import of many bars needs no more memory than one of few."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from pyarrow import csv

ROOT = Path(__file__).parents[2]
FEW, MANY = 750_000, 1_500_000
"""From the first on every buffer of the reader is in full use, and the peak hardly grows."""
MEASURE = """
import re, sys
from pathlib import Path
from moola.bars import BarStore
from moola.importing import import_bars
from moola.store import LabelStore

def peak_kb():
    # getrusage would tell the peak of the process that started this one, if that was higher
    return int(re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1])

path, folder = Path(sys.argv[1]), Path(sys.argv[2])
before = peak_kb()
store = LabelStore.open(f"sqlite:///{folder / 'moola.db'}")
report = import_bars(path, store, BarStore(folder / "bars"))
print(report.n_rows, peak_kb() - before)
"""


def many_bars(n_bars: int) -> pd.DataFrame:
    rng = np.random.default_rng(0)
    close = 15_000 + 0.25 * rng.integers(-2, 3, n_bars).cumsum()
    times = pd.date_range("2010-01-01", periods=n_bars, freq="1min", tz="UTC", unit="s")
    return pd.DataFrame(
        {"timestamp": times, "open": close, "high": close + 1, "low": close - 1, "close": close,
         "volume": rng.integers(1, 500, n_bars).astype(float)}
    )  # fmt: skip


def memory_kb(path: Path, folder: Path) -> tuple[int, int]:
    """Return how many bars were imported, and by how much the peak of memory grew for it."""
    folder.mkdir()
    done = subprocess.run(
        [sys.executable, "-c", MEASURE, path, folder],
        cwd=ROOT, capture_output=True, text=True, check=True,
    )  # fmt: skip
    n_rows, grown = done.stdout.split()
    return int(n_rows), int(grown)


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="needs Linux")
@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_memory_does_not_grow_with_the_number_of_bars(suffix: str, tmp_path: Path) -> None:
    grown = {}
    for n_bars in (FEW, MANY):
        bars, path = many_bars(n_bars), tmp_path / f"{n_bars}.{suffix}"
        if suffix == "csv":
            csv.write_csv(pa.Table.from_pandas(bars, preserve_index=False), path)
        else:
            bars.to_parquet(path)
        n_rows, grown[n_bars] = memory_kb(path, tmp_path / str(n_bars))
        assert n_rows == n_bars
    assert grown[FEW] > 0
    assert grown[MANY] < 1.4 * grown[FEW], "twice the bars, about the same memory"
