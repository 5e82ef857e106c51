"""Everything that decides a sweep, in one frozen record; torch and Optuna stay out of it."""

from __future__ import annotations

import typing
from dataclasses import asdict, dataclass, field, fields
from typing import Any, Literal, Self

from moola.config import BALANCES, FinetuneConfig
from moola.exceptions import ConfigError

Objective = Literal["hit", "skill"]
OBJECTIVES: tuple[Objective, ...] = typing.get_args(Objective)
SEARCHED = ("lr", "epochs", "pointer_head", "balance", "augment")


def _option(default: Any, help: str) -> Any:
    return field(default=default, metadata={"help": help})


@dataclass(frozen=True, kw_only=True)
class SweepConfig:
    """Options of one sweep; `ConfigError` names the one that is out of range."""

    base: dict[str, Any] = field(default_factory=dict)
    """Options of `FinetuneConfig` that every trial shares: the data, the seed, the device."""
    trials: int = _option(30, "configurations to try")
    folds: int = _option(3, "time blocks; every labelled window is predicted by a model that never "
                            "saw its bars")  # fmt: skip
    search: tuple[str, ...] = _option(SEARCHED, "options to vary")
    lr_range: tuple[float, float] = _option(
        (3e-4, 6e-3), "learning rates, drawn by their logarithm"
    )
    epoch_range: tuple[int, int] = _option((20, 80), "epochs")
    balances: tuple[str, ...] = _option(("epoch", "ema", "kendall", "gradshare"), "strategies")
    objective: Objective = _option(
        "hit", "hit: both edges within ±3 bars, out of fold; skill: mean skill of the tasks"
    )
    prune: bool = _option(True, "end a trial whose first folds are worse than the median's")
    workers: int = _option(1, "processes that try side by side")

    def __post_init__(self) -> None:
        for name, least in (("trials", 1), ("folds", 2), ("workers", 1)):
            if getattr(self, name) < least:
                raise ConfigError(
                    f"{name} should be at least {least}. Found {getattr(self, name)}."
                )
        for name, known in (("search", SEARCHED), ("balances", BALANCES)):
            unknown = sorted(set(getattr(self, name)) - set(known))
            if unknown or not getattr(self, name):
                found = ", ".join(unknown) or "none"
                raise ConfigError(f"{name} should be of {', '.join(known)}. Found {found}.")
        if self.objective not in OBJECTIVES:
            raise ConfigError(f"objective should be hit or skill. Found {self.objective!r}.")
        for name in ("lr_range", "epoch_range"):
            low, high = getattr(self, name)
            if not 0 < low <= high:
                raise ConfigError(f"{name} should rise from above 0. Found {low} to {high}.")
        self.trial_config({})  # what is wrong with the base is wrong before the first trial

    @property
    def epochs(self) -> int:
        """Units of work of the run: trials."""
        return self.trials

    def trial_config(self, drawn: dict[str, Any]) -> FinetuneConfig:
        """Return the options of one trial."""
        return FinetuneConfig.from_dict(self.base | drawn)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Self:
        """Make a config of a JSON object."""
        known = {item.name for item in fields(cls)}
        if unknown := sorted(set(values) - known):
            raise ConfigError(f"A sweep knows no option {', '.join(unknown)}.")
        tuples: dict[str, Any] = {
            name: tuple(value) if isinstance(value, list) else value
            for name, value in values.items()
        }
        return cls(**tuples)

    def to_dict(self) -> dict[str, Any]:
        """Return a JSON object that `from_dict` reads back."""
        return asdict(self)
