"""Windows and spans as Parquet with a manifest that names their hashes: what a release is made of.

`moola.label_formats` reads it back into any store, and finds the windows by their bars.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import threading
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa

from moola.exceptions import StoreError
from moola.exports._base import STANDING, ExportWindow, LabelSet, Writer, stamp, write_text
from moola.label_formats import dataset as layout
from moola.store import Series, StoredSpan
from moola.tables import one_line, write_parquet
from moola.windows import price_hash


def write(labels: LabelSet, path: Path) -> list[str]:
    """Write the folder `path`: beside it first, then in its place, whole or not at all."""
    write_folder(labels, path)
    return []


def write_folder(
    labels: LabelSet,
    path: Path,
    *,
    more: Mapping[str, Any] | None = None,
    replace: bool = True,
) -> dict[str, Any]:
    """Write the folder and return its manifest, with `more` in it.

    Without `replace` a folder that is there, or comes to be there meanwhile, is an error.
    """
    if replace and path.exists() and not layout.recognises(path):
        raise StoreError(
            f"{path} should be a new folder or an older dataset. Found something else."
        )
    temporary = path.with_name(f".{path.name}.{os.getpid()}-{threading.get_ident()}")
    try:
        shutil.rmtree(temporary, ignore_errors=True)
        write_parquet(window_table(labels), temporary / layout.WINDOWS)
        write_parquet(span_table(labels), temporary / layout.SPANS)
        manifest = {**describe(labels, temporary), **(more or {})}
        write_text(
            temporary / layout.MANIFEST, json.dumps(manifest, indent=1, sort_keys=True) + "\n"
        )
        if replace:
            shutil.rmtree(path, ignore_errors=True)
        temporary.rename(path)  # onto a folder with files this fails
    except OSError as error:
        raise StoreError(
            f"{path.parent} should be a folder one can write to. Found: {one_line(error)}."
        ) from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return manifest


def window_table(labels: LabelSet) -> pa.Table:
    """Return a row per decided window, by series and bar."""
    return pa.Table.from_pylist(
        [_window_row(window, labels) for window in labels.windows], schema=layout.WINDOW_SCHEMA
    )


def span_table(labels: LabelSet) -> pa.Table:
    """Return a row per span, those that cross a border too; a span of two windows stands once."""
    rows = {
        span.span_id: _span_row(span, window, labels)
        for window in labels.windows
        for span in (*window.view.spans, *window.view.cut_spans)
    }
    ordered = sorted(rows.values(), key=lambda row: (row["series_id"], row["seq_start"]))
    return pa.Table.from_pylist(ordered, schema=layout.SPAN_SCHEMA)


def describe(labels: LabelSet, folder: Path) -> dict[str, Any]:
    """Return what the manifest says: hashes, counts, rule versions, series and grouping."""
    inside = {span.span_id: span for window in labels.windows for span in window.view.spans}
    rules = Counter(span.rule_version or "none" for span in inside.values())
    return {
        "kind": layout.KIND,
        "version": layout.VERSION,
        "layer": labels.layer,
        "files": {name: layout.file_hash(folder / name) for name in (layout.WINDOWS, layout.SPANS)},
        "counts": {
            "windows": len(labels.windows),
            "spans": len(inside),
            "alone": sum(window.times is None for window in labels.windows),
            "groups": len({window.group_id for window in labels.windows}),
            "states": dict(sorted(labels.states().items())),
            "types": dict(sorted(Counter(span.type for span in inside.values()).items())),
        },
        "rule_versions": dict(sorted(rules.items())),
        "split_id": split_id(labels),
        "series": [
            _series(item) for _, item in sorted(labels.series.items()) if item.kind == "feed"
        ],
    }


def split_id(labels: LabelSet) -> str:
    """Return the id of the grouping that splits have to respect: same windows, same groups."""
    pairs = sorted((window.view.window_uid, window.group_id) for window in labels.windows)
    return hashlib.sha256(json.dumps(pairs).encode()).hexdigest()[:16]


def _window_row(window: ExportWindow, labels: LabelSet) -> dict[str, Any]:
    view = window.view
    return {
        "window_uid": view.window_uid,
        "layer": _layer(window, labels),
        "series_id": view.series_id,
        "bar_start": view.bar_start,
        "start_ts": stamp(view.start_ts),
        "names": list(view.aliases),
        "state": view.state,
        "reason": view.reason,
        "note": view.note,
        "mode": view.mode,
        "seconds": view.seconds,
        "decided_at": stamp(view.updated_at),
        "group_id": window.group_id,
        "bars_hash": price_hash(window.ohlc),
        "ohlc": window.ohlc.tolist(),
    }


def _span_row(span: StoredSpan, window: ExportWindow, labels: LabelSet) -> dict[str, Any]:
    first = window.view.bar_start
    return {
        "span_id": span.span_id,
        "layer": _layer(window, labels),
        "series_id": window.view.series_id,
        "seq_start": first + span.start,
        "seq_end": first + span.end,
        "start_lo": first + span.start_range[0],
        "start_hi": first + span.start_range[1],
        "end_lo": first + span.end_range[0],
        "end_hi": first + span.end_range[1],
        "pre_seq_start": None if span.pre_start is None else first + span.pre_start,
        "type": span.type,
        "direction": span.direction,
        "grade": span.grade,
        "confidence": span.confidence,
        "origin": span.origin,
        "rule_version": span.rule_version,
    }


def _layer(window: ExportWindow, labels: LabelSet) -> str | None:
    """Return whose label it is, where a dataset holds those of several people."""
    return window.view.annotator if labels.layer == STANDING else None


def _series(series: Series) -> dict[str, Any]:
    names = ("series_id", "kind", "symbol", "bar", "tick_size", "content_hash", "n_bars")
    return {name: getattr(series, name) for name in names}


WRITER = Writer(
    key="dataset", title="windows and spans (Parquet with a manifest)", suffix="", write=write
)
