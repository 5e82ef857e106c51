"""What the outputs of a model say by themselves: a head that says the same of every window, or
probabilities that went through a sigmoid twice. Plain arrays in, ``CODE/task`` out.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from moola.schema import Task

Floats = NDArray[np.float32]
LEAST_SPREAD: dict[Task, float] = {"ptr": 0.005, "binary": 0.005, "countdown": 0.25, "type": 0.005}
"""Range over windows, and bars, below which a head says the same of all: half a bar of centre,
half a per cent of probability, a quarter of a bar of countdown."""
SQUEEZED = (0.5, 0.7311)
"""The range of ``sigmoid(sigmoid(x))``: 1 / (1 + e^-1) is 0.73106."""


def output_alarms(outputs: dict[Task, Floats]) -> list[str]:
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
