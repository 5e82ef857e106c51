"""Write a run's model as ONNX: features in, every head out, checked against PyTorch first.

The file takes the same (N, 105, 12) float32 features that `moola.features` computes and gives
probabilities and bars, not logits: whoever loads it needs nothing of this package. The extra
``onnx`` is needed (``pip install 'moola[onnx]'``).
"""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from moola.atomic import written
from moola.checkpoint import Checkpoint
from moola.config import COUNTDOWN_CLIP_BARS
from moola.exceptions import ConfigError, RunError
from moola.model import JadeCompact
from moola.runs import RunFolder
from moola.schema import WINDOW_LENGTH

INPUT = "features"
N_CHECKED = 64
LARGEST_DIFFERENCE = 1e-4
"""Between ONNX Runtime and PyTorch, in probabilities; of countdowns in bars it is 20 times that."""


class Heads(nn.Module):
    """The model with its heads' outputs as people read them, in a fixed order."""

    def __init__(self, model: JadeCompact, *, countdown_scale: float) -> None:
        super().__init__()
        self.model = model
        self.countdown_scale = countdown_scale
        # The exporter puts the wrapper's mode on the model: without this, dropout would be in it.
        self.eval()
        with torch.inference_mode():
            probe = torch.zeros(1, WINDOW_LENGTH, model.options["input_size"])
            self.names = tuple(self._outputs(probe))

    def forward(self, features: Tensor) -> tuple[Tensor, ...]:
        """Return the outputs called `names` for (N, 105, 12) features."""
        return tuple(self._outputs(features).values())

    def _outputs(self, features: Tensor) -> dict[str, Tensor]:
        found = self.model(features)
        outputs: dict[str, Tensor | None] = {
            "type_prob": found.type_probabilities,
            "pointers": found.pointers,
            "binary_prob": found.binary_probabilities,
            "countdown_bars": None
            if found.countdown is None
            else found.countdown * self.countdown_scale,
        }
        for edge in ("start", "end"):
            logits = getattr(found, f"{edge}_logits", None)
            outputs[f"{edge}_prob"] = None if logits is None else logits.softmax(dim=-1)
        return {name: value for name, value in outputs.items() if value is not None}


def export_onnx(run: RunFolder, path: Path, *, checkpoint: str = "last") -> dict[str, float]:
    """Write a run's model to `path`; return the largest difference to PyTorch by output.

    It is run on real windows of the run with ONNX Runtime first; a file that differs is not kept.
    """
    _need_onnx()
    heads = load_heads(run, checkpoint=checkpoint)
    path.parent.mkdir(parents=True, exist_ok=True)
    with written(path) as temporary:
        _write(heads, temporary)
        differences = compare(heads, temporary, run.examples().features[:N_CHECKED])
        for name, found in differences.items():
            limit = LARGEST_DIFFERENCE * (20 if name == "countdown_bars" else 1)
            if not found <= limit:
                raise RunError(
                    f"{name} of the exported model should equal PyTorch's within {limit:g}. Found "
                    f"{found:g} on windows of run {run.id}."
                )
    return differences


def load_heads(run: RunFolder, *, checkpoint: str = "last") -> Heads:
    """Return the model of a run's checkpoint, ready to be exported."""
    source = run.path / f"{checkpoint}.pt"
    if not source.exists():
        raise RunError(f"Run {run.id} should hold {source.name} to export. Found none.")
    model = JadeCompact.from_checkpoint(Checkpoint.load(source), source=str(source)).cpu()
    scale = COUNTDOWN_CLIP_BARS if run.config().countdown == "clip20" else 1
    return Heads(model, countdown_scale=float(scale))


def compare(heads: Heads, path: Path, features: NDArray[np.float32]) -> dict[str, float]:
    """Return the largest absolute difference between ONNX Runtime and PyTorch, by output."""
    import onnxruntime

    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    found: Any = session.run(list(heads.names), {INPUT: features})
    with torch.inference_mode():
        wanted = heads(torch.from_numpy(features))
    return {
        name: float(np.abs(own - other.numpy()).max())
        for name, own, other in zip(heads.names, found, wanted, strict=True)
    }


def _write(heads: Heads, path: Path) -> None:
    example = torch.zeros(2, WINDOW_LENGTH, heads.model.options["input_size"])
    batch = {0: "windows"}
    with warnings.catch_warnings():
        # The tracing exporter writes one LSTM node; the newer one unrolls it over 105 bars.
        warnings.simplefilter("ignore")
        torch.onnx.export(
            heads,
            (example,),
            str(path),
            input_names=[INPUT],
            output_names=list(heads.names),
            dynamic_axes=dict.fromkeys((INPUT, *heads.names), batch),
            dynamo=False,
        )


def _need_onnx() -> None:
    try:
        import onnx  # noqa: F401
        import onnxruntime  # noqa: F401
    except ImportError as error:
        raise ConfigError(
            f"ONNX export needs the extra: pip install 'moola[onnx]'. Found no {error.name}."
        ) from error
