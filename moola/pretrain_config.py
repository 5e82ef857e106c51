"""Everything that decides how an encoder is pretrained, in one frozen record."""

from __future__ import annotations

import typing
from dataclasses import asdict, dataclass, field, fields
from typing import Any, Literal, Self

from moola.config import DEVICES, Device, FinetuneConfig
from moola.exceptions import ConfigError

Method = Literal["planted", "mae"]
METHODS: tuple[Method, ...] = typing.get_args(Method)


def _option(default: Any, help: str) -> Any:
    return field(default=default, metadata={"help": help})


@dataclass(frozen=True, kw_only=True)
class PretrainConfig:
    """Options of one pretraining run; `ConfigError` names the option that is out of range."""

    method: Method = _option(
        "planted",
        "planted: learn all four tasks on expansions planted into unlabelled bars; "
        "mae: rebuild the features of masked bars",
    )
    series: tuple[str, ...] = _option((), "series ids or symbols to use; without any all of them")
    data: str | None = _option(
        None, "label file or release whose bars are kept out too, beside those of the store"
    )
    windows: int = _option(2000, "windows to train on; a tenth more to check on")
    epochs: int = _option(20, "passes over the windows")
    batch_size: int = _option(58, "windows per step")
    lr: float = _option(2e-3, "peak learning rate of AdamW: 10 %% warm-up, then cosine to 0")
    weight_decay: float = _option(1e-2, "AdamW weight decay")
    clip_norm: float = _option(1.0, "largest gradient norm of a step")
    strength: float = _option(
        0.8, "planted: drift per bar of an expansion in units of the bars' volatility"
    )
    mask_share: float = _option(0.15, "mae: share of the bars that are masked")
    device: Device = _option("auto", "auto takes cuda, then mps, then cpu")
    seed: int = _option(0, "seed of windows, events, masks, initial weights and order")

    def __post_init__(self) -> None:
        for name, allowed in (("method", METHODS), ("device", DEVICES)):
            if getattr(self, name) not in allowed:
                raise ConfigError(
                    f"{name} should be one of {', '.join(allowed)}. Found {getattr(self, name)!r}."
                )
        for name in ("windows", "epochs", "batch_size", "lr", "clip_norm", "strength"):
            if not getattr(self, name) > 0:
                raise ConfigError(f"{name} should be greater than 0. Found {getattr(self, name)}.")
        if not 0 < self.mask_share < 1:
            raise ConfigError(f"mask_share should lie between 0 and 1. Found {self.mask_share}.")

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Self:
        """Make a config of a JSON object; an unknown option is an error, not ignored."""
        if unknown := sorted(set(values) - {f.name for f in fields(cls)}):
            raise ConfigError(f"A pretraining config knows no option {', '.join(unknown)}.")
        values = dict(values)
        values["series"] = tuple(values.get("series", ()))
        return cls(**values)

    def to_dict(self) -> dict[str, Any]:
        """Return a JSON object that `from_dict` reads back."""
        return asdict(self)

    def supervised(self) -> FinetuneConfig:
        """Return the options under which planted expansions are learned: those of fine-tuning."""
        shared = ("epochs", "batch_size", "lr", "weight_decay", "clip_norm", "device", "seed")
        return FinetuneConfig(**{name: getattr(self, name) for name in shared})
