"""A scan of a series by a run, on disk: its plan, its parts, its result.

``scans/<run>/<series>/plan.json`` says what is scanned with what; ``part-000012.npz`` holds what
the windows of one stretch say. A scan goes on from the parts that are there, and its result lies
beside: ``scans/<run>/<series>.parquet``, the merged spans, and ``<series>.bars.parquet``, the mean
probability of every bar over the windows that hold it.
"""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Self

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray

from moola.atomic import write_json, written
from moola.bars import BarStore
from moola.exceptions import RunError, SchemaError
from moola.proposals import ProposedSpan, RuleParams, run_starts
from moola.scan_merging import MergedSpans, WindowVotes, merge_votes
from moola.schema import SPAN_TYPES, WINDOW_LENGTH
from moola.store import LabelStore, ProposeSummary, Series
from moola.tables import write_parquet
from moola.type_stage import TypeStage, decided_types, series_columns
from moola.workspace import Workspace

PART_WINDOWS = 8192
SOURCE = "scan"


@dataclass(frozen=True, kw_only=True)
class ScanPlan:
    """What is scanned with what; two scans with another plan share no parts."""

    run_id: str
    run_folder: str
    checkpoint_id: str
    series_id: str
    symbol: str
    bars: str
    """Content hash of the series' bars."""
    n_bars: int
    precision: str = "fp32"
    part_windows: int = PART_WINDOWS

    @property
    def n_windows(self) -> int:
        """Windows of the series, one a bar."""
        return self.n_bars - WINDOW_LENGTH + 1

    @property
    def n_parts(self) -> int:
        """Stretches that are saved one by one."""
        return -(-self.n_windows // self.part_windows)

    def part(self, index: int) -> range:
        """Return the first bars of the windows of one part."""
        first = index * self.part_windows
        return range(first, min(first + self.part_windows, self.n_windows))


class ScanFolder:
    """The parts and the result of one scan."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @classmethod
    def prepare(cls, workspace: Workspace, plan: ScanPlan) -> Self:
        """Return the plan's folder; parts of another plan, as of a run trained on, are dropped."""
        if plan.n_windows < 1:
            raise SchemaError(
                f"A series should have at least {WINDOW_LENGTH} bars to scan. Found {plan.n_bars} "
                f"({plan.symbol})."
            )
        name = re.sub(r"[^A-Za-z0-9._-]+", "-", plan.series_id)
        folder = cls(workspace.root / "scans" / plan.run_id / name)
        if folder.path.exists() and folder.plan() != plan:
            shutil.rmtree(folder.path)
        folder.path.mkdir(parents=True, exist_ok=True)
        write_json(folder.path / "plan.json", asdict(plan))
        return folder

    def plan(self) -> ScanPlan | None:
        """Return the plan, or None without one that can be read."""
        try:
            values = json.loads((self.path / "plan.json").read_text(encoding="utf-8"))
            return ScanPlan(**values)
        except (OSError, ValueError, TypeError):
            return None

    def part_path(self, index: int) -> Path:
        """Return where a part is kept once it is done."""
        return self.path / f"part-{index:06d}.npz"

    def n_done(self) -> int:
        """Return how many parts are done."""
        return len(list(self.path.glob("part-*.npz")))

    def save_part(self, index: int, votes: WindowVotes, bar_sum: NDArray[np.float64]) -> None:
        """Keep a part, whole or not at all."""
        with written(self.part_path(index)) as temporary, temporary.open("wb") as file:
            np.savez(file, bar_sum=bar_sum, **votes._asdict())

    def _parts(self, plan: ScanPlan) -> Iterator[tuple[range, dict[str, NDArray]]]:
        for index in range(plan.n_parts):
            try:
                with np.load(self.part_path(index)) as arrays:
                    yield plan.part(index), dict(arrays)
            except (OSError, ValueError) as error:
                raise RunError(
                    f"{self.part_path(index)} should hold a part of a scan. Found: {error}; "
                    "scan again."
                ) from error

    def votes(self, plan: ScanPlan) -> WindowVotes:
        """Return what every window says."""
        parts = [arrays for _, arrays in self._parts(plan)]
        return WindowVotes(
            *(np.concatenate([part[name] for part in parts]) for name in WindowVotes._fields)
        )

    def bar_means(self, plan: ScanPlan) -> NDArray[np.float32]:
        """Return (n_bars,) mean probability of being inside, over the windows that hold a bar."""
        total = np.zeros(plan.n_bars)
        for windows, arrays in self._parts(plan):
            total[windows.start : windows.stop + WINDOW_LENGTH - 1] += arrays["bar_sum"]
        bar = np.arange(plan.n_bars)
        most = min(WINDOW_LENGTH, plan.n_windows)
        n_windows = np.minimum(np.minimum(bar + 1, plan.n_bars - bar), most)
        return (total / n_windows).astype(np.float32)


@dataclass(frozen=True, kw_only=True)
class ScanResult:
    """The merged spans of a scan and where they were written."""

    plan: ScanPlan
    spans: MergedSpans
    file: Path
    bars_file: Path | None


def finish(
    folder: ScanFolder,
    bar_store: BarStore,
    *,
    min_support: float,
    per_bar: bool,
    abstain_below: float = 0.0,
) -> ScanResult:
    """Merge the parts of a done scan and write the result.

    Windows that are less sure than `abstain_below` count as saying nothing.
    """
    plan = folder.plan()
    if plan is None or folder.n_done() < plan.n_parts:
        raise RunError(f"The scan in {folder.path} should be done. Found parts missing.")
    times = pd.DatetimeIndex(bar_store.read(plan.bars)["timestamp"])
    spans = merge_votes(
        folder.votes(plan).surer_than(abstain_below),
        n_bars=plan.n_bars,
        run_start=run_starts(plan.n_bars, times, RuleParams.gap_bars),
        min_support=min_support,
    )
    file = folder.path.with_name(f"{folder.path.name}.parquet")
    table = spans_table(plan, spans, bar_store.ohlc(plan.bars), times)
    write_parquet(pa.Table.from_pandas(table, preserve_index=False), file)
    bars_file = None
    if per_bar:
        bars_file = folder.path.with_name(f"{folder.path.name}.bars.parquet")
        means = pd.DataFrame({"timestamp": times, "inside_mean": folder.bar_means(plan)})
        write_parquet(pa.Table.from_pandas(means, preserve_index=False), bars_file)
    return ScanResult(plan=plan, spans=spans, file=file, bars_file=bars_file)


def spans_table(
    plan: ScanPlan, spans: MergedSpans, ohlc: NDArray[np.float64], times: pd.DatetimeIndex
) -> pd.DataFrame:
    """Return one row a span, in the order of the bars; ``start`` and ``end`` are inclusive.

    The type is that of the run's type stage at the merged span, or without one the voters'.
    """
    rises = ohlc[spans.end, 3] >= ohlc[spans.start, 0]
    stage = TypeStage.load(Path(plan.run_folder))
    table = pd.DataFrame(
        {
            "run_id": plan.run_id,
            "series_id": plan.series_id,
            "start": spans.start,
            "end": spans.end,
            "start_ts": times[spans.start],
            "end_ts": times[spans.end],
            "direction": np.where(rises, "up", "down"),
            **{f"prob_{t}": spans.type_probabilities[:, i] for i, t in enumerate(SPAN_TYPES)},
            **series_columns(stage, ohlc, spans.start, spans.end),
            "support": spans.support,
            "confidence": spans.confidence,
            "n_windows": spans.n_windows,
        }
    )
    names = np.array(SPAN_TYPES, dtype=object)[decided_types(table)]
    table.insert(list(table).index("direction") + 1, "type", names)
    return table.sort_values("start", ignore_index=True)


def propose(
    result: ScanResult,
    series: Series,
    store: LabelStore,
    bar_store: BarStore,
    *,
    threshold: float,
    top: int | None,
) -> ProposeSummary:
    """Put the best supported spans into the queue; the score is the support."""
    table = pd.read_parquet(result.file).sort_values("support", ascending=False)
    chosen = pd.DataFrame(table[table["support"] >= threshold]).head(top or len(table))
    found = [
        ProposedSpan(row["start"], row["end"], row["direction"], row["type"], row["support"])
        for row in chosen.to_dict(orient="records")
    ]
    times = None
    if series.start_ts is not None:
        times = pd.DatetimeIndex(bar_store.read(series.content_hash)["timestamp"])
    return store.propose(
        series.series_id,
        found,
        op_id=f"scan:{result.plan.run_id}:{result.plan.checkpoint_id}:{series.series_id}:"
        f"{threshold:g}:{top}",
        source=SOURCE,
        run_id=result.plan.run_id,
        timestamps=None if times is None else times.to_pydatetime().tolist(),
    )
