"""Score every window of a long series, one a bar, in bounded memory.

The features are computed once for the whole series. Windows are views of them, copied batch by
batch; what a part's windows say is written before the next part begins. Small batches stay in the
processor's cache, and the decoder is the compiled one of `moola.quick_decode`.
"""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from moola.bars import BarStore
from moola.checkpoint import Checkpoint
from moola.decode import Calibration
from moola.device import resolve_device, use_one_thread
from moola.exceptions import RunError
from moola.features import compute_features
from moola.labels import decode_pointers
from moola.length_prior import LengthPrior
from moola.model import JadeCompact
from moola.predict import Outputs, run_model
from moola.quick_decode import Spans, quick_decode
from moola.runs import RunFolder
from moola.scan_merging import WindowVotes
from moola.scans import ScanFolder, ScanPlan
from moola.schema import WINDOW_LENGTH
from moola.store import Series

BATCH_SIZE = 64
CALL_WINDOWS = 1024


def plan_scan(run: RunFolder, series: Series, *, precision: str) -> ScanPlan:
    """Return the plan of a scan of `series` with the last checkpoint of `run`."""
    path = run.path / "last.pt"
    if not path.exists():
        raise RunError(f"Run {run.id} should have trained to scan. Found no last.pt.")
    return ScanPlan(
        run_id=run.id,
        run_folder=str(run.path.resolve()),
        checkpoint_id=hashlib.sha256(path.read_bytes()).hexdigest()[:16],
        series_id=series.series_id,
        symbol=series.symbol,
        bars=series.content_hash,
        n_bars=series.n_bars,
        precision=precision,
    )


def scan(
    folder: ScanFolder,
    bar_store: BarStore,
    *,
    device: str = "auto",
    batch_size: int = BATCH_SIZE,
    stopped: Callable[[], bool] = lambda: False,
    on_windows: Callable[[int], object] = lambda _: None,
) -> str:
    """Score what is not scored yet; return ``finished`` or ``stopped``.

    Parameters
    ----------
    stopped
        Asked every thousand windows; the part that is being scored is then left out.
    on_windows
        Told how many more windows are done.
    """
    plan = folder.plan()
    if plan is None:
        raise RunError(f"{folder.path} should hold the plan of a scan. Found none.")
    scorer = WindowScorer(Path(plan.run_folder) / "last.pt", plan.precision, device, batch_size)
    features = compute_features(bar_store.ohlc(plan.bars))
    for index in range(plan.n_parts):
        part = plan.part(index)
        if folder.part_path(index).exists():
            on_windows(len(part))
            continue
        votes, bar_sum = [], np.zeros(len(part) + WINDOW_LENGTH - 1)
        for first in range(part.start, part.stop, CALL_WINDOWS):
            if stopped():
                return "stopped"
            windows = range(first, min(first + CALL_WINDOWS, part.stop))
            some, inside = scorer.score(features, windows)
            votes.append(some)
            _add_diagonals(bar_sum[first - part.start :], inside)
            on_windows(len(windows))
        joined = (np.concatenate(column) for column in zip(*votes, strict=True))
        folder.save_part(index, WindowVotes(*joined), bar_sum)
    return "finished"


class WindowScorer:
    """A trained model with its decoder, for windows of one series."""

    def __init__(self, checkpoint: Path, precision: str, device: str, batch_size: int) -> None:
        self.device = resolve_device(device)
        use_one_thread(self.device)
        loaded = Checkpoint.load(checkpoint)
        self.model = JadeCompact.from_checkpoint(loaded, source=str(checkpoint)).to(self.device)
        self.countdown = loaded.meta["countdown"]
        self.prior = LengthPrior.from_dict(loaded.meta["length_prior"])
        self.calibration = Calibration(**loaded.meta["calibration"])
        self.precision, self.batch_size = precision, batch_size

    def outputs(self, features: NDArray[np.float32], windows: range) -> Outputs:
        """Return what the heads say of the windows that begin at some bars."""
        bars = features[windows.start : windows.stop + WINDOW_LENGTH - 1]
        views = sliding_window_view(bars, WINDOW_LENGTH, axis=0).transpose(0, 2, 1)
        batch = torch.from_numpy(np.ascontiguousarray(views)).to(self.device)
        with self._autocast():
            return run_model(self.model, batch, self.countdown, batch_size=self.batch_size)

    def _autocast(self) -> contextlib.AbstractContextManager[object]:
        if self.precision == "fp32":
            return contextlib.nullcontext()
        return torch.autocast(self.device.type, torch.bfloat16)

    def score(
        self, features: NDArray[np.float32], windows: range
    ) -> tuple[WindowVotes, NDArray[np.float32]]:
        """Return each window's vote, and (W, 105) the probability that a bar lies inside."""
        found = self.outputs(features, windows)
        spans = self._decode(found)
        bar_start = np.asarray(windows, np.int64)
        has_span = spans.start >= 0
        logits = found.binary_logits
        inside = np.full((len(windows), WINDOW_LENGTH), np.nan, np.float32)
        if logits is not None:
            inside = (1 / (1 + np.exp(-logits))).astype(np.float32)
        votes = WindowVotes(
            bar_start=bar_start,
            start=np.where(has_span, bar_start + spans.start, spans.start),
            end=np.where(has_span, bar_start + spans.end, spans.end),
            confidence=spans.confidence.astype(np.float32),
            type_probabilities=found.type_probabilities,
        )
        return votes, inside

    def _decode(self, found: Outputs) -> Spans:
        """Return a span per window; a model of pointers alone is equally sure of all of them."""
        if found.binary_logits is None and found.edge_logits is None:
            start, end = decode_pointers(found.pointers)
            return Spans(start, end, np.ones(len(start)), np.zeros(len(start)))
        return quick_decode(found.binary_logits, found.edge_logits, self.prior, self.calibration)


def _add_diagonals(total: NDArray[np.float64], inside: NDArray[np.float32]) -> None:
    """Add bar b of window w to ``total[w + b]``."""
    for bar in range(WINDOW_LENGTH):
        total[bar : bar + len(inside)] += inside[:, bar]
