"""How the task losses are weighted against each other: one small file per strategy.

========= ===================================================================
key       weight of a task
========= ===================================================================
epoch     target share / mean loss of the epoch before, floored (the default)
ema       target share / running mean of the loss, floored
gradshare target share / running mean of the gradient at the LSTM's output
gradnorm  learned: equal training rates, no priorities (for comparison)
initial   target share / loss before the first step
kendall   learned: a log-sigma per task, bounded by projection
manual    given
pcd       none: follows the pointers' gradient, others get a tenth (extra ``jd``)
raw       target share
upgrad    none: mixes gradients so that no task is pushed back (extra ``jd``)
========= ===================================================================

A balancer sees one loss per task and returns one loss to go backward from, together with the
weights it used. It knows nothing of models, windows or epochs' lengths. `Guard` stands around any
of them and raises a task that moves the encoder too little.
"""

from __future__ import annotations

from collections.abc import Mapping

from torch import nn

from moola.balancing._base import Balancer, Decision, StepContext, WeightedTask
from moola.balancing.ema import Ema
from moola.balancing.epoch import Epoch
from moola.balancing.gradnorm import GradNorm
from moola.balancing.gradshare import GradShare
from moola.balancing.guard import Guard
from moola.balancing.initial import Initial
from moola.balancing.kendall import Kendall
from moola.balancing.manual import Manual
from moola.balancing.pcd import PCD
from moola.balancing.raw import Raw
from moola.balancing.upgrad import UPGrad
from moola.config import FinetuneConfig
from moola.exceptions import ConfigError
from moola.schema import TARGET_SHARES, TASKS, Task

__all__ = [
    "PCD",
    "Balancer",
    "Decision",
    "Ema",
    "Epoch",
    "GradNorm",
    "GradShare",
    "Guard",
    "Initial",
    "Kendall",
    "Manual",
    "Raw",
    "StepContext",
    "UPGrad",
    "WeightedTask",
    "make_balancer",
    "weighted_tasks",
]


def weighted_tasks(
    tasks: tuple[Task, ...], baselines: Mapping[Task, float]
) -> tuple[WeightedTask, ...]:
    """Return `tasks` with their target shares, scaled to sum to 1, and constant losses."""
    total = sum(TARGET_SHARES[task] for task in tasks)
    return tuple(
        WeightedTask(task, target=TARGET_SHARES[task] / total, baseline=baselines[task])
        for task in tasks
    )


def make_balancer(
    config: FinetuneConfig, baselines: Mapping[Task, float], *, log_sigma: nn.Parameter | None
) -> Balancer:
    """Return the strategy that `config` names, guarded if it asks for that.

    Parameters
    ----------
    baselines
        Loss of the best constant predictor of each task, fitted on the training labels.
    log_sigma
        (K,) the model's log-sigmas, which only ``kendall`` trains.
    """
    strategy = _make_strategy(config, weighted_tasks(config.tasks, baselines), log_sigma)
    if config.is_guarded or config.may_be_guarded:
        return Guard(strategy, max_boost=config.max_boost, is_active=config.is_guarded)
    return strategy


def _make_strategy(
    config: FinetuneConfig, tasks: tuple[WeightedTask, ...], log_sigma: nn.Parameter | None
) -> Balancer:
    match config.balance:
        case "epoch":
            return Epoch(tasks)
        case "ema":
            return Ema(tasks)
        case "gradshare":
            return GradShare(tasks)
        case "gradnorm":
            return GradNorm(tasks)
        case "initial":
            return Initial(tasks)
        case "kendall" if log_sigma is not None:
            return Kendall(tasks, log_sigma)
        case "manual":
            given = dict(zip(TASKS, config.weights, strict=True))
            return Manual(tasks, {task: given[task] for task in config.tasks})
        case "pcd":
            return PCD(tasks)
        case "raw":
            return Raw(tasks)
        case "upgrad":
            return UPGrad(tasks)
    raise ConfigError(f"balance should name a strategy. Found {config.balance!r}.")
