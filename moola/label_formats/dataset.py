"""A dataset of our own: ``windows.parquet``, ``spans.parquet`` and ``manifest.json`` in a folder.

The manifest holds the hash of both files: what was changed since is refused. Windows carry their
bars, so that they are found by content in any store; spans stand in bars of their series.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from moola.exceptions import ImportRefused
from moola.label_formats._base import LabelFile, Position, Reader, WindowRecord
from moola.label_records import ImportedSpan
from moola.schema import WINDOW_LENGTH
from moola.tables import one_line, read_parquet

MANIFEST, WINDOWS, SPANS = "manifest.json", "windows.parquet", "spans.parquet"
KIND = "moola dataset"
VERSION = 1

WINDOW_SCHEMA = pa.schema(
    [
        ("window_uid", pa.string()),
        ("layer", pa.string()),
        ("series_id", pa.string()),
        ("bar_start", pa.int64()),
        ("start_ts", pa.string()),
        ("names", pa.list_(pa.string())),
        ("state", pa.string()),
        ("reason", pa.string()),
        ("note", pa.string()),
        ("mode", pa.string()),
        ("seconds", pa.float64()),
        ("decided_at", pa.string()),
        ("group_id", pa.string()),
        ("bars_hash", pa.string()),
        ("ohlc", pa.list_(pa.list_(pa.float64(), 4), WINDOW_LENGTH)),
    ]
)
SPAN_SCHEMA = pa.schema(
    [
        ("span_id", pa.string()),
        ("layer", pa.string()),
        ("series_id", pa.string()),
        ("seq_start", pa.int64()),
        ("seq_end", pa.int64()),
        ("start_lo", pa.int64()),
        ("start_hi", pa.int64()),
        ("end_lo", pa.int64()),
        ("end_hi", pa.int64()),
        ("pre_seq_start", pa.int64()),
        ("type", pa.string()),
        ("direction", pa.string()),
        ("grade", pa.string()),
        ("confidence", pa.int64()),
        ("origin", pa.string()),
        ("rule_version", pa.string()),
    ]
)


def recognises(path: Path) -> bool:
    """Return whether the path is a dataset's folder or its manifest."""
    manifest = path / MANIFEST if path.is_dir() else path
    if manifest.name != MANIFEST or not manifest.is_file():
        return False
    try:
        return json.loads(manifest.read_text("utf-8")).get("kind") == KIND
    except (OSError, ValueError, AttributeError):
        return False


def file_hash(path: Path) -> str:
    """Return the SHA-256 of a file's bytes."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def read_manifest(folder: Path) -> dict[str, Any]:
    """Return the manifest after holding its hashes against the files.

    Raises
    ------
    ImportRefused
        If a file is missing, or is not the one that was written.
    """
    try:
        manifest = json.loads((folder / MANIFEST).read_text("utf-8"))
        version, files = manifest["version"], manifest["files"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ImportRefused(
            f"{folder.name} should hold a {MANIFEST} that one can read. Found: {one_line(error)}."
        ) from error
    if version != VERSION:
        raise ImportRefused(
            f"A dataset should have version {VERSION}. Found {version} ({folder.name})."
        )
    for name in (WINDOWS, SPANS):
        path = folder / name
        found = file_hash(path) if path.is_file() else "no such file"
        if found != files.get(name):
            raise ImportRefused(
                f"{name} should have the hash {files.get(name)} that the manifest of "
                f"{folder.name} names. Found {found}."
            )
    return manifest


def read_rows(folder: Path) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Return the rows of windows and spans."""
    return (
        read_parquet(folder / WINDOWS).to_pylist(),
        read_parquet(folder / SPANS).to_pylist(),
    )


def read(path: Path) -> LabelFile:
    """Read a whole dataset; a span goes to every window of its layer that holds it."""
    folder = path if path.is_dir() else path.parent
    read_manifest(folder)
    window_rows, span_rows = read_rows(folder)
    of_series: dict[tuple[str | None, str], list[tuple[int, Mapping[str, Any]]]] = {}
    for number, span in enumerate(span_rows, start=1):
        of_series.setdefault((span["layer"], span["series_id"]), []).append((number, span))
    held: set[int] = set()
    windows = [
        _window(number, row, of_series.get((row["layer"], row["series_id"]), []), held)
        for number, row in enumerate(window_rows, start=1)
    ]
    windows = [
        _with_cut(window, row, of_series.get((row["layer"], row["series_id"]), []), held)
        for window, row in zip(windows, window_rows, strict=True)
    ]
    return LabelFile(
        format="dataset",
        files=(folder / MANIFEST,),
        n_rows=len(window_rows),
        windows=tuple(windows),
    )


def _window(
    number: int,
    row: Mapping[str, Any],
    spans: list[tuple[int, Mapping[str, Any]]],
    held: set[int],
) -> WindowRecord:
    first, last = row["bar_start"], row["bar_start"] + WINDOW_LENGTH - 1
    inside = [
        (i, span) for i, span in spans if first <= span["seq_start"] and span["seq_end"] <= last
    ]
    held.update(i for i, _ in inside)
    return WindowRecord(
        row=number,
        name=row["window_uid"],
        names=tuple(row["names"]),
        ohlc=np.array(row["ohlc"], np.float64),
        bars_hash=row["bars_hash"],
        position=Position(bar_start=first, series=row["series_id"]),
        state=row["state"],
        reason=row["reason"],
        note=row["note"],
        mode=row["mode"],
        seconds=row["seconds"],
        decided_at=None if row["decided_at"] is None else datetime.fromisoformat(row["decided_at"]),
        spans=tuple(as_record(i, span, first) for i, span in inside),
    )


def _with_cut(
    window: WindowRecord,
    row: Mapping[str, Any],
    spans: list[tuple[int, Mapping[str, Any]]],
    held: set[int],
) -> WindowRecord:
    """Give a span that lies wholly in no window to the first whose border it crosses."""
    first, last = row["bar_start"], row["bar_start"] + WINDOW_LENGTH - 1
    cut = [
        (i, span)
        for i, span in spans
        if i not in held and span["seq_start"] <= last and span["seq_end"] >= first
    ]
    held.update(i for i, _ in cut)
    more = tuple(as_record(i, span, first) for i, span in cut)
    return replace(window, spans=window.spans + more) if more else window


def as_record(number: int, row: Mapping[str, Any], bar_start: int) -> ImportedSpan:
    """Return a row of spans as a record, in bars of the window that begins at `bar_start`."""
    pre = row["pre_seq_start"]
    return ImportedSpan(
        row=number,
        start=row["seq_start"] - bar_start,
        end=row["seq_end"] - bar_start,
        start_range=(row["start_lo"] - bar_start, row["start_hi"] - bar_start),
        end_range=(row["end_lo"] - bar_start, row["end_hi"] - bar_start),
        pre_start=None if pre is None else pre - bar_start,
        **{
            name: row[name]
            for name in (
                "type",
                "direction",
                "grade",
                "confidence",
                "origin",
                "rule_version",
                "span_id",
            )
        },
    )


READER = Reader(key="dataset", title="dataset of Moola", recognises=recognises, read=read)
