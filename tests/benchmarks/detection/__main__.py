"""How well spans are found, by what, and with what left out: ``make bench-detection``.

All of it takes about 25 minutes on one core. Every finished training is kept in a folder, so that
a run that was stopped goes on where it was; those with a goal come first.
``--quick`` trains 8 epochs of every cell on one seed: a look at whether all of it works.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import pandas as pd
from tqdm import tqdm

from . import report
from .cells import Cell, chosen, seeds_of_worlds
from .work import Trained, train
from .worlds import REAL_BARS

RESULTS = Path(__file__).parents[1] / "results"
KEPT = Path(__file__).parents[3] / "data" / "bench-detection"


def main() -> None:
    """Train what is not there yet, score everything, print and write the table."""
    parser = argparse.ArgumentParser(prog="make bench-detection", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="one seed, 8 epochs, 200 windows")
    parser.add_argument("--only", metavar="TEXT", default="", help="cells whose name holds it")
    parser.add_argument("--max-runs", type=int, default=10**6, help="stop after so many trainings")
    parser.add_argument("--no-training", action="store_true", help="score what is there")
    parser.add_argument("--no-scoring", action="store_true", help="train and print no table")
    parser.add_argument("--kept", type=Path, default=KEPT, help="folder of finished trainings")
    parser.add_argument("--out", type=Path, help="folder of the table (default: tests/benchmarks/"
                        "results; nowhere with --quick)")  # fmt: skip
    args = parser.parse_args()
    args.kept.mkdir(parents=True, exist_ok=True)
    if not REAL_BARS.is_dir():
        print(f"Real bars are private: {REAL_BARS} is absent, so their rows are left out.")
    runs = [
        (cell, seed)
        for cell, seed in chosen(quick=args.quick, with_real_bars=REAL_BARS.is_dir())
        if args.only in cell.name
    ]
    if not args.no_training:
        train_missing(runs, args.kept, args.max_runs)
    if args.no_scoring:
        return
    table = scored(runs, args.kept)
    text = report.markdown(table, title="Detection benchmark")
    print(text)
    if args.out or not args.quick:
        report.write(table, args.out or RESULTS, text)


def train_missing(runs: list[tuple[Cell, int]], kept: Path, max_runs: int) -> None:
    """Train every run that has not been kept yet."""
    missing = [(cell, seed) for cell, seed in runs if not _path(kept, cell, seed).exists()]
    for cell, seed in tqdm(missing[:max_runs], unit="run", file=sys.stderr):
        train(cell, seed, kept).save(_path(kept, cell, seed))


def scored(runs: list[tuple[Cell, int]], kept: Path) -> pd.DataFrame:
    """Return one row a decoder and seed, rules and boosting first."""
    present = [(cell, seed) for cell, seed in runs if _path(kept, cell, seed).exists()]
    rows = [
        row
        for (name, n_test), seeds in seeds_of_worlds(present).items()
        for seed in sorted(seeds)
        for row in report.rows_of_finders(name, seed, n_test)
    ]
    for cell, seed in sorted(present, key=lambda run: run[1]):
        rows += report.rows_of_run(cell, seed, Trained.load(_path(kept, cell, seed)))
    return pd.DataFrame(rows)


def _path(kept: Path, cell: Cell, seed: int) -> Path:
    return kept / f"{cell.key(seed)}.npz"


if __name__ == "__main__":
    main()
