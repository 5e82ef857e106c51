"""AdamW and its learning rate: a linear rise over the first tenth of the steps, then a cosine."""

from __future__ import annotations

import inspect
import math
from typing import Any

import torch

from moola.config import FinetuneConfig
from moola.model import JadeCompact

WARM_UP = 0.1
"""Part of all steps in which the learning rate rises."""
LOG_SIGMA_LR = 1e-2
"""At the model's rate the log-sigmas would not arrive within a run (`moola.balancing.kendall`)."""


class LightAdamW(torch.optim.AdamW):
    """`torch.optim.AdamW` without PyTorch's compiler, whose import is a quarter of a run's start.

    Nothing here is compiled. An optimizer imports ``torch._dynamo`` all the same (torch 2.13): its
    methods are marked as not to be compiled, and on the first call ask the compiler to leave them
    out (`torch._compile`); `step` tells it where gradients are switched off. So the methods are
    told beforehand to be what they are, and `step` is the function that PyTorch wraps. A version
    that keeps its marks elsewhere imports the compiler as before: see tests/test_optimizer.py.
    """

    step = torch.no_grad()(inspect.unwrap(torch.optim.AdamW.step))  # pyright: ignore


for _name in ("add_param_group", "zero_grad", "state_dict", "load_state_dict"):
    _plain = inspect.unwrap(getattr(torch.optim.Optimizer, _name))
    setattr(_plain, "__dynamo_disable", _plain)


def make_optimizer(model: JadeCompact, config: FinetuneConfig) -> torch.optim.AdamW:
    """Return AdamW over what is trained; biases and log-sigmas are not decayed.

    The biases start at the constant predictor, which is no reason to pull them towards 0.
    """
    named = [(name, p) for name, p in model.named_parameters() if p.requires_grad]
    groups = [
        {
            "params": [p for _, p in named if p.ndim > 1],
            "peak_lr": config.lr,
            "weight_decay": config.weight_decay,
            "scheduled": True,
        },
        {
            "params": [p for name, p in named if p.ndim == 1 and name != "log_sigma"],
            "peak_lr": config.lr,
            "weight_decay": 0.0,
            "scheduled": True,
        },
        {
            "params": [p for name, p in named if name == "log_sigma"],
            "peak_lr": LOG_SIGMA_LR,
            "weight_decay": 0.0,
            "scheduled": False,
        },
    ]
    return LightAdamW([{**group, "lr": group["peak_lr"]} for group in groups])


def load_optimizer(optimizer: torch.optim.Optimizer, state: dict[str, Any]) -> None:
    """Load moments and step counters, and keep the groups' own rates and decays."""
    own = [{k: v for k, v in g.items() if k != "params"} for g in optimizer.param_groups]
    optimizer.load_state_dict(state)
    for group, options in zip(optimizer.param_groups, own, strict=True):
        group.update(options)


def lr_factor(step: int, n_steps: int) -> float:
    """Return the learning rate of `step` (from 0) as part of its peak: linear rise, then cosine.

    >>> [round(lr_factor(step, 100), 2) for step in (0, 4, 9, 10, 55, 99)]
    [0.1, 0.5, 1.0, 1.0, 0.5, 0.0]
    """
    n_warm_up = math.ceil(WARM_UP * n_steps)
    if step < n_warm_up:
        return (step + 1) / n_warm_up
    return (1 + math.cos(math.pi * (step - n_warm_up) / (n_steps - n_warm_up))) / 2
