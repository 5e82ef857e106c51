"""The cells of the benchmark: which data, which options, which seeds. One training run a seed."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

MAIN = "s0.9"
FULL_EPOCHS = 60
MEAN = {"pointer_head": "mean"}
AS_IN_THE_SOURCE = {
    "augment": "none",
    "standardize": False,
    "forget_bias": 0.0,
    "countdown": "raw",
    "balance": "raw",
}
MEAN_WEIGHTS = MEAN | {"balance": "manual", "weights": (0.1, 0.1, 0.5, 0.3)}


@dataclass(frozen=True, kw_only=True)
class Cell:
    """One row of the table before it is decoded."""

    name: str
    world: str = MAIN
    options: Mapping[str, Any] = field(default_factory=dict)  # of FinetuneConfig
    n_labels: int = 174
    pretrained: Literal["planted", "mae"] | None = None
    n_seeds: int = 2
    epochs: int = FULL_EPOCHS
    n_test: int = 1000

    @property
    def needs_real_bars(self) -> bool:
        """Whether the cell cannot run without the private bars."""
        return not self.world.startswith("s")

    def training_options(self, seed: int) -> dict[str, Any]:
        """Return the options of `FinetuneConfig`; those whose default is young are named."""
        fixed = {"epochs": self.epochs, "seed": seed, "device": "cpu"}
        named = {"augment": "shift+mirror", "forget_bias": 1.0}
        return {**named, **self.options, **fixed}

    def key(self, seed: int) -> str:
        """Return the name of the file with the result: other options have another one."""
        facts = [self.world, self.training_options(seed), self.n_labels, self.pretrained]
        digest = hashlib.sha1(json.dumps([*facts, self.n_test], sort_keys=True).encode())
        return f"{self.name.replace(' ', '-').replace('/', '-')}-{digest.hexdigest()[:8]}-{seed}"


CELLS: tuple[Cell, ...] = (  # those with a goal first: they are trained first
    # Both heads
    Cell(name="bar head", n_seeds=5),
    Cell(name="mean head", options=MEAN, n_seeds=3),
    Cell(name="mean head, weights .1/.1/.5/.3", options=MEAN_WEIGHTS, n_seeds=3),
    Cell(name="mean head, as in the source", options=MEAN | AS_IN_THE_SOURCE),
    # Other data
    Cell(name="bar head", world="rplant0.7", n_seeds=3),
    Cell(name="bar head", world="s1.2", n_seeds=3),
    Cell(name="bar head", world="rweak", n_seeds=3),
    Cell(name="bar head", world="s0.7"),
    Cell(name="bar head", world="rplant1.1"),
    # Few labels and pretraining
    Cell(name="bar head, 50 labels", n_labels=50, n_seeds=3),
    Cell(
        name="bar head, 50 labels, planted pretraining",
        n_labels=50,
        pretrained="planted",
        n_seeds=3,
    ),
    Cell(name="bar head, planted pretraining", pretrained="planted", n_seeds=3),
    Cell(
        name="bar head, planted pretraining, frozen",
        pretrained="planted",
        options={"freeze_encoder": True},
    ),
    Cell(name="bar head, mae pretraining", pretrained="mae"),
    Cell(
        name="bar head, mae pretraining, frozen", pretrained="mae", options={"freeze_encoder": True}
    ),
    # The bar head without one ingredient
    Cell(name="bar head, no augmentation", options={"augment": "none"}, n_seeds=3),
    Cell(name="bar head, forget gates at 0", options={"forget_bias": 0.0}),
    Cell(name="bar head, features as they are", options={"standardize": False}),
    Cell(name="bar head, countdown in raw bars", options={"countdown": "raw"}),
    Cell(name="bar head, raw weights", options={"balance": "raw"}),
    # The other head on other data
    Cell(name="mean head", options=MEAN, world="rplant0.7"),
    Cell(name="mean head", options=MEAN, world="rweak"),
)


def seeds_of_worlds(runs: Iterable[tuple[Cell, int]]) -> dict[tuple[str, int], set[int]]:
    """Return the seeds of each kind of data and number of test windows: what rules are fitted on.

    Every seed of a model has its rules and boosting beside it, so that margins are paired.
    """
    found: dict[tuple[str, int], set[int]] = {}
    for cell, seed in runs:
        found.setdefault((cell.world, cell.n_test), set()).add(seed)
    return found


def chosen(*, quick: bool, with_real_bars: bool) -> Iterator[tuple[Cell, int]]:
    """Yield cells with their seeds, first seeds first: an early stop leaves a full table."""
    cells = [cell for cell in CELLS if with_real_bars or not cell.needs_real_bars]
    if quick:
        cells = [replace(cell, n_seeds=1, epochs=8, n_test=200) for cell in cells]
    for seed in range(max(cell.n_seeds for cell in cells)):
        for cell in cells:
            if seed < cell.n_seeds:
                yield cell, seed
