"""What changes while a run trains, and the row that every epoch leaves in ``history.jsonl``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from moola.config import FinetuneConfig
from moola.shares import TaskGradients
from moola.tally import EpochTally
from moola.validation import Validation


@dataclass
class LoopState:
    """Every number that changes while training; saved with each checkpoint."""

    epoch: int = 0  # finished epochs
    step: int = 0
    wall_s: float = 0.0
    wall_s_before: float = 0.0  # when the running epoch began
    best_skill: float | None = None
    tally: EpochTally = field(default_factory=EpochTally)  # of the running epoch

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> LoopState:
        """Return the state that `dataclasses.asdict` was made from."""
        values = {**values, "tally": EpochTally(**values["tally"])}
        return cls(**values)


def epoch_row(
    config: FinetuneConfig,
    state: LoopState,
    *,
    lr: float,
    balancer: Mapping[str, Any],
    validation: Validation,
    gradients: TaskGradients | None,
    probe_s: float | None,
) -> dict[str, Any]:
    """Return the row of the epoch that `state` has just trained but not yet counted.

    Parameters
    ----------
    balancer
        What the balancer's ``state_dict`` holds.
    gradients, probe_s
        None between two probes, and always with a frozen encoder.
    """
    tally = state.tally
    weights = tally.mean_weights()
    return {
        "epoch": state.epoch + 1,
        "step": state.step,
        "wall": state.wall_s,
        "epoch_s": state.wall_s - state.wall_s_before,
        "probe_s": probe_s,
        "lr": lr,
        "clip_rate": tally.clip_rate(),
        "strategy": config.balance,
        "raw": tally.mean_losses(),
        "weight": weights,
        "boost": balancer["guard"]["boosts"] if "guard" in balancer else None,
        "loss_share": tally.loss_shares(),
        "grad_raw": gradients and gradients.norms(),
        "grad_share": gradients and gradients.shares(weights),
        "aligned_share": gradients and gradients.aligned_shares(weights),
        "cos_pairs": gradients and gradients.cosines(),
        "val_raw": validation.losses,
        "skill": validation.skill,
        "log_sigma": dict(zip(config.tasks, balancer.get("log_sigma", []), strict=False)) or None,
        "metrics": validation.metrics,
        "metrics_95": validation.intervals,
    }
