"""What a run would have said at bar t, with the bars after t hidden: how late its calls are.

The model reads a window in both directions, so its ordinary predictions know what comes after. Here
it is given bars 0..t alone: the sequence is cut, the backward direction begins at bar t. A hidden
bar says neither "inside" nor "outside", and is neither a likely nor an unlikely edge; only the
prior speaks for spans that reach there. A span is *called* at the first t at which some start not
after t has the posterior `threshold` within ±3 bars. The call is right if the true start is within
±3 bars of the called one; the lag of a right call is t minus the true start.

Only windows that the run held out count, one span each.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import torch
from numpy.typing import NDArray

from moola.atomic import write_json
from moola.checkpoint import Checkpoint
from moola.decode import TOLERANCE_BARS, Calibration, decode_spans
from moola.decoders import mass_near
from moola.device import resolve_device, use_one_thread
from moola.examples import NO_SPAN, Examples
from moola.exceptions import RunError, SchemaError
from moola.lateness import SUMMARY_FILE
from moola.length_prior import LengthPrior
from moola.model import JadeCompact
from moola.predict import Outputs, run_model
from moola.runs import RunFolder
from moola.schema import WINDOW_LENGTH
from moola.tables import write_parquet

THRESHOLD = 0.5
TABLE_FILE = "as_of.parquet"
WITHIN_BARS = (0, 1, 2, 3, 5, 8, 12, 20)


def measure(run: RunFolder, *, threshold: float = THRESHOLD) -> dict[str, Any]:
    """Write ``as_of.json`` and ``as_of.parquet`` of a run's held-out windows; return the first."""
    if not 0 < threshold < 1:
        raise SchemaError(f"threshold should lie between 0 and 1. Found {threshold}.")
    path = run.path / "last.pt"
    if not path.exists():
        raise RunError(f"Run {run.id} should have trained to be looked at. Found no last.pt.")
    examples = run.examples()
    windows = examples.take(examples.is_val)
    windows = windows.take(windows.first_of_each_window())
    if not windows.has_span.any():
        raise SchemaError(f"Run {run.id} should hold out windows with a span. Found none.")
    start, mass = starts_as_of(Checkpoint.load(path), windows, device=run.config().device)
    table = calls(windows, start, mass, threshold=threshold)
    answer = summary(table, start[:, -1], threshold=threshold)
    write_parquet(pa.Table.from_pandas(table, preserve_index=False), run.path / TABLE_FILE)
    write_json(run.path / SUMMARY_FILE, answer)
    return answer


def starts_as_of(
    checkpoint: Checkpoint, windows: Examples, *, device: str
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Return (W, 105) the likeliest start known at each t, and its posterior within ±3 bars."""
    chosen = resolve_device(device)
    use_one_thread(chosen)
    model = JadeCompact.from_checkpoint(checkpoint, source="last.pt").to(chosen)
    prior = LengthPrior.from_dict(checkpoint.meta["length_prior"])
    calibration = Calibration(**checkpoint.meta["calibration"])
    features = torch.from_numpy(windows.features).to(chosen)
    start = np.empty((len(windows), WINDOW_LENGTH), np.int64)
    mass = np.empty((len(windows), WINDOW_LENGTH))
    for t in range(WINDOW_LENGTH):
        seen = run_model(model, features[:, : t + 1], checkpoint.meta["countdown"])
        start_prob = _start_posterior(seen, t, prior, calibration)
        near = mass_near(start_prob[:, : t + 1])
        start[:, t] = near.argmax(axis=1)
        mass[:, t] = near.max(axis=1)
    return start, mass


def _start_posterior(
    seen: Outputs, t: int, prior: LengthPrior, calibration: Calibration
) -> NDArray[np.float64]:
    """Return (W, 105) posterior of the start, hidden bars being no evidence either way."""
    hidden = ((0, 0), (0, WINDOW_LENGTH - 1 - t))
    inside, edges = seen.binary_logits, seen.edge_logits
    if inside is None and edges is None:
        raise RunError("A run should have per-bar heads to be asked as of a bar. Found none.")
    if inside is not None:
        no_evidence = -calibration.offset / calibration.scale if calibration.scale else 0.0
        inside = np.pad(inside.astype(np.float64), hidden, constant_values=no_evidence)
    if edges is not None:
        # the mean of the visible probabilities is what a bar has that is neither likely nor not
        logits = edges.astype(np.float64)
        mean = np.logaddexp.reduce(logits, axis=2, keepdims=True) - math.log(t + 1)
        rest = np.broadcast_to(mean, (*logits.shape[:2], WINDOW_LENGTH - 1 - t))
        edges = np.concatenate([logits, rest], axis=2)
    return decode_spans(inside, prior, calibration, edge_logits=edges, decision="hit").start_prob


def calls(
    windows: Examples,
    start: NDArray[np.int64],
    mass: NDArray[np.float64],
    *,
    threshold: float,
) -> pd.DataFrame:
    """Return one row a window: when its first call came, what it said, and whether it is right."""
    is_sure = mass >= threshold
    called_at = np.where(is_sure.any(axis=1), is_sure.argmax(axis=1), NO_SPAN)
    rows = np.arange(len(windows))
    said = np.where(called_at >= 0, start[rows, np.maximum(called_at, 0)], NO_SPAN)
    is_right = (
        windows.has_span & (called_at >= 0) & (np.abs(said - windows.start) <= TOLERANCE_BARS)
    )
    return pd.DataFrame(
        {
            "window_uid": windows.window_uid,
            "true_start": windows.start,
            "true_end": windows.end,
            "called_at": called_at,
            "called_start": said,
            "is_right": is_right,
            "lag_bars": np.where(is_right, called_at - windows.start, np.nan),
        }
    )


def summary(
    table: pd.DataFrame, start_with_all_bars: NDArray[np.int64], *, threshold: float
) -> dict[str, Any]:
    """Return what a model card says of the calls."""
    spans = table["true_start"].to_numpy() != NO_SPAN
    n_spans, called = int(spans.sum()), table["called_at"].to_numpy() >= 0
    right = table["is_right"].to_numpy(bool)
    lag = table["lag_bars"].to_numpy(float)[right]
    seen = np.abs(start_with_all_bars - table["true_start"].to_numpy()) <= TOLERANCE_BARS
    return {
        "threshold": threshold,
        "n_windows": len(table),
        "n_spans": n_spans,
        "n_called": int((called & spans).sum()),
        "n_called_without_span": int((called & ~spans).sum()),
        "start_hit_of_calls": _share(right.sum(), (called & spans).sum()),
        "start_hit_of_spans": _share(right.sum(), n_spans),
        "start_hit_with_all_bars": _share((seen & spans).sum(), n_spans),
        "lag_bars": {
            name: float(np.quantile(lag, q)) if lag.size else None
            for name, q in (("p25", 0.25), ("median", 0.5), ("p75", 0.75), ("p90", 0.9))
        },
        "right_within_bars": {str(k): _share((lag <= k).sum(), n_spans) for k in WITHIN_BARS},
    }


def _share(part: Any, whole: Any) -> float | None:
    return float(part) / float(whole) if whole else None


def format_summary(answer: dict[str, Any]) -> str:
    """Return the summary in sentences."""
    lag = answer["lag_bars"]
    hit = answer["start_hit_of_calls"]
    lines = [
        f"{answer['n_called']} of {answer['n_spans']} held-out spans were called with confidence "
        f"{answer['threshold']:g} while bars came in one by one.",
    ]
    if hit is not None and lag["median"] is not None:
        lines.append(
            f"{hit:.0%} of the calls name the start within ±3 bars, {lag['median']:.0f} bars late "
            f"in the middle (half of them {lag['p25']:.0f} to {lag['p75']:.0f})."
        )
    lines.append(
        f"Right in the end: {answer['start_hit_of_spans']:.0%} of the spans by first calls, "
        f"{answer['start_hit_with_all_bars']:.0%} with all bars of the window."
    )
    within = "  ".join(f"+{k}: {v:.0%}" for k, v in answer["right_within_bars"].items())
    lines.append(f"Spans called right by so many bars after their start   {within}")
    lines.append(f"Windows without a span that got a call: {answer['n_called_without_span']}")
    return "\n".join(lines)
