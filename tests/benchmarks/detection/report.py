"""Score what was trained, and write the table as Parquet and as Markdown beside the goals."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import cast

import numpy as np
import pandas as pd

from moola.baselines.rules import Spans
from moola.decode import countdown_to_median_start
from moola.floors import fit_constants
from moola.labels import encode_pointers
from moola.type_stage import TypeStage

from .cells import MAIN, Cell
from .decoders import decoded
from .finding import FINDERS
from .goals import goal_rows
from .means import Mean, difference
from .scoring import (
    calibration_error,
    countdown_scores,
    span_scores,
    staged_types,
    type_scores,
)
from .work import Trained
from .worlds import world

Scores = dict[str, float]
COLUMNS = {
    "start_at_3": "start ±3",
    "hit_at_3": "both ±3",
    "iou_mean": "IoU",
    "start_at_3@0.5": "start, surest half",
    "start_at_3@0.25": "surest quarter",
    "center_mae": "centre MAE",
    "start_ece": "start calibration error",
    "countdown_mae": "countdown MAE",
    "implied_countdown_mae": "countdown MAE by the start",
    "type_f1": "type F1, head",
    "stage_f1": "type F1, two-stage",
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
    stage = TypeStage.fit(train)
    for decoder, spans in decoded(trained).items():
        scores = own | span_scores(data.test, spans)
        types = staged_types(stage, data.test, spans, outputs.type_probabilities)
        scores |= type_scores(data.test, types, "stage")
        if decoder == "start":  # the one whose confidence is that of the start alone
            scores["start_ece"] = calibration_error(data.test, spans)
            implied = countdown_scores(
                train, data.test, countdown_to_median_start(spans.start_prob)
            )
            scores |= {f"implied_{name}": value for name, value in implied.items()}
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


def markdown(table: pd.DataFrame, *, title: str) -> str:
    """Return the whole report."""
    parts = [
        f"# {title}",
        "Mean over seeds ± half a 95 % interval, without one where seeds are fewer than three (a "
        "share of 1000 windows is then good to ±3 points). Start, both: share of windows with "
        "the start, or both edges, within 3 bars. Surest: by the decoder's own confidence.",
        "## Goals",
        _lines(("goal", "limit", "measured", "verdict"), goal_rows(table)),
        f"## What an ingredient is worth ({MAIN}, start ±3, paired)",
        _lines(("change", "against", "decoder", "seeds", "difference"), _changes(table)),
    ]
    for name, found in table.groupby("data", sort=False):
        parts += [f"## {name}", _scores(found)]
    return "\n\n".join(parts) + "\n"


def _lines(names: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [names, ["---"] * len(names), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _changes(table: pd.DataFrame) -> Iterator[tuple[str, ...]]:
    """Yield every other cell of the main data less the plain head of its kind."""
    here = pd.DataFrame(table[(table["data"] == MAIN) & table["decoder"].ne("")])
    for model in dict.fromkeys(here["model"].tolist()):
        head = model.split(",")[0]
        plain = "bar head, 50 labels" if model.startswith("bar head, 50 labels,") else head
        if model == plain:
            continue
        decoder = "start" if head == "bar head" else "edge"
        which = {"data": MAIN, "decoder": decoder}
        found = difference(here, which | {"model": model}, which | {"model": plain}, "start_at_3")
        seeds = len(here[(here["model"] == model) & (here["decoder"] == decoder)])
        half = "" if np.isnan(found.half) else f" ±{100 * found.half:.1f}"
        gap = f"{100 * found.value:+.1f}{half} points"
        yield model, plain, decoder, str(seeds), gap


def _scores(here: pd.DataFrame) -> str:
    shown = {key: label for key, label in COLUMNS.items() if here.get(key) is not None}
    rows = []
    for key, found in here.groupby(["model", "decoder"], sort=False):
        cells = [_cell(found[name].dropna().tolist()) for name in shown]
        names = [str(name) for name in cast("tuple[str, str]", key)]
        rows.append((*names, str(len(found)), *cells))
    return _lines(("model", "decoder", "seeds", *shown.values()), rows)


def _cell(values: list[float]) -> str:
    return str(Mean.of(values)) if values else ""


def write(table: pd.DataFrame, folder: Path, text: str) -> None:
    """Write ``detection.parquet`` and ``detection.md``."""
    folder.mkdir(parents=True, exist_ok=True)
    table.to_parquet(folder / "detection.parquet", index=False)
    (folder / "detection.md").write_text(text, encoding="utf-8")
