"""The only file that knows TorchJD: gradients of several tasks made into one for the encoder.

TorchJD changes its API in almost every minor version, hence the narrow bound of the extra and the
contract test of what is used here: ``mtl_backward`` and ``jac_to_grad`` of ``torchjd.autojac``,
``UPGrad`` and ``PCD`` of ``torchjd.aggregation``, and the buffers that PCD keeps.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from moola.balancing._base import Balancer, Decision, StepContext, WeightedTask
from moola.extras import require
from moola.schema import Task


class Jacobian(Balancer):
    """Writes the gradients itself: `Decision.loss` is None.

    Every task enters as ``p_i L_i / L_const_i``. Its head gets the plain gradient of that; on the
    projection, which pointers and type share, TorchJD sums. On the encoder the aggregator mixes
    the tasks' gradients with factors ``a_i`` that depend on the angles between them.

    The reported weight is ``a_i p_i / L_const_i``: what the encoder was really moved by, averaged
    over the epoch's steps. A loss share made of it says how much of the *mixed* loss is the task's,
    and says nothing about the heads, which no aggregator touches.
    """

    needs = "full_jacobian"

    def __init__(self, tasks: tuple[WeightedTask, ...]) -> None:
        super().__init__(tasks)
        require("balance", self.name)
        self.reset()

    name: str

    def make_aggregator(self) -> Any:
        """Return a fresh aggregator of `torchjd`."""
        raise NotImplementedError

    def step(self, losses: Mapping[Task, Tensor], context: StepContext) -> Decision:
        """Write every gradient; `context.shared` are the encoder's parameters."""
        from torchjd.autojac import jac_to_grad, mtl_backward

        fixed: dict[Task, float] = {task.name: task.target / task.scale for task in self.tasks}
        mtl_backward(
            [fixed[name] * losses[name] for name in fixed],
            features=context.hidden,
            shared_params=context.shared,
            retain_graph=True,  # the tasks' graphs meet in the projection
            parallel_chunk_size=1,  # cuDNN's LSTM cannot be mapped over (TorchJD issue 220)
        )
        factors = jac_to_grad(context.shared, self.aggregator).tolist()
        weights: dict[Task, float] = {
            name: a * fixed[name] for a, name in zip(factors, fixed, strict=True)
        }
        return Decision(None, weights)

    def reset(self) -> None:
        """Forget the running means, if the aggregator keeps any."""
        self.aggregator = self.make_aggregator()

    def state_dict(self) -> dict[str, Any]:
        """Return the aggregator's buffers."""
        buffers = self.aggregator.gramian_weighting.named_buffers()
        return {"aggregator": {name: buffer.tolist() for name, buffer in buffers}}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continue with the buffers of `state`."""
        self.reset()
        weighting = self.aggregator.gramian_weighting
        for name, values in state["aggregator"].items():
            dtype = torch.float64 if isinstance(values, list) else torch.int64
            setattr(weighting, name, torch.tensor(values, dtype=dtype))
        if state["aggregator"]:
            weighting._state_key = len(self.tasks)  # else it would begin anew at the next step
