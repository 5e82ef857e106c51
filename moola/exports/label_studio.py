"""Tasks, annotations and predictions for Label Studio, with the labelling setup beside them.

The setup (``<name>.xml``) is what to paste into a project, so that the tasks draw.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from moola.exports._base import ExportWindow, LabelSet, Writer, stamp, write_text
from moola.schema import (
    DECISIONS,
    OPEN_STATES,
    PRICE_COLUMNS,
    REJECT_REASONS,
    SPAN_TYPES,
    WINDOW_LENGTH,
)
from moola.store import Proposal, StoredSpan


def write(labels: LabelSet, path: Path) -> list[str]:
    """Write every decided window, and open ones for their proposals."""
    tasks = [
        _task(number, window)
        for number, window in enumerate(
            sorted(labels.windows, key=lambda window: window.view.window_uid), start=1
        )
    ]
    write_text(path, json.dumps(tasks, indent=1, ensure_ascii=False) + "\n")
    write_text(path.with_suffix(".xml"), setup())
    return []


def setup() -> str:
    """Return the labelling setup that draws these tasks."""
    channels = "\n".join(f'    <Channel column="{name}"/>' for name in PRICE_COLUMNS)
    types = "\n".join(f'    <Label value="{name}"/>' for name in SPAN_TYPES)
    states = "\n".join(f'    <Choice value="{name}"/>' for name in DECISIONS)
    reasons = "\n".join(f'    <Choice value="{name}"/>' for name in REJECT_REASONS)
    grades = "\n".join(f'    <Choice value="{name}"/>' for name in ("A", "B", "C"))
    return f"""<View>
  <Header value="$window_id"/>
  <TimeSeriesLabels name="label" toName="ts">
{types}
  </TimeSeriesLabels>
  <Choices name="grade" toName="ts" perRegion="true">
{grades}
  </Choices>
  <TimeSeries name="ts" valueType="json" value="$ts" timeColumn="bar">
{channels}
  </TimeSeries>
  <Choices name="decision" toName="ts">
{states}
  </Choices>
  <Choices name="reason" toName="ts">
{reasons}
  </Choices>
  <TextArea name="note" toName="ts"/>
</View>
"""


def _task(number: int, window: ExportWindow) -> dict[str, Any]:
    view = window.view
    columns = {name: window.ohlc[:, index].tolist() for index, name in enumerate(PRICE_COLUMNS)}
    data: dict[str, Any] = {
        "window_uid": view.window_uid,
        "window_id": window.name,
        "names": list(view.aliases),
        "start_ts": stamp(view.start_ts),
        "ts": {"bar": list(range(WINDOW_LENGTH)), **columns},
    }
    return {
        "id": number,
        "data": data,
        "annotations": _annotations(number, window),
        "predictions": _predictions(view.proposals),
    }


def _annotations(number: int, window: ExportWindow) -> list[dict[str, Any]]:
    view = window.view
    if view.state in OPEN_STATES:
        return []
    result = [_region(span.span_id, span, _meta(span)) for span in view.spans]
    result.append(_choice("decision", view.state))
    if view.reason:
        result.append(_choice("reason", view.reason))
    if view.mode != "normal":
        result.append(_choice("mode", view.mode))
    if view.note:
        result.append(
            {"from_name": "note", "to_name": "ts", "type": "textarea",
             "value": {"text": [view.note]}}
        )  # fmt: skip
    annotation = {"id": number, "result": result, "was_cancelled": False}
    if view.seconds is not None:
        annotation["lead_time"] = view.seconds
    if view.updated_at is not None:
        annotation["updated_at"] = stamp(view.updated_at)
    return [annotation]


def _predictions(proposals: tuple[Proposal, ...]) -> list[dict[str, Any]]:
    """Return one prediction a source, with the score of its best region as its own."""
    found: list[dict[str, Any]] = []
    for source in sorted({item.source for item in proposals}):
        own = [item for item in proposals if item.source == source]
        regions = [
            {**_region(item.proposal_id, item, {"direction": item.direction}), "score": item.score}
            for item in own
        ]
        best = max(item.score for item in own)
        found.append({"model_version": source, "score": best, "result": regions})
    return found


def _region(key: str, item: StoredSpan | Proposal, meta: dict[str, Any]) -> dict[str, Any]:
    return {
        "id": key,
        "from_name": "label",
        "to_name": "ts",
        "type": "timeserieslabels",
        "value": {
            "start": item.start,
            "end": item.end,
            "instant": item.start == item.end,
            "timeserieslabels": [item.type],
        },
        "meta": {name: value for name, value in meta.items() if value is not None},
    }


def _meta(span: StoredSpan) -> dict[str, Any]:
    is_doubted = (span.start_range, span.end_range) != (
        (span.start, span.start),
        (span.end, span.end),
    )
    return {
        "direction": span.direction,
        "grade": span.grade,
        "confidence": span.confidence,
        "start_range": list(span.start_range) if is_doubted else None,
        "end_range": list(span.end_range) if is_doubted else None,
        "pre_start": span.pre_start,
        "rule_version": span.rule_version,
        "origin": span.origin,
    }


def _choice(name: str, value: str) -> dict[str, Any]:
    return {
        "from_name": name,
        "to_name": "ts",
        "type": "choices",
        "value": {"choices": [value]},
    }


WRITER = Writer(
    key="label-studio",
    title="Label Studio tasks and predictions (JSON)",
    suffix=".json",
    write=write,
    wants_open=True,
)
