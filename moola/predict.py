"""What a trained model says about windows, as one table of bars."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor

from moola.atomic import written
from moola.checkpoint import Checkpoint
from moola.config import CountdownScale
from moola.decode import Calibration, DecodedSpans, decode_spans
from moola.decoders import edges, start_from_countdown, without_posterior
from moola.device import resolve_device, use_one_thread
from moola.examples import Examples
from moola.exceptions import CheckpointError, RunError
from moola.labels import decode_pointers
from moola.length_prior import LengthPrior
from moola.losses import countdown_in_bars
from moola.model import JadeCompact, ModelOutput
from moola.runs import RunFolder
from moola.schema import SPAN_TYPES, WINDOW_LENGTH
from moola.type_stage import TypeStage, columns, stage_of_checkpoint

BATCH_SIZE = 64
"""Small batches are the faster ones on a CPU: 64 windows stay in its cache."""


@dataclass(frozen=True, eq=False)
class Outputs:
    """The heads' outputs for N windows as numpy arrays; a head the model lacks is None."""

    type_probabilities: NDArray[np.float32]  # (N, 3)
    pointers: NDArray[np.float32]  # (N, 2) centre and length, 0..1
    binary_logits: NDArray[np.float32] | None  # (N, T)
    countdown_bars: NDArray[np.float32] | None  # (N, T)
    start_logits: NDArray[np.float32] | None = None  # (N, T), of a bar head
    end_logits: NDArray[np.float32] | None = None  # (N, T)

    @classmethod
    def join(cls, outputs: list[ModelOutput], countdown: CountdownScale) -> Self:
        """Return the outputs of several batches as one."""

        def column(tensors: list[Tensor | None]) -> NDArray[np.float32] | None:
            present = [tensor.float().cpu() for tensor in tensors if tensor is not None]
            return torch.cat(present).numpy() if present else None

        pointers = column([output.pointers for output in outputs])
        types = column([output.type_probabilities for output in outputs])
        if pointers is None or types is None:
            raise CheckpointError(
                "A model should have a pointer head to predict spans. Found none."
            )
        emitted = column([output.countdown for output in outputs])
        return cls(
            type_probabilities=types,
            pointers=pointers,
            binary_logits=column([output.binary_logits for output in outputs]),
            countdown_bars=None if emitted is None else countdown_in_bars(emitted, countdown),
            start_logits=column([output.start_logits for output in outputs]),
            end_logits=column([output.end_logits for output in outputs]),
        )

    @property
    def edge_logits(self) -> NDArray[np.float32] | None:
        """(N, 2, T) of a bar head: start and end."""
        if self.start_logits is None or self.end_logits is None:
            return None
        return np.stack([self.start_logits, self.end_logits], axis=1)

    def decode(self, prior: LengthPrior, calibration: Calibration) -> DecodedSpans:
        """Return one span per window: from the per-bar heads, or from the pointers without any.

        Pointers know no "no span", no confidence and no posterior; all are NaN then.
        """
        edge_logits = self.edge_logits
        if self.binary_logits is not None or edge_logits is not None:
            return decode_spans(
                self.binary_logits, prior, calibration, edge_logits=edge_logits, decision="hit"
            )
        return without_posterior(*decode_pointers(self.pointers))


@torch.inference_mode()
def run_model(
    model: JadeCompact,
    features: Tensor,
    countdown: CountdownScale,
    *,
    hidden: Tensor | None = None,
    batch_size: int = BATCH_SIZE,
) -> Outputs:
    """Return the outputs for (N, T, 12) features on the model's device, N > 0.

    `hidden` is the encoder's output for them where it is known, which spares computing it.
    """
    model.eval()
    parts = features.split(batch_size)
    known = [None] * len(parts) if hidden is None else hidden.split(batch_size)
    return Outputs.join([model(*pair) for pair in zip(parts, known, strict=True)], countdown)


def predict(
    source: RunFolder | Path,
    examples: Examples,
    *,
    device: str = "auto",
    batch_size: int = BATCH_SIZE,
) -> pd.DataFrame:
    """Return predictions for every window of `examples`, one row per window and bar.

    Parameters
    ----------
    source
        A run, of which the last checkpoint is taken (no validation window has chosen it, as it
        has the best one), or the path of a checkpoint.

    Returns
    -------
    pd.DataFrame
        ``window_uid, split, bar``; per bar ``binary_prob, binary_logit, countdown_bars``, null
        without the expansion heads, and the posterior ``start_prob, end_prob`` of the edges; and
        repeated on every bar of a window: ``ptr_center_norm, ptr_length_norm, ptr_start, ptr_end,
        prob_<type>, start, end, confidence, p_no_span, edge_entropy``, and three estimates of the
        start that know nothing of each other, ``start_binary, start_pointer, start_countdown``;
        ``type_stage_<type>`` of the run's second stage (`moola.type_stage`), null without one.
        Spans have inclusive ends and are -1 where no span was found.
    """
    path = _last_checkpoint(source) if isinstance(source, RunFolder) else source
    chosen = resolve_device(device)
    use_one_thread(chosen)
    checkpoint = Checkpoint.load(path)
    model = JadeCompact.from_checkpoint(checkpoint, source=str(path)).to(chosen)
    windows = examples.take(examples.first_of_each_window())
    features = torch.from_numpy(windows.features).to(chosen)
    countdown: CountdownScale = checkpoint.meta["countdown"]
    outputs = run_model(model, features, countdown, batch_size=batch_size)
    prior = LengthPrior.from_dict(checkpoint.meta["length_prior"])
    spans = outputs.decode(prior, Calibration(**checkpoint.meta["calibration"]))
    return _as_table(windows, outputs, spans, stage_of_checkpoint(path))


def _last_checkpoint(run: RunFolder) -> Path:
    path = run.path / "last.pt"
    if not path.exists():
        raise RunError(f"Run {run.id} should have trained to predict. Found no last.pt.")
    return path


def predict_run(run: RunFolder) -> pd.DataFrame:
    """Fit the type stage, and write ``predictions.parquet`` for the windows of the run."""
    examples = run.examples()
    fit_stage(run)
    predictions = predict(run, examples, device=run.config().device)
    write_predictions(predictions, run.path / "predictions.parquet")
    return predictions


def fit_stage(run: RunFolder) -> None:
    """Fit the type stage on the training windows of `run`, and keep it in its folder."""
    examples = run.examples()
    if stage := TypeStage.fit(examples.take(~examples.is_val)):
        stage.save(run.path)


def write_predictions(predictions: pd.DataFrame, path: Path) -> Path:
    """Write a table, whole or not at all; return `path`."""
    with written(path) as temporary:
        predictions.to_parquet(temporary, index=False)
    return path


def _starts(outputs: Outputs, ptr_start: NDArray[np.int64]) -> dict[str, NDArray[np.float32]]:
    """Return the start of each window in bars as each head sees it; NaN without the head."""
    unknown = np.full(len(ptr_start), np.nan)
    binary, countdown, start = outputs.binary_logits, outputs.countdown_bars, outputs.start_logits
    found = {
        "start_binary": unknown if binary is None else edges(binary)[0],
        "start_pointer": ptr_start if start is None else start.argmax(axis=1),
        "start_countdown": unknown if countdown is None else start_from_countdown(countdown),
    }
    return {name: value.astype(np.float32) for name, value in found.items()}


def _as_table(
    windows: Examples, outputs: Outputs, spans: DecodedSpans, stage: TypeStage | None
) -> pd.DataFrame:
    """Return the long table; see `predict`."""
    n = len(windows)
    ptr_start, ptr_end = decode_pointers(outputs.pointers)
    per_window = {
        "ptr_center_norm": outputs.pointers[:, 0],
        "ptr_length_norm": outputs.pointers[:, 1],
        "ptr_start": ptr_start.astype(np.int16),
        "ptr_end": ptr_end.astype(np.int16),
        **{f"prob_{t}": outputs.type_probabilities[:, i] for i, t in enumerate(SPAN_TYPES)},
        "start": spans.start.astype(np.int16),
        "end": spans.end.astype(np.int16),
        "confidence": spans.confidence.astype(np.float32),
        "p_no_span": spans.p_no_span.astype(np.float32),
        "edge_entropy": spans.edge_entropy().astype(np.float32),
        **_starts(outputs, ptr_start),
        **{
            name: value.astype(np.float32)
            for name, value in columns(stage, windows.ohlc, spans.start, spans.end).items()
        },
    }
    logits = outputs.binary_logits
    per_bar = {
        "start_prob": spans.start_prob.astype(np.float32),
        "end_prob": spans.end_prob.astype(np.float32),
        "binary_prob": None if logits is None else 1 / (1 + np.exp(-logits)),
        "binary_logit": logits,
        "countdown_bars": outputs.countdown_bars,
    }
    empty = np.full(n * WINDOW_LENGTH, np.nan, np.float32)
    return pd.DataFrame(
        {
            "window_uid": np.repeat(windows.window_uid, WINDOW_LENGTH),
            "split": np.repeat(np.where(windows.is_val, "val", "train"), WINDOW_LENGTH),
            "bar": np.tile(np.arange(WINDOW_LENGTH, dtype=np.int16), n),
            **{name: empty if value is None else value.ravel() for name, value in per_bar.items()},
            **{name: np.repeat(value, WINDOW_LENGTH) for name, value in per_window.items()},
        }
    )
