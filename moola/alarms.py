"""What the outputs of a model say by themselves: a head that says the same of every window,
probabilities that went through a sigmoid twice, a head that training no longer moves. Plain arrays
in, ``CODE/task`` out.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

import numpy as np
from numpy.typing import NDArray

from moola.predict import Outputs
from moola.schema import Task

Floats = NDArray[np.float32]
LEAST_SPREAD: dict[Task, float] = {"ptr": 0.005, "binary": 0.005, "countdown": 0.25, "type": 0.005}
"""Range over windows, and bars, below which a head says the same of all: half a bar of centre,
half a per cent of probability, a quarter of a bar of countdown."""
SQUEEZED = (0.5, 0.7311)
"""The range of ``sigmoid(sigmoid(x))``: 1 / (1 + e^-1) is 0.73106."""

STILL_PART = 2e-4
"""Part of `LEAST_SPREAD` that a head's answers move by at least between two probes: a millionth of
probability. One that still learns moves by far more, even at the end of the cosine."""


class Watch:
    """Looks at the outputs for the same windows again and again."""

    def __init__(self) -> None:
        self._before: dict[Task, Floats] = {}

    def look(self, outputs: Mapping[Task, Floats], *, unreached: Collection[Task]) -> list[str]:
        """Return the alarms of what a model says now.

        Parameters
        ----------
        unreached
            Tasks whose head got no gradient at all in the epoch, though it had something to learn.
        """
        found = output_alarms(outputs) + [f"NO_GRADIENT/{task}" for task in unreached]
        found += [f"STILL/{task}" for task in still_heads(self._before, outputs)]
        self._before = dict(outputs)
        return found


def still_heads(before: Mapping[Task, Floats], now: Mapping[Task, Floats]) -> list[Task]:
    """Return the tasks whose answers for the same windows have not moved; none without `before`.

    >>> still_heads({"type": np.float32([0.2, 0.8])}, {"type": np.float32([0.2, 0.8])})
    ['type']
    """
    return [
        task
        for task in now
        if task in before
        and float(np.abs(now[task] - before[task]).max()) <= STILL_PART * LEAST_SPREAD[task]
    ]


def answers(found: Outputs) -> dict[Task, Floats]:
    """Return what the heads say, as probabilities and bars, of the tasks that there are."""
    logits = found.binary_logits
    said: dict[Task, Floats | None] = {
        "ptr": found.pointers,
        "binary": None if logits is None else (1 / (1 + np.exp(-logits))).astype(np.float32),
        "countdown": found.countdown_bars,
        "type": found.type_probabilities,
    }
    return {task: values for task, values in said.items() if values is not None}


def output_alarms(outputs: Mapping[Task, Floats]) -> list[str]:
    """Return the alarms of some windows' outputs: probabilities, but countdown in bars.

    A constant output is not called squeezed as well.

    >>> output_alarms({"binary": np.float32([0.51, 0.72]), "type": np.float32([0.3, 0.3])})
    ['SQUEEZED/binary', 'CONSTANT_OUTPUT/type']
    """
    found = []
    for task, values in outputs.items():
        low, high = float(values.min()), float(values.max())
        # Over windows, for each column: type and pointers are several numbers a window.
        columns = values.reshape(len(values), -1) if task in ("ptr", "type") else values.ravel()
        if float(np.ptp(columns, axis=0).max()) < LEAST_SPREAD[task]:
            found.append(f"CONSTANT_OUTPUT/{task}")
        elif task == "binary" and low >= SQUEEZED[0] and high <= SQUEEZED[1]:
            found.append(f"SQUEEZED/{task}")
    return found
