"""A run's spans for other tools: proposals for the queue, Parquet, a TradingView script.

``spans_of(run, store)`` places every decoded span in its series. Windows overlap, so the same
expansion may be found several times: proposals and scripts take the most confident of an overlap,
the Parquet has one row a window.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from moola.bars import BarStore
from moola.examples import NO_SPAN
from moola.exceptions import RunError, SchemaError
from moola.exports import pine
from moola.proposals import ProposedSpan
from moola.runs import RunFolder
from moola.schema import Direction, SpanType
from moola.store import LabelStore, ProposeSummary, Series
from moola.tables import write_parquet
from moola.type_stage import decided_type

FORMATS = {
    "proposals": "proposals in the labelling queue",
    "parquet": "Parquet, one row a window",
    "pine": "TradingView script (Pine v5)",
    "onnx": "the model itself, as ONNX",
}
SUFFIXES = {"parquet": ".parquet", "pine": ".pine", "onnx": ".onnx"}
SOURCE = "model"


@dataclass(frozen=True, slots=True, kw_only=True)
class RunSpan:
    """What a run says of one window: bars of the series, both inclusive, or no span."""

    window_uid: str
    series_id: str
    bar_start: int
    start: int
    """First bar counted from the window's first, `NO_SPAN` without a span."""
    end: int
    type: SpanType
    confidence: float
    p_no_span: float
    edge_entropy: float
    split: str

    @property
    def has_span(self) -> bool:
        """Whether the run sees an expansion."""
        return self.start != NO_SPAN

    @property
    def seq_start(self) -> int:
        """First bar in the series."""
        return self.bar_start + self.start

    @property
    def seq_end(self) -> int:
        """Last bar in the series, inclusive."""
        return self.bar_start + self.end


@dataclass(frozen=True, slots=True, kw_only=True)
class PlacedSpan:
    """A run's span on the bars of its series, with its direction and times."""

    span: RunSpan
    direction: Direction
    high: float
    low: float
    start_ts: datetime | None
    end_ts: datetime | None


def spans_of(
    run: RunFolder, store: LabelStore, predictions: pd.DataFrame | None = None
) -> list[RunSpan]:
    """Return what a run says of every window, by series and bar.

    Parameters
    ----------
    predictions
        What ``moola predict --run RUN --out FILE`` wrote, for other windows than the run's own.
    """
    table = run.predictions() if predictions is None else predictions
    if table is None:
        raise RunError(f"Run {run.id} should hold predictions to export. Found none.")
    examples = run.examples()
    places = {row.window_uid: (row.series_id, row.bar_start) for row in store.windows()}
    places |= {
        str(uid): (str(series), int(start))
        for uid, series, start in zip(
            examples.window_uid, examples.series_id, examples.bar_start, strict=True
        )
    }
    rows = table.drop_duplicates("window_uid").to_dict("records")
    unknown = [row["window_uid"] for row in rows if row["window_uid"] not in places]
    if unknown:
        raise SchemaError(
            f"Predicted windows should be of the run or of the store. Found {len(unknown)} others, "
            f"the first is {unknown[0]}."
        )
    found = [_run_span(row, *places[str(row["window_uid"])]) for row in rows]
    return sorted(found, key=lambda span: (span.series_id, span.bar_start))


def sure_spans(spans: Iterable[RunSpan], threshold: float) -> list[RunSpan]:
    """Return the same windows without the spans below a confidence."""
    return [
        span if span.confidence >= threshold else replace(span, start=NO_SPAN, end=NO_SPAN)
        for span in spans
    ]


def _run_span(row: dict[Any, Any], series_id: str, bar_start: int) -> RunSpan:
    return RunSpan(
        window_uid=str(row["window_uid"]),
        series_id=series_id,
        bar_start=bar_start,
        start=int(row["start"]),
        end=int(row["end"]),
        type=decided_type(row),
        confidence=float(row["confidence"]),
        p_no_span=float(row["p_no_span"]),
        edge_entropy=float(row.get("edge_entropy", np.nan)),
        split=str(row["split"]),
    )


def disjoint(spans: Iterable[RunSpan]) -> list[RunSpan]:
    """Return spans of which no two share a bar: of an overlap the most confident stays."""
    seen = sorted(
        (span for span in spans if span.has_span),
        key=lambda span: (-np.nan_to_num(span.confidence), span.series_id, span.seq_start),
    )
    kept: list[RunSpan] = []
    for span in seen:
        if not any(
            other.series_id == span.series_id
            and span.seq_start <= other.seq_end
            and other.seq_start <= span.seq_end
            for other in kept
        ):
            kept.append(span)
    return sorted(kept, key=lambda span: (span.series_id, span.seq_start))


def placed(spans: Sequence[RunSpan], series: Series, bar_store: BarStore) -> list[PlacedSpan]:
    """Return spans of one series with what its bars say of them."""
    ohlc = bar_store.ohlc(series.content_hash)
    times = _clock(series, bar_store)
    return [
        PlacedSpan(
            span=span,
            direction="up" if ohlc[span.seq_end, 3] >= ohlc[span.seq_start, 0] else "down",
            high=float(ohlc[span.seq_start : span.seq_end + 1, 1].max()),
            low=float(ohlc[span.seq_start : span.seq_end + 1, 2].min()),
            start_ts=None if times is None else times[span.seq_start],
            end_ts=None if times is None else times[span.seq_end],
        )
        for span in spans
    ]


def propose(
    run: RunFolder, spans: Sequence[RunSpan], store: LabelStore, bar_store: BarStore
) -> ProposeSummary:
    """Put the spans into the queue as proposals of this run; the score is the confidence.

    Bars that carry a label, whoever drew it, get none: labels are not argued with here, that is the
    audit's work.
    """
    known = {item.series_id: item for item in store.series()}
    done: list[ProposeSummary] = []
    by_series: dict[str, list[RunSpan]] = {}
    for span in disjoint(spans):
        if span.series_id in known:
            by_series.setdefault(span.series_id, []).append(span)
    for series_id, own in by_series.items():
        found = [_proposal(item) for item in placed(own, known[series_id], bar_store)]
        summary = store.propose(
            series_id,
            found,
            op_id=f"export:{run.id}:{series_id}:{_content(own)}",
            source=SOURCE,
            run_id=run.id,
            timestamps=_clock(known[series_id], bar_store),
        )
        done.append(summary)
    return ProposeSummary(
        n_proposals=sum(item.n_proposals for item in done),
        n_new=sum(item.n_new for item in done),
        n_labelled=sum(item.n_labelled for item in done),
        n_new_windows=sum(item.n_new_windows for item in done),
    )


def _proposal(item: PlacedSpan) -> ProposedSpan:
    score = float(np.nan_to_num(item.span.confidence))
    return ProposedSpan(
        item.span.seq_start, item.span.seq_end, item.direction, item.span.type, score
    )


def _clock(series: Series, bar_store: BarStore) -> list[datetime] | None:
    """Return the times of a series' bars; None where they carry none."""
    if series.start_ts is None:
        return None
    times = pd.DatetimeIndex(bar_store.read(series.content_hash)["timestamp"])
    return times.to_pydatetime().tolist()


def _content(spans: Sequence[RunSpan]) -> str:
    """Return a name of these spans: exporting the same ones twice writes once."""
    text = ";".join(f"{span.seq_start}-{span.seq_end}-{span.type}" for span in spans)
    return hashlib.sha1(text.encode()).hexdigest()[:12]


def write_table(
    run: RunFolder, spans: Sequence[RunSpan], path: Path, store: LabelStore, bar_store: BarStore
) -> int:
    """Write one row a window, spans or not; return how many."""
    known = {item.series_id: item for item in store.series()}
    rows = []
    for series_id in dict.fromkeys(span.series_id for span in spans):
        own = [span for span in spans if span.series_id == series_id]
        seen = [span for span in own if span.has_span]
        bars = placed(seen, known[series_id], bar_store) if series_id in known else []
        more = {item.span.window_uid: item for item in bars}
        rows += [_row(run, span, more.get(span.window_uid)) for span in own]
    write_parquet(pa.Table.from_pandas(pd.DataFrame(rows, columns=list(COLUMNS))), path)
    return len(rows)


COLUMNS = (
    "run_id", "window_uid", "series_id", "bar_start", "start", "end", "seq_start", "seq_end",
    "start_ts", "end_ts", "type", "direction", "confidence", "p_no_span", "edge_entropy", "split",
)  # fmt: skip


def _row(run: RunFolder, span: RunSpan, more: PlacedSpan | None) -> dict[str, Any]:
    values: dict[str, Any] = {
        "run_id": run.id,
        "seq_start": span.seq_start if span.has_span else NO_SPAN,
        "seq_end": span.seq_end if span.has_span else NO_SPAN,
        "start_ts": more.start_ts if more else None,
        "end_ts": more.end_ts if more else None,
        "direction": more.direction if more else None,
    }
    return {name: values.get(name, getattr(span, name, None)) for name in COLUMNS}


def write_script(
    spans: Sequence[RunSpan], path: Path, store: LabelStore, bar_store: BarStore
) -> list[str]:
    """Write a TradingView script of the spans of one series; return sentences about the rest."""
    known = {item.series_id: item for item in store.series()}
    kept = [span for span in disjoint(spans) if span.series_id in known]
    timed = {span.series_id for span in kept if known[span.series_id].start_ts is not None}
    if len(timed) != 1:
        raise SchemaError(
            "A script draws on one instrument's chart, so the spans should lie in one series with "
            f"times; choose it with --series. Found {len(timed)}: "
            f"{', '.join(sorted(timed)) or 'none'}."
        )
    owner = known[timed.pop()]
    own = [span for span in kept if span.series_id == owner.series_id]
    boxes = [
        pine.Box(
            start=item.start_ts,
            end=item.end_ts,
            high=item.high,
            low=item.low,
            type=item.span.type,
            name=f"{item.span.type[:4]} {item.direction} {item.span.confidence:.2f}",
        )
        for item in placed(own, owner, bar_store)
        if item.start_ts is not None and item.end_ts is not None
    ]
    return pine.write_boxes(boxes, path, owner, what="predicted")
