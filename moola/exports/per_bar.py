"""One row a bar: a plain CSV, TRAINSET's four columns, and BIO tags."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from pathlib import Path

from moola.exports._base import ExportWindow, LabelSet, Writer, counted, stamp, write_text
from moola.schema import WINDOW_LENGTH

COLUMNS = (
    "window_uid",
    "window_id",
    "series_id",
    "group_id",
    "state",
    "bar",
    "timestamp",
    "open",
    "high",
    "low",
    "close",
    "type",
    "bio",
    "ignore",
)


def tags(window: ExportWindow) -> list[str]:
    """Return the BIO tag of every bar; a bar that ends one span and begins the next begins."""
    found = ["O"] * WINDOW_LENGTH
    for span in window.view.spans:
        for bar in range(span.start, span.end + 1):
            found[bar] = f"{'B' if bar == span.start else 'I'}-{span.type}"
    return found


def ignored(window: ExportWindow) -> list[bool]:
    """Return which bars say nothing: of spans that cross the border, or of no judgement at all."""
    if not (window.is_labelled or window.is_negative):
        return [True] * WINDOW_LENGTH
    found = [False] * WINDOW_LENGTH
    for span in window.view.cut_spans:
        for bar in range(max(span.start, 0), min(span.end, WINDOW_LENGTH - 1) + 1):
            found[bar] = True
    return found


def write_bars(labels: LabelSet, path: Path) -> list[str]:
    """Write every bar of every decided window."""
    rows = (row for window in labels.windows for row in _rows(window))
    write_text(path, _csv(COLUMNS, rows))
    return []


def write_trainset(labels: LabelSet, path: Path) -> list[str]:
    """Write the bars of labelled windows as TRAINSET reads them; it needs times."""
    timed = [window for window in labels.labelled() if window.times]
    rows = (
        (window.name, time.isoformat(), repr(float(close)), "" if tag == "O" else tag[2:])
        for window in timed
        for time, close, tag in zip(
            window.times or (), window.ohlc[:, 3], tags(window), strict=True
        )
    )
    write_text(path, _csv(("series", "timestamp", "value", "label"), rows))
    untimed = [window for window in labels.labelled() if not window.times]
    return counted(untimed, "without times left out: TRAINSET places bars by time") + _merged(timed)


def write_bio(labels: LabelSet, path: Path) -> list[str]:
    """Write a tag a line, a blank line between windows, as sequence taggers read it."""
    blocks = []
    for window in labels.labelled():
        lines = [f"# window_uid = {window.view.window_uid}"]
        lines += [f"{bar}\t{tag}" for bar, tag in enumerate(tags(window))]
        blocks.append("\n".join(lines) + "\n")
    write_text(path, "\n".join(blocks))
    return []


def _rows(window: ExportWindow) -> Iterable[Sequence[object]]:
    view, times = window.view, window.times
    for bar, (tag, skip) in enumerate(zip(tags(window), ignored(window), strict=True)):
        yield (
            view.window_uid,
            window.name,
            view.series_id,
            window.group_id,
            view.state,
            bar,
            stamp(times[bar]) if times else "",
            *(repr(float(price)) for price in window.ohlc[bar]),
            "" if tag == "O" else tag[2:],
            tag,
            int(skip),
        )


def _merged(windows: Iterable[ExportWindow]) -> list[str]:
    touching = [
        window
        for window in windows
        for one, other in zip(window.view.spans, window.view.spans[1:], strict=False)
        if other.start - one.end <= 1 and one.type == other.type
    ]
    return counted(touching, "with touching spans of one type: TRAINSET takes them for one")


def _csv(header: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)
    return text.getvalue()


BARS = Writer(key="bars", title="one row a bar (CSV)", suffix=".csv", write=write_bars)
TRAINSET = Writer(key="trainset", title="TRAINSET (CSV)", suffix=".csv", write=write_trainset)
BIO = Writer(key="bio", title="BIO tags (text)", suffix=".txt", write=write_bio)
