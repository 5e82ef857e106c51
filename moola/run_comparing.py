"""Compare runs: what differs between them, and how far apart they are on the same windows.

``compare(runs)`` gives every run's scores, and its differences from the first one with 95 %
intervals: paired on the windows that both held out, or unpaired where too few of them are common.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from moola.criteria import SCORED_GOALS, Goal
from moola.evaluate import predicted_by_seed
from moola.examples import Examples
from moola.metrics import Predicted, score
from moola.resampling import LEAST_GROUPS, Interval, Score, over_seeds, paired, unpaired
from moola.runs import RunFolder

DATA_OPTIONS = ("data", "release", "labels", "val_fraction", "split", "purge_bars", "embargo")
NOT_COMPARED = ("group", "restart_from", "keep_checkpoints", "log")
"""Options that change nothing of what is learned, or are told of elsewhere."""
UNKNOWN = "not recorded"


@dataclass(frozen=True, slots=True)
class Facts:
    """What a run is made of: data, options and versions, as its folder says."""

    run_id: str
    data_hash: str
    seed: int
    options: Mapping[str, Any]
    versions: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Divergence:
    """One thing in which runs differ, with its value in each of them, in the runs' order."""

    kind: str
    name: str
    values: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class HeldOut:
    """A run's held-out windows with what it says of them, row for row."""

    examples: Examples
    predicted: Predicted
    repeats: tuple[Predicted, ...] = ()
    """What further seeds of the run say of the same windows."""

    def take(self, window_uids: set[str]) -> HeldOut:
        """Return those windows, in the order of their ids: two runs then match row for row."""
        names = self.examples.window_uid
        rows = np.flatnonzero(np.isin(names, sorted(window_uids)))
        rows = rows[np.lexsort((self.examples.start[rows], names[rows]))]
        repeats = tuple(found.take(rows) for found in self.repeats)
        return HeldOut(self.examples.take(rows), self.predicted.take(rows), repeats)

    @property
    def labelled(self) -> set[str]:
        """Windows with a labelled span, which the scores are made of."""
        return set(self.examples.window_uid[self.examples.has_span].tolist())

    def scores(self) -> dict[str, Score]:
        """Return every metric that can be computed."""
        return score(self.examples, self.predicted)

    def scores_by_seed(self) -> dict[str, list[Score]]:
        """Return the scores of `SCORED_GOALS` that can be computed, one a seed."""
        found = [score(self.examples, said) for said in (self.predicted, *self.repeats)]
        keys = [goal.key for goal in SCORED_GOALS if goal.key in found[0]]
        return {key: [scores[key] for scores in found] for key in keys}


@dataclass(frozen=True, slots=True)
class Compared:
    """One run beside the first one, by the keys of `SCORED_GOALS`."""

    run_id: str
    n_windows: int
    scores: Mapping[str, Interval]
    differences: Mapping[str, Interval]
    """Empty for the first run."""
    basis: str
    """On which windows the differences stand."""


def facts_of(run: RunFolder) -> Facts:
    """Return what `run` is made of."""
    config, resolved = run.config(), run.resolved()
    return Facts(
        run_id=run.id,
        data_hash=str(resolved.get("data_hash", "")),
        seed=config.seed,
        options=config.to_dict(),
        versions=resolved.get("versions") or {},
    )


def is_like(one: Facts, other: Facts) -> bool:
    """Return whether two runs learned from the same windows, split alike, with the same seed."""
    return bool(one.data_hash) and (one.data_hash, one.seed) == (other.data_hash, other.seed)


def divergences(runs: Sequence[Facts]) -> list[Divergence]:
    """Return everything in which the runs differ: data first, then seed, options and versions."""
    names = dict.fromkeys(name for run in runs for name in run.options)
    plain = [n for n in names if n not in (*DATA_OPTIONS, *NOT_COMPARED, "seed")]
    versions = dict.fromkeys(name for run in runs for name in run.versions)
    columns: list[tuple[str, str, list[Any]]] = [
        ("data", "data hash", [run.data_hash[:12] or UNKNOWN for run in runs]),
        *(("data", name, [run.options.get(name) for run in runs]) for name in DATA_OPTIONS),
        ("seed", "seed", [run.seed for run in runs]),
        *(("option", name, [run.options.get(name) for run in runs]) for name in plain),
        *(("version", n, [run.versions.get(n, UNKNOWN) for run in runs]) for n in versions),
    ]
    return [
        Divergence(kind, name.replace("_", " "), tuple(map(_shown, values)))
        for kind, name, values in columns
        if len(set(map(str, values))) > 1
    ]


def _shown(value: Any) -> str:
    if isinstance(value, bool):
        return "on" if value else "off"
    if isinstance(value, tuple | list):
        return "/".join(f"{item:g}" for item in value)
    return "–" if value is None else f"{value:g}" if isinstance(value, float) else str(value)


def held_out(run: RunFolder) -> HeldOut | None:
    """Return the held-out windows of `run`; None before it has predicted."""
    examples = run.examples()
    seeds = [found.take(examples.is_val) for found in predicted_by_seed(run, examples)]
    return HeldOut(examples.take(examples.is_val), seeds[0], tuple(seeds[1:])) if seeds else None


def compare(runs: Mapping[str, HeldOut]) -> list[Compared]:
    """Return the scores of every run, and its differences from the first one."""
    base_id, base = next(iter(runs.items()))
    return [
        _compared(run_id, found, None if run_id == base_id else base)
        for run_id, found in runs.items()
    ]


def _compared(run_id: str, found: HeldOut, base: HeldOut | None) -> Compared:
    scores = found.scores_by_seed()
    differences, basis = ({}, "") if base is None else difference(base, found)
    return Compared(
        run_id=run_id,
        n_windows=len(found.labelled),
        scores={key: over_seeds(seeds) for key, seeds in scores.items()},
        differences=differences,
        basis=basis,
    )


def difference(base: HeldOut, found: HeldOut) -> tuple[dict[str, Interval], str]:
    """Return ``found - base`` for every metric that both have, and on which windows it stands."""
    common = base.labelled & found.labelled
    before, after = base.take(common), found.take(common)
    if len(np.unique(before.examples.draw_group)) < LEAST_GROUPS:
        before_all, after_all = base.scores_by_seed(), found.scores_by_seed()
        return (
            {k: unpaired(before_all[k][0], after_all[k][0]) for k in before_all if k in after_all},
            f"unpaired: {len(common)} held-out windows in common are too few",
        )
    one, other = before.scores_by_seed(), after.scores_by_seed()
    return (
        {key: _over_pairs(one[key], other[key]) for key in one if key in other},
        _basis(base, found, common),
    )


def _over_pairs(before: Sequence[Score], after: Sequence[Score]) -> Interval:
    """Return the mean difference over seeds; a run with fewer seeds meets several with each."""
    n = max(len(before), len(after))
    return over_seeds([paired(before[i % len(before)], after[i % len(after)]) for i in range(n)])


def _basis(base: HeldOut, found: HeldOut, common: set[str]) -> str:
    if base.labelled == found.labelled:
        return f"paired on the same {len(common)} held-out windows"
    return (
        f"paired on {len(common)} common windows; held out are {len(base.labelled)} and "
        f"{len(found.labelled)}, which differ"
    )


def is_gain(goal: Goal, change: Interval) -> bool | None:
    """Return whether a difference is clearly for the better, for the worse, or None: undecided."""
    if not change.excludes_zero:
        return None
    return goal.is_better(change.value, 0.0)
