"""How far a run's held-out windows lie from its training windows: the leak meter, in sentences."""

from __future__ import annotations

import json
from typing import Any

import numpy as np

from moola.collect import places_of
from moola.exceptions import RunError
from moola.purging import PURGE_BARS, n_at_held_out_times, n_without_time, smallest_distance_bars
from moola.runs import RunFolder
from moola.schema import WINDOW_LENGTH

FOLDS_FILE = "folds.json"


def split_sentences(run: RunFolder) -> list[str]:
    """Return how the run was split, and how near its two sides come to each other."""
    lines = _of_folds(_fold_facts(run)) if run.kind == "crossval" else _of_one_split(run)
    return [*lines, *_pretraining(run)]


def _of_one_split(run: RunFolder) -> list[str]:
    examples = run.examples()
    places, is_val = places_of(examples), examples.is_val
    nearest = smallest_distance_bars(places, is_val, ~is_val)
    first = examples.take(examples.first_of_each_window())
    n_val = int(first.is_val.sum())
    return [
        f"{len(first) - n_val:,} training and {n_val:,} held-out windows, split by "
        f"{run.config().split}, seed {run.config().seed}",
        _distance(nearest),
        *_same_time(n_at_held_out_times(places, is_val, ~is_val), n_without_time(places)),
    ]


def _of_folds(facts: list[dict[str, Any]]) -> list[str]:
    n_repeats = len({fold["repeat"] for fold in facts})
    n_folds = len(facts) // n_repeats
    purged = int(np.median([fold["n_purged"] for fold in facts]))
    known = [fold["nearest_bars"] for fold in facts if fold["nearest_bars"] is not None]
    same_time = [fold.get("n_same_time") for fold in facts]
    lines = [
        f"{n_folds} folds"
        + (f", repeated {n_repeats} times with others" if n_repeats > 1 else "")
        + ": every label was predicted by a model that has not seen its bars; a median of "
        f"{purged:,} of a fold's rows was left out as too near",
        _distance(min(known, default=None)),
        *_same_time(
            max((n for n in same_time if n is not None), default=None),
            max(fold.get("n_without_time", 0) for fold in facts),
        ),
    ]
    return [*lines, *dict.fromkeys(fold["note"] for fold in facts if fold["note"])]


def _distance(nearest: int | None) -> str:
    if nearest is None:
        return "No series holds windows of both sides, so there is no distance to measure"
    shared = max(0, WINDOW_LENGTH - nearest)
    if shared:
        return f"**{shared:,} bars are shared** between training and held-out windows"
    gap = nearest - WINDOW_LENGTH
    purge = "" if nearest >= PURGE_BARS else (
        f", less than the {PURGE_BARS - WINDOW_LENGTH} bars that features look back"
    )  # fmt: skip
    return f"No bar is shared; the nearest two windows have {gap:,} bars between them{purge}"


def _same_time(n_rows: int | None, n_without_time: int) -> list[str]:
    lines = []
    if n_rows:
        lines = [f"**{n_rows:,} training rows show minutes of held-out windows of other series**"]
    elif n_rows is not None:
        lines = ["No training window shows a minute of a held-out window, of whatever series"]
    if n_without_time:
        lines.append(
            f"{n_without_time:,} rows carry no times: only their bars could be compared with those "
            "of other series"
        )
    return lines


def _pretraining(run: RunFolder) -> list[str]:
    if not run.config().pretrained_encoder:
        return []
    facts = run.resolved()
    if "pretraining" not in facts:
        return ["This run did not record which bars its encoder was pretrained on"]
    found = facts["pretraining"]
    if found is None:
        return [
            "The pretrained encoder does not say which bars it has seen, so that **nothing shows "
            "whether held-out bars are among them**"
        ]
    n_seen, n_judged = found["n_judged_seen"], found["n_judged"]
    told = f"saw {n_seen:,} of the {n_judged:,} held-out bars, and {found['n_bars']:,} others"
    return [f"The encoder's pretraining {told}" if n_seen == 0 else f"**Pretraining {told}**"]


def _fold_facts(run: RunFolder) -> list[dict[str, Any]]:
    try:
        return json.loads((run.path / FOLDS_FILE).read_text(encoding="utf-8"))["folds"]
    except (OSError, ValueError, KeyError) as error:
        raise RunError(
            f"Run {run.id}: {FOLDS_FILE} should tell of the folds. Found: {error!r}."
        ) from error
