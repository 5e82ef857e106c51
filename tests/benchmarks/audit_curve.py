"""How far up its list the label audit brings labels that were made wrong on purpose.

``make bench-audit`` cross-validates the sample with a tenth of its labels moved by 8 to 30 bars, in
`moola crossval`'s own folds, and prints which share of them stands in the first part of the list.
The predictions of the first seed are kept beside it, for a test that needs no training.
"""

from __future__ import annotations

import argparse
import contextlib
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from moola import audit, crossval
from moola.bars import BarStore
from moola.config import FinetuneConfig
from moola.examples import Examples
from moola.runs import EXAMPLES_FILE, RunFolder
from moola.sample import write_sample
from moola.schema import SPAN_TYPES
from moola.store import LabelStore
from moola.workspace import Workspace
from tests.hand_labels import moved_away

RESULTS = Path(__file__).parent / "results"
KEPT, CURVE = "audit_predictions.parquet", "audit.md"
FOLDS = 5
WRONG_SHARE = 0.1
PARTS = (0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.4, 0.5)
PER_BAR = ("start_prob", "end_prob")
PER_WINDOW = ("start", "end", "confidence", "p_no_span", "fold", "split")


def sample(folder: Path) -> Workspace:
    """Write the sample workspace."""
    workspace = Workspace(folder)
    with contextlib.closing(LabelStore.open(workspace.store_url)) as store:
        write_sample(workspace, store, BarStore(workspace.bars_dir))
    return workspace


def wrong_rows(n_rows: int, seed: int) -> np.ndarray:
    """Return the rows whose labels are made wrong."""
    return np.random.default_rng(seed).choice(n_rows, round(WRONG_SHARE * n_rows), replace=False)


def with_wrong_labels(examples: Examples, seed: int) -> tuple[Examples, set[str]]:
    """Return examples with a tenth of their labels moved, and the windows that those are of."""
    rows = wrong_rows(len(examples), seed)
    return moved_away(examples, rows, seed=seed), set(examples.window_uid[rows].tolist())


def found_within(ranked: Sequence[str], wrong: set[str], part: float) -> float:
    """Return the share of wrong labels in the first part of a list."""
    return len(set(ranked[: round(part * len(ranked))]) & wrong) / len(wrong)


def measure(seed: int, *, epochs: int, workers: int) -> tuple[list[float], pd.DataFrame]:
    """Return the share found at each of `PARTS`, and the out-of-fold predictions."""
    with tempfile.TemporaryDirectory() as folder:
        workspace = sample(Path(folder))
        config = FinetuneConfig(device="cpu", epochs=epochs, seed=seed)
        run = crossval.prepare(config, workspace, n_folds=FOLDS, n_repeats=1)
        wrong = _spoil(run, seed)
        crossval.carry_out(run, n_workers=workers)
        ranked = [item.window_uid for item in audit.suspects(run)]
        table = run.predictions()
    if table is None:
        raise RuntimeError("A cross-validation should leave predictions. Found none.")
    return [found_within(ranked, wrong, part) for part in PARTS], table


def _spoil(run: RunFolder, seed: int) -> set[str]:
    examples, wrong = with_wrong_labels(run.examples(), seed)
    examples.save(run.path / EXAMPLES_FILE)
    return wrong


def keep(table: pd.DataFrame, path: Path) -> None:
    """Write what the audit reads of the predictions, rounded to thousandths."""
    needed = table[["window_uid", "bar", *PER_BAR, *PER_WINDOW]]
    rounded = {name: needed[name].astype(float).round(3).astype("float32") for name in PER_BAR}
    needed.assign(**rounded).to_parquet(path, index=False, compression="zstd")


def kept() -> pd.DataFrame:
    """Return the kept predictions; types play no part in the ranking, so they are even."""
    return pd.read_parquet(RESULTS / KEPT).assign(**{f"prob_{name}": 1 / 3 for name in SPAN_TYPES})


def main() -> None:
    """Measure the curve over seeds, print and write it."""
    parser = argparse.ArgumentParser(prog="make bench-audit", description=__doc__)
    parser.add_argument("--seeds", type=int, default=3, help="runs with other labels made wrong")
    parser.add_argument("--epochs", type=int, default=FinetuneConfig.epochs)
    parser.add_argument("--workers", type=int, default=2)
    args = parser.parse_args()
    curves = []
    for seed in range(args.seeds):
        shares, table = measure(seed, epochs=args.epochs, workers=args.workers)
        curves.append(shares)
        print(f"seed {seed}: {dict(zip(PARTS, shares, strict=True))}", flush=True)
        if seed == 0:
            keep(table, RESULTS / KEPT)
    text = _markdown(np.array(curves), args.epochs)
    print(text)
    (RESULTS / CURVE).write_text(text, encoding="utf-8")


def _markdown(curves: np.ndarray, epochs: int) -> str:
    head = "| First part of the list | Share of the wrong labels in it, mean | Each seed |"
    rows = [
        f"| {part:.0%} | {curves[:, at].mean():.0%} | "
        f"{', '.join(f'{share:.0%}' for share in curves[:, at])} |"
        for at, part in enumerate(PARTS)
    ]
    return "\n".join(
        [
            "# Label audit on the sample",
            "",
            "A tenth of the 174 labels moved by 8 to 30 bars; `moola crossval` with "
            f"{FOLDS} folds, {epochs} epochs, seeds: {len(curves)}.",
            "",
            head,
            "|--:|--:|:--|",
            *rows,
            "",
        ]
    )


if __name__ == "__main__":
    main()
