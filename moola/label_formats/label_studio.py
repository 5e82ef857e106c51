"""Tasks of Label Studio: ours come back as they went out, others by the bars in their data.

A region is a span (``timeserieslabels``); direction, grade and the like stand in its ``meta`` or as
choices of the same region; the decision about the window is a choice of the whole task.
Predictions are proposals.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, get_args

from moola.exceptions import ImportRefused, RefusedRow, SchemaError
from moola.label_formats._base import (
    LabelFile,
    Reader,
    WindowRecord,
    as_clause,
    bars_of_span,
    confidence_of,
    direction_of,
    is_missing,
    prices,
    reject_reason,
    span_grade,
    span_type,
    text_name,
    whole_number,
)
from moola.label_formats.text import head, read_json
from moola.label_records import ImportedProposal, ImportedSpan
from moola.schema import (
    DECISIONS,
    PRICE_COLUMNS,
    REVIEW_MODES,
    WINDOW_LENGTH,
    ReviewMode,
    ReviewState,
    SpanOrigin,
)

REGION = "timeserieslabels"
NAMES = ("window_uid", "window_id", "window")
RANGES = ("start_range", "end_range")
ORIGINS: tuple[SpanOrigin, ...] = get_args(SpanOrigin)


def recognises(path: Path) -> bool:
    """Return whether the file is a list of tasks with annotations or predictions."""
    start = head(path).lstrip()
    if not start.startswith("[") or '"data"' not in start:
        return False
    text = path.read_text("utf-8-sig", errors="ignore")
    return '"annotations"' in text or '"predictions"' in text


def read(path: Path) -> LabelFile:
    """Read every task."""
    tasks = read_json(path)
    if not isinstance(tasks, list) or not tasks:
        raise ImportRefused(f"{path.name} should be a list of tasks. Found none.")
    windows: list[WindowRecord] = []
    refused: list[RefusedRow] = []
    for number, task in enumerate(tasks, start=1):
        try:
            windows.append(_window(number, task))
        except SchemaError as error:
            refused.append(RefusedRow(number, as_clause(error)))
    return LabelFile(
        format="label-studio",
        files=(path,),
        n_rows=len(tasks),
        windows=tuple(windows),
        refused=tuple(refused),
    )


def _window(number: int, task: Any) -> WindowRecord:
    data = task.get("data") if isinstance(task, Mapping) else None
    if not isinstance(data, Mapping):
        raise SchemaError("a task should have data. Found none")
    columns = _columns(data)
    annotation = _only_annotation(task.get("annotations") or [])
    result = annotation.get("result") or []
    state, reason = _decision(result)
    name = next((data[key] for key in NAMES if not is_missing(data.get(key))), None)
    return WindowRecord(
        row=number,
        name=text_name(name, "data.window_id") if name is not None else "",
        names=tuple(str(known) for known in data.get("names") or ()),
        ohlc=_ohlc(columns),
        state=state,
        reason=reason[0] if reason else None,
        note=_text(result, "note") or (reason[1] if reason else ""),
        mode=_mode(_choice(result, "mode")),
        seconds=annotation.get("lead_time"),
        decided_at=_time(annotation.get("updated_at")),
        spans=tuple(
            _span(number, region, columns, result)
            for region in result
            if region.get("type") == REGION
        ),
        proposals=tuple(
            _proposal(region, prediction, columns)
            for prediction in task.get("predictions") or []
            for region in prediction.get("result") or []
            if region.get("type") == REGION
        ),
    )


def _columns(data: Mapping[str, Any]) -> dict[str, Sequence[Any]]:
    """Return the columns of 105 values that the task shows, whatever their object is called."""
    inner = [value for value in data.values() if isinstance(value, Mapping)]
    return {
        name: values
        for table in (data, *inner)
        for name, values in table.items()
        if isinstance(values, list) and len(values) == WINDOW_LENGTH
    }


def _ohlc(columns: Mapping[str, Sequence[Any]]) -> Any:
    if not set(PRICE_COLUMNS) <= set(columns):
        return None
    return prices(list(zip(*(columns[name] for name in PRICE_COLUMNS), strict=True)), "the task")


def _only_annotation(found: Sequence[Mapping[str, Any]]) -> Mapping[str, Any]:
    kept = [item for item in found if not item.get("was_cancelled")]
    if len(kept) > 1:
        raise SchemaError(
            f"a task should have one annotation; export one person's. Found {len(kept)}"
        )
    return kept[0] if kept else {}


def _decision(result: Sequence[Mapping[str, Any]]) -> tuple[ReviewState | None, Any]:
    decision, reason = _choice(result, "decision"), _choice(result, "reason")
    if decision is None:
        return None, None
    for known in DECISIONS:
        if decision == known:
            return known, reject_reason(reason) if known == "rejected" else None
    raise SchemaError(f"decision should be one of {', '.join(DECISIONS)}. Found {decision!r}")


def _span(
    number: int,
    region: Mapping[str, Any],
    columns: Mapping[str, Sequence[Any]],
    result: Sequence[Mapping[str, Any]],
) -> ImportedSpan:
    start, end, kind = _bars(region, columns)
    more = _attributes(region, result)
    return ImportedSpan(
        row=number,
        start=start,
        end=end,
        type=kind,
        direction=direction_of(more.get("direction")),
        grade=span_grade(more.get("grade")),
        confidence=confidence_of(more.get("confidence")),
        start_range=_range(more.get("start_range"), "start_range"),
        end_range=_range(more.get("end_range"), "end_range"),
        pre_start=None if more.get("pre_start") is None else int(more["pre_start"]),
        rule_version=more.get("rule_version"),
        origin=_origin(more.get("origin")),
        span_id=region.get("id"),
    )


def _proposal(
    region: Mapping[str, Any], prediction: Mapping[str, Any], columns: Mapping[str, Sequence[Any]]
) -> ImportedProposal:
    start, end, kind = _bars(region, columns)
    score = region.get("score", prediction.get("score"))
    if isinstance(score, bool) or not isinstance(score, int | float) or not math.isfinite(score):
        raise SchemaError(f"a prediction should have a score. Found {score!r}")
    meta = region.get("meta") or {}
    return ImportedProposal(
        start=start,
        end=end,
        type=kind,
        score=float(score),
        source=str(prediction.get("model_version") or "import"),
        direction=direction_of(meta.get("direction")),
        proposal_id=region.get("id"),
    )


def _bars(region: Mapping[str, Any], columns: Mapping[str, Sequence[Any]]) -> Any:
    value = region.get("value") or {}
    labels = value.get(REGION) or []
    if len(labels) != 1:
        raise SchemaError(f"a region should have one label. Found {labels!r}")
    ends = [_bar(value.get(name), columns) for name in ("start", "end")]
    return *bars_of_span(ends[0], ends[1], ("start", "end")), span_type(labels[0], "label")


def _bar(value: Any, columns: Mapping[str, Sequence[Any]]) -> Any:
    """Return the bar that a region's end names: a bar number, or exactly the time of a bar."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)  # JSON does not tell 50 from 50.0
    is_number = isinstance(value, int) and not isinstance(value, bool)
    if is_number and 0 <= value < WINDOW_LENGTH:
        return value
    for name, values in columns.items():
        if name not in PRICE_COLUMNS and name != "volume" and value in values:
            return list(values).index(value)
    if is_number:
        return value
    raise SchemaError(f"start and end should be bars of the task. Found {value!r}")


def _attributes(region: Mapping[str, Any], result: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return what is said about a region, by us in its meta or by others as choices of its id."""
    found = dict(region.get("meta") or {})
    for item in result:
        choices = (item.get("value") or {}).get("choices")
        if item.get("id") == region.get("id") and item.get("type") == "choices" and choices:
            found[str(item.get("from_name"))] = choices[0]
    return found


def _choice(result: Sequence[Mapping[str, Any]], name: str) -> str | None:
    for item in result:
        if item.get("type") == "choices" and item.get("from_name") == name:
            return str(item["value"]["choices"][0])
    return None


def _text(result: Sequence[Mapping[str, Any]], name: str) -> str:
    for item in result:
        if item.get("type") == "textarea" and item.get("from_name") == name:
            return "\n".join(item["value"]["text"])
    return ""


def _mode(value: str | None) -> ReviewMode:
    for known in REVIEW_MODES:
        if value == known:
            return known
    return "normal"


def _origin(value: Any) -> SpanOrigin:
    for known in ORIGINS:
        if value == known:
            return known
    return "import"


def _range(value: Any, name: str) -> tuple[int, int] | None:
    if value is None:
        return None
    if not isinstance(value, list) or len(value) != 2:
        raise SchemaError(f"{name} should be two bars. Found {value!r}")
    return whole_number(value[0], name), whole_number(value[1], name)


def _time(value: Any) -> datetime | None:
    if value is None:
        return None
    try:
        return datetime.fromisoformat(str(value))
    except ValueError as error:
        raise SchemaError(f"updated_at should be an ISO 8601 time. Found {value!r}") from error


READER = Reader(key="label-studio", title="Label Studio (JSON)", recognises=recognises, read=read)
