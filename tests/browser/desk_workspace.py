"""A workspace with a queue: windows of a generated feed, some of which share bars."""

from __future__ import annotations

from pathlib import Path

from moola.bars import BarStore
from moola.importing import import_bars
from moola.proposals import ProposedSpan
from moola.store import LabelStore
from moola.synthetic import generate_bars
from moola.workspace import Workspace

N_WINDOWS, STRIDE = 270, 120


def write_workspace(root: Path) -> Workspace:
    """Write 270 windows with one proposal each."""
    workspace = Workspace(root)
    frame = generate_bars((N_WINDOWS + 2) * STRIDE, seed=5).frame
    root.mkdir(parents=True)
    source = root / "ES.parquet"
    frame.to_parquet(source)
    store = LabelStore.open(workspace.store_url)
    series_id, *_ = import_bars(source, store, BarStore(workspace.bars_dir), name="ES").series_ids
    times = [moment.to_pydatetime() for moment in frame["timestamp"]]
    spans = [_proposal(STRIDE * (i + 1), length=5 + i % 12) for i in range(N_WINDOWS)]
    store.propose(series_id, spans, op_id="proposals", timestamps=times)
    store.close()
    return workspace


def _proposal(start: int, *, length: int) -> ProposedSpan:
    return ProposedSpan(
        start=start, end=start + length - 1, type="consolidation", direction="up", score=0.8
    )
