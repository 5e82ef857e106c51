"""Score what was trained, and write the table as Parquet and as Markdown beside the goals."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy import stats

from moola.floors import fit_constants
from moola.labels import encode_pointers

from .cells import Cell
from .decoders import decoded
from .finding import FINDERS, Spans
from .scoring import calibration_error, countdown_scores, span_scores, type_scores
from .work import Trained
from .worlds import world

Scores = dict[str, float]
PERCENT = ("start_at_3", "hit_at_3", "iou_mean", "start_at_3@0.5", "start_at_3@0.25")
COLUMNS = {
    "start_at_3": "start ±3",
    "hit_at_3": "both ±3",
    "iou_mean": "IoU",
    "start_at_3@0.5": "start, surest half",
    "start_at_3@0.25": "surest quarter",
    "center_mae": "centre MAE",
    "countdown_mae": "countdown MAE",
}


def rows_of_run(cell: Cell, seed: int, trained: Trained) -> Iterator[dict[str, object]]:
    """Yield one row for every decoder of a trained cell."""
    data = world(cell.world, seed, cell.n_test)
    train = data.with_labels(cell.n_labels)
    train = train.take(~train.is_val)
    outputs = trained.outputs
    own = countdown_scores(train, data.test, outputs.countdown_bars)
    own |= type_scores(data.test, outputs.type_probabilities, "type")
    true_center = encode_pointers(data.test.start, data.test.end)[:, 0]
    own["pointer_center_mae"] = float(np.abs(outputs.pointers[:, 0] - true_center).mean())
    for decoder, spans in decoded(trained).items():
        scores = own | span_scores(data.test, spans)
        if decoder == "start":
            scores["start_ece"] = calibration_error(data.test, spans)
        yield _row(cell.world, cell.name, decoder, seed, scores | {"cpu_s": trained.cpu_s})


def rows_of_finders(world_name: str, seed: int, n_test: int) -> Iterator[dict[str, object]]:
    """Yield one row for a constant, every rule and boosting."""
    data = world(world_name, seed, n_test)
    train = data.train.take(~data.train.is_val)
    constant = fit_constants(train).predict(len(data.test))
    flat = Spans(constant.start, constant.end, np.zeros(len(data.test)))
    yield _row(world_name, "constant", "", seed, span_scores(data.test, flat))
    for name, fit in FINDERS.items():
        scores = span_scores(data.test, fit(train)(data.test))
        yield _row(world_name, name, "", seed, scores)


def _row(world_name: str, name: str, decoder: str, seed: int, scores: Scores) -> dict[str, object]:
    return {"data": world_name, "model": name, "decoder": decoder, "seed": seed, **scores}


class Mean(NamedTuple):
    """A mean over seeds with half its 95 % interval (Student's t), NaN for one seed."""

    value: float
    half: float

    @classmethod
    def of(cls, values: Sequence[float]) -> Mean:
        """Average `values`, one a seed."""
        n = len(values)
        if n < 2:
            return cls(float(np.mean(values)), float("nan"))
        half = stats.t.ppf(0.975, n - 1) * np.std(values, ddof=1) / np.sqrt(n)
        return cls(float(np.mean(values)), float(half))

    def __str__(self) -> str:
        return f"{self.value:.3f}" + ("" if np.isnan(self.half) else f" ±{self.half:.3f}")


def difference(table: pd.DataFrame, a: dict[str, str], b: dict[str, str], score: str) -> Mean:
    """Return the mean of a - b over the seeds that both have: the same windows, so it is paired."""
    one, other = (_by_seed(table, which)[score] for which in (a, b))
    return Mean.of((one - other).dropna().tolist())


def _by_seed(table: pd.DataFrame, which: dict[str, str]) -> pd.DataFrame:
    chosen = np.logical_and.reduce([table[name] == value for name, value in which.items()])
    return table[chosen].set_index("seed")


def markdown(table: pd.DataFrame, *, title: str) -> str:
    """Return the whole report."""
    parts = [f"# {title}", *(_section(table, name) for name in table["data"].unique())]
    return "\n\n".join(parts) + "\n"


def _section(table: pd.DataFrame, world_name: str) -> str:
    here = table[table["data"] == world_name]
    shown = {key: label for key, label in COLUMNS.items() if key in here}
    lines = [
        f"## {world_name}", "",
        "| model | decoder | seeds | " + " | ".join(shown.values()) + " |",
        "|---|---|---" + "|---" * len(shown) + "|",
    ]  # fmt: skip
    for (model, decoder), rows in here.groupby(["model", "decoder"], sort=False):
        cells = [_cell(rows[key].dropna().tolist()) for key in shown]
        lines.append(f"| {model} | {decoder} | {len(rows)} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _cell(values: list[float]) -> str:
    return str(Mean.of(values)) if values else ""


def write(table: pd.DataFrame, folder: Path, text: str) -> None:
    """Write ``detection.parquet`` and ``detection.md``."""
    folder.mkdir(parents=True, exist_ok=True)
    table.to_parquet(folder / "detection.parquet", index=False)
    (folder / "detection.md").write_text(text, encoding="utf-8")
