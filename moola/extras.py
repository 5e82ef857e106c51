"""Optional packages: which choices need one, and what to install where it is absent.

Nothing is imported to find out, so that the app can ask without loading torch.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib.util import find_spec

from moola.config import BALANCES, JACOBIAN_BALANCES, Balance, FinetuneConfig, Tracker
from moola.exceptions import ConfigError


@dataclass(frozen=True, slots=True)
class Extra:
    """An optional part of Moola, as in pyproject.toml."""

    title: str
    packages: tuple[str, ...]
    """Modules that are imported of it."""
    install: str


_TORCHJD = Extra(
    "TorchJD",
    ("torchjd", "qpsolvers", "quadprog"),
    'pip install "torchjd[quadprog-projector]>=0.18,<0.19"',
)
EXTRAS: Mapping[str, Extra] = {
    **dict.fromkeys(JACOBIAN_BALANCES, _TORCHJD),
    "tensorboard": Extra("TensorBoard", ("tensorboard",), 'pip install "tensorboard>=2.20,<3"'),
    "mlflow": Extra("MLflow", ("mlflow",), 'pip install "mlflow-skinny>=3.10,<4"'),
}
"""What a balance or a tracker needs beside requirements.txt, by its name."""


def to_install(choice: Balance | Tracker | str) -> str | None:
    """Return the command that installs what `choice` lacks; None if it lacks nothing."""
    extra = EXTRAS.get(choice)
    if extra is None or all(find_spec(name) for name in extra.packages):
        return None
    return extra.install


def available_balances() -> tuple[Balance, ...]:
    """Return the strategies whose packages are installed."""
    return tuple(name for name in BALANCES if to_install(name) is None)


def require(option: str, choice: Balance | Tracker | str) -> None:
    """Raise and say what to install if the packages of `choice` are absent."""
    if command := to_install(choice):
        raise ConfigError(
            f"{option} {choice} needs {EXTRAS[choice].title}, which is not installed: {command}"
        )


def require_extras(config: FinetuneConfig) -> None:
    """Raise and say what to install if a run could not be carried out for want of a package."""
    require("balance", config.balance)
    for tracker in config.log:
        require("log", tracker)
