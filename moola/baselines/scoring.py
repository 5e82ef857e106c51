"""Fit every baseline on one side of each split, score it on the other, and keep the scores."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from moola.atomic import write_json
from moola.baselines.boosting import boosted_inside, boosted_start
from moola.baselines.rules import Finder, Spans, largest_move, largest_range_sum, longest_run
from moola.evaluate import BASELINES_FILE
from moola.examples import COLUMNS, Examples
from moola.floors import fit_constants
from moola.labels import encode_pointers
from moola.metrics import Predicted, score
from moola.runs import RunFolder
from moola.schema import WINDOW_LENGTH

Sides = tuple[Examples, Examples]
"""Training rows and held-out rows of one split."""
Fit = Callable[[Examples], Finder]
BASELINES: dict[str, dict[str, Fit]] = {
    "rules": {
        "longest run of range_z": longest_run,
        "largest sum of range_z": largest_range_sum,
        "largest move in ATR": largest_move,
    },
    "boosting": {"inside": boosted_inside, "start": boosted_start},
}


def write_baselines(run: RunFolder, sides: Sequence[Sides] | None = None) -> dict[str, dict]:
    """Score rules and boosting on the held-out rows of `run`, and keep it in ``baselines.json``.

    Parameters
    ----------
    sides
        The splits of a cross-validation, whose held-out rows are scored together; by default the
        two sides of the run's examples.
    """
    if sides is None:
        examples = run.examples()
        sides = [(examples.take(~examples.is_val), examples.take(examples.is_val))]
    found = {
        kind: {name: _scores(fit, sides) for name, fit in several.items()}
        for kind, several in BASELINES.items()
    }
    write_json(run.path / BASELINES_FILE, found)
    return found


def _scores(fit: Fit, sides: Sequence[Sides]) -> dict[str, float]:
    held_out = joined([val for _, val in sides])
    parts = [answer(fit(train)(val), train) for train, val in sides]
    values = {key: line.value for key, line in score(held_out, Predicted.join(parts)).items()}
    return {key: value for key, value in values.items() if np.isfinite(value)}


def answer(spans: Spans, train: Examples) -> Predicted:
    """Return spans as predictions: centre and countdown follow from them, the type is a guess.

    A rule knows no type; it says what is most frequent in training.
    """
    n_rows = len(spans.start)
    return Predicted(
        start=spans.start,
        end=spans.end,
        center_norm=encode_pointers(spans.start, spans.end)[:, 0],
        type_id=np.full(n_rows, fit_constants(train).type_id),
        countdown_bars=spans.start[:, None] - np.arange(WINDOW_LENGTH, dtype=float),
    )


def joined(parts: Sequence[Examples]) -> Examples:
    """Return the rows of several examples, one after another, without what lies around them."""
    columns: dict[str, Any] = {
        name: np.concatenate([getattr(part, name) for part in parts]) for name in COLUMNS
    }
    return Examples(**columns)
