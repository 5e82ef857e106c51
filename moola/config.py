"""Everything that decides a fine-tuning run, in one frozen record.

The command line and the Fine-tune page are both made from its fields and their help texts, and a
run folder's ``config.json`` is this record plus what was resolved when the run started.
"""

from __future__ import annotations

import re
import types
import typing
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any, Literal, Self

from moola.exceptions import ConfigError
from moola.schema import TASKS, Task

Balance = Literal[
    "epoch", "ema", "gradshare", "gradnorm", "initial", "kendall", "manual", "raw", "upgrad", "pcd"
]  # fmt: skip
BALANCES: tuple[Balance, ...] = typing.get_args(Balance)
JACOBIAN_BALANCES: tuple[Balance, ...] = ("upgrad", "pcd")
"""Strategies of the optional extra ``jd``, which mix gradients and write them themselves."""
GRADIENT_BALANCES: tuple[Balance, ...] = ("gradshare", "gradnorm", *JACOBIAN_BALANCES)
"""Strategies that compare gradients at the encoder's output."""
OnSilence = Literal["warn", "stop", "guard"]
Device = Literal["auto", "cpu", "cuda", "mps"]
DEVICES: tuple[Device, ...] = typing.get_args(Device)
CountdownScale = Literal["clip20", "raw"]
COUNTDOWN_CLIP_BARS = 20
LabelChoice = Literal["verified", "all"]
SplitRule = Literal["blocks", "groups"]
PointerHead = Literal["bar", "mean"]
Augmentation = Literal["shift+mirror", "shift", "mirror", "none"]
Precision = Literal["fp32", "bf16"]
Tracker = Literal["tensorboard", "mlflow"]
TRACKERS: tuple[Tracker, ...] = typing.get_args(Tracker)
BEFORE_THE_OPTION: Mapping[str, Any] = {
    "split": "groups",
    "pointer_head": "mean",
    "standardize": False,
    "augment": "none",
    "probe_every": 1,
    "forget_bias": 0.0,
}
"""What a run did that was stored before it could choose: its config lacks the option."""


def _option(default: Any, help: str, **metadata: Any) -> Any:
    return field(default=default, metadata={"help": help, **metadata})


@dataclass(frozen=True, kw_only=True)
class FinetuneConfig:
    """Options of one fine-tuning run; `ConfigError` names the option that is out of range."""

    data: str | None = _option(
        None, "label Parquet to train on; without it the label store is the source"
    )
    release: str | None = _option(
        None, "release to train on, by its name or folder: exactly these labels, for ever"
    )
    labels: LabelChoice = _option(
        "verified", "verified: windows a person decided; all: open proposals too"
    )
    epochs: int = _option(60, "passes over the training windows")
    batch_size: int = _option(29, "windows per step")
    lr: float = _option(2e-3, "peak learning rate of AdamW: 10 %% warm-up, then cosine to 0")
    weight_decay: float = _option(1e-2, "AdamW weight decay")
    clip_norm: float = _option(1.0, "largest gradient norm of a step")
    device: Device = _option("auto", "auto takes cuda, then mps, then cpu")
    use_expansion_heads: bool = _option(
        True, "train the per-bar binary and countdown heads beside pointers and type"
    )
    pointer_head: PointerHead = _option(
        "bar",
        "bar: logits of start and end for every bar; mean: centre and length of the mean-pooled "
        "bars, as in the source notes",
    )
    standardize: bool = _option(
        True, "scale each feature by its mean and deviation over the training windows"
    )
    augment: Augmentation = _option(
        "shift+mirror",
        "show training windows moved in time and upside down, anew in every epoch",
    )
    forget_bias: float = _option(
        1.0,
        "what the biases of the LSTM's forget gates start at: 1 remembers over a window, 0 is "
        "plain PyTorch",
    )
    precision: Precision = _option(
        "fp32",
        "bf16: the model's own steps in training are computed in bfloat16; losses, weights, probe "
        "and validation stay in float32",
    )
    deterministic: bool = _option(
        False,
        "only algorithms that repeat exactly, on a GPU too: slower; what has none raises an error",
    )
    pretrained_encoder: str | None = _option(
        None, "checkpoint whose BiLSTM weights the encoder starts from"
    )
    freeze_encoder: bool = _option(
        False, "train the heads only; the balance then hardly changes what is learned"
    )
    cache_encoder: bool = _option(
        False,
        "compute a frozen encoder's output once, without the dropout on its input: far faster, "
        "and another estimator than running it in every step",
    )
    balance: Balance = _option("epoch", "how the task losses are weighted against each other")
    weights: tuple[float, float, float, float] = _option(
        (50.0, 1.0, 1.0, 0.1), "loss weights of --balance manual: pointers binary countdown type"
    )
    guard: bool = _option(
        False, "raise a task whose share of the encoder's gradient is below half its target"
    )
    max_boost: float = _option(8.0, "largest factor that the guard gives a task")
    on_silence: OnSilence = _option(
        "warn",
        "when a task falls silent: warn in the log, stop with a checkpoint, or wake the guard",
    )
    countdown: CountdownScale = _option(
        "clip20", "countdown target: clipped to ±20 bars and divided by 20, or raw bars"
    )
    val_fraction: float = _option(0.2, "share of the windows held out")
    split: SplitRule = _option(
        "blocks",
        "blocks: hold out a stretch of time of each series, and leave out what lies too near; "
        "groups: hold out random groups of windows that share bars",
    )
    seed: int = _option(0, "seed of split, initial weights, order and dropout")
    keep_checkpoints: int = _option(
        5,
        "checkpoints of the last epochs to keep, beside one for every twelfth of the plan; 0: none",
    )
    probe_every: int = _option(
        4, "epochs between two gradient probes once the first six epochs and their rules are past"
    )
    log: tuple[Tracker, ...] = _option(
        (),
        "where else epochs go: tensorboard writes event files into the run's folder, mlflow to "
        "MLFLOW_TRACKING_URI or else to mlflow.db in the workspace",
    )
    restart_from: str | None = _option(
        None, "RUN@EPOCH: go on from that epoch of another run, with its data and model"
    )

    def __post_init__(self) -> None:
        for name, value in self.choices().items():
            found = getattr(self, name)
            if found not in value:
                raise ConfigError(f"{name} should be one of {', '.join(value)}. Found {found!r}.")
        for name in ("epochs", "batch_size", "lr", "clip_norm", "probe_every"):
            if not getattr(self, name) > 0:
                raise ConfigError(f"{name} should be greater than 0. Found {getattr(self, name)}.")
        if self.weight_decay < 0:
            raise ConfigError(f"weight_decay should not be negative. Found {self.weight_decay}.")
        if not 0 < self.val_fraction < 1:
            raise ConfigError(
                f"val_fraction should lie between 0 and 1. Found {self.val_fraction}."
            )
        if len(self.weights) != len(TASKS) or min(self.weights) < 0 or not sum(self.weights) > 0:
            raise ConfigError(
                "weights should be four numbers, none negative and not all zero "
                f"({', '.join(TASKS)}). Found {list(self.weights)}."
            )
        if set(self.log) - set(TRACKERS) or len(set(self.log)) < len(self.log):
            raise ConfigError(
                f"log should name each of {', '.join(TRACKERS)} once at most. "
                f"Found {list(self.log)}."
            )
        if self.keep_checkpoints < 0:
            raise ConfigError(
                f"keep_checkpoints should not be negative. Found {self.keep_checkpoints}."
            )
        if self.restart_from is not None and not re.fullmatch(r".+@[1-9]\d*", self.restart_from):
            raise ConfigError(
                f"restart_from should be RUN@EPOCH, an epoch from 1. Found {self.restart_from!r}."
            )
        if self.max_boost < 1:
            raise ConfigError(f"max_boost should be at least 1. Found {self.max_boost}.")
        if self.freeze_encoder and self.balance in GRADIENT_BALANCES:
            raise ConfigError(
                f"balance {self.balance} compares gradients on the encoder, which should be "
                "trained. Found freeze_encoder; choose another balance."
            )
        if self.balance in JACOBIAN_BALANCES and (self.guard or self.on_silence == "guard"):
            raise ConfigError(
                f"balance {self.balance} writes gradients itself and should have no guard. Found "
                f"guard {self.guard}, on_silence {self.on_silence}."
            )
        if self.data and self.release:
            raise ConfigError(
                "A run should train on a label file or on a release. Found both: data "
                f"{self.data} and release {self.release}."
            )
        if self.freeze_encoder and not self.pretrained_encoder:
            raise ConfigError(
                "freeze_encoder needs a pretrained_encoder: a frozen untrained encoder learns "
                "nothing. Found none."
            )
        if self.cache_encoder and not (self.freeze_encoder and self.augment == "none"):
            raise ConfigError(
                "cache_encoder should go with freeze_encoder and augment none: an output is kept "
                "that never changes. Found "
                f"freeze_encoder {self.freeze_encoder}, augment {self.augment}."
            )

    @classmethod
    def choices(cls) -> dict[str, tuple[str, ...]]:
        """Return the allowed values of every option that has a fixed set of them."""
        hints = typing.get_type_hints(cls)
        return {
            f.name: typing.get_args(hints[f.name])
            for f in fields(cls)
            if typing.get_origin(hints[f.name]) is Literal
        }

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Self:
        """Make a config of a JSON object; an unknown option is an error, not ignored."""
        known = {f.name for f in fields(cls)}
        if unknown := sorted(set(values) - known):
            raise ConfigError(f"A run config knows no option {', '.join(unknown)}.")
        lists = {name: tuple(values[name]) for name in ("weights", "log") if name in values}
        values = {**values, **lists}
        return cls(**values)

    @classmethod
    def from_stored(cls, values: Mapping[str, Any]) -> Self:
        """Make the config of a stored run, which may be older than some of the options."""
        return cls.from_dict({**BEFORE_THE_OPTION, **values})

    def to_dict(self) -> dict[str, Any]:
        """Return a JSON object that `from_dict` reads back."""
        return asdict(self)

    @property
    def tasks(self) -> tuple[Task, ...]:
        """The tasks this run trains, in the order of `moola.schema.TASKS`."""
        return TASKS if self.use_expansion_heads else ("ptr", "type")

    @property
    def is_guarded(self) -> bool:
        """Whether the guard watches the run; a frozen encoder has no gradient to watch."""
        return self.guard and not self.freeze_encoder

    @property
    def may_be_guarded(self) -> bool:
        """Whether a silent task would wake the guard."""
        return self.on_silence == "guard" and not self.freeze_encoder

    def data_path(self) -> Path | None:
        """Path of the label file or the release's folder, if the run trains on one."""
        chosen = self.data or self.release
        return Path(chosen) if chosen else None


def option_type(name: str) -> type:
    """Return the plain type of an option: ``str | None`` is ``str``, a literal is ``str``."""
    hint = typing.get_type_hints(FinetuneConfig)[name]
    if typing.get_origin(hint) in (typing.Union, types.UnionType):
        hint = next(arg for arg in typing.get_args(hint) if arg is not type(None))
    if typing.get_origin(hint) is Literal:
        return str
    return typing.get_origin(hint) or hint
