"""A label card: what these labels are, counted, with every rate beside its denominator."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from moola.exports._base import ExportWindow, LabelSet, Writer, write_text
from moola.schema import SPAN_TYPES, WINDOW_LENGTH
from moola.store import StoredSpan

LIMITS = (
    "A span's ends are inclusive; its type is the state before it, not its direction.",
    "Bars that nobody judged are unknown, not empty: flagged, deferred and stale windows and other "
    "rejections than no_expansion, too_small and chop say nothing about their bars.",
    "Labels were made with the whole window in view. They mark expansions afterwards and are no "
    "live signal.",
    "Windows of one group share bars; a split has to keep groups whole.",
)


def write(labels: LabelSet, path: Path) -> list[str]:
    """Write the card."""
    write_text(path, card(labels))
    return []


def card(labels: LabelSet) -> str:
    """Return the card as Markdown."""
    parts = [
        "# Label card",
        _whose(labels),
        "## Counts",
        _counts(labels),
        "## Spans",
        _spans(labels),
        "## Agreement",
        _agreement(labels),
        "## Time spent",
        _effort(labels.windows),
        "## Rule",
        _rule(labels),
        "## Sources",
        _sources(labels),
        "## Limits",
        "\n".join(f"- {text}" for text in LIMITS),
    ]
    return "\n\n".join(parts) + "\n"


def _whose(labels: LabelSet) -> str:
    if labels.layer == "standing":
        return (
            "One label a window: the adjudicated where there is one, else that of the only person "
            "who decided, else the one they agree on. Disputed windows are not in it."
        )
    return f"Labels of the layer **{labels.layer}**."


def _counts(labels: LabelSet) -> str:
    windows, states = labels.windows, labels.states()
    n = len(windows)
    kept = sum(window.is_labelled for window in windows)
    rejected = states["rejected"]
    lines = [f"- {n:,} decided windows in {len({w.group_id for w in windows}):,} groups; "
             f"{labels.n_open:,} more are open"]  # fmt: skip
    lines.append(f"- kept: {rate(kept, kept + rejected)} of those kept or rejected")
    lines += [f"- {state}: {rate(number, n)}" for state, number in sorted(states.items())]
    reasons = Counter(window.view.reason for window in windows if window.view.reason)
    lines += [f"- rejected as {why}: {rate(m, rejected)}" for why, m in reasons.most_common()]
    cold = sum(window.is_cold for window in windows)
    lines.append(f"- with too few bars before them (features start cold): {rate(cold, n)}")
    return "\n".join(lines)


def _spans(labels: LabelSet) -> str:
    held = {span.span_id: span for window in labels.windows for span in window.view.spans}
    spans = list(held.values())
    if not spans:
        return "None."
    lengths = np.array([span.length_bars for span in spans])
    doubted = sum(
        span.start_range[0] < span.start_range[1] or span.end_range[0] < span.end_range[1]
        for span in spans
    )
    kept = [window for window in labels.windows if window.is_labelled]
    inside = sum(span.length_bars for window in kept for span in window.view.spans)
    lines = [f"- {len(spans):,} spans; {rate(inside, len(kept) * WINDOW_LENGTH)} of the bars of "
             "kept windows"]  # fmt: skip
    lines += [_share(spans, "type", kind) for kind in SPAN_TYPES]
    lines += [_share(spans, "direction", way) for way in ("up", "down")]
    lines += [_share(spans, "grade", grade) for grade in ("A", "B", "C")]
    lines.append(
        f"- length in bars: mean {lengths.mean():.1f}, median {np.median(lengths):.0f}, "
        f"{lengths.min()} to {lengths.max()}"
    )
    lines.append(f"- of one bar: {rate(int((lengths == 1).sum()), len(spans))}")
    lines.append(f"- with an edge in doubt: {rate(doubted, len(spans))}")
    lines += [_share(spans, "origin", how) for how in ("human", "accepted", "edited", "import")]
    return "\n".join(lines)


def _share(spans: Sequence[StoredSpan], name: str, value: str) -> str:
    number = sum(getattr(span, name) == value for span in spans)
    return f"- {name} {value}: {rate(number, len(spans))}"


def _agreement(labels: LabelSet) -> str:
    if not labels.n_shared:
        return "Nobody has decided a window that somebody else decided too: not measured."
    return (
        f"{rate(labels.n_agreed, labels.n_shared)} of the windows that two people or more decided "
        "got the same decision, with spans of one type that share at least half of their bars."
    )


def _effort(windows: Sequence[ExportWindow]) -> str:
    timed = [window.view.seconds for window in windows if window.view.seconds is not None]
    modes = Counter(window.view.mode for window in windows)
    told = ", ".join(f"{mode} {number:,}" for mode, number in sorted(modes.items()))
    if not timed:
        return f"Not measured. Shown as: {told or 'none'}."
    return (
        f"Median {np.median(timed):.1f} s a window, measured on {len(timed):,} of "
        f"{len(windows):,} windows. Shown as: {told}."
    )


def _rule(labels: LabelSet) -> str:
    held = {span.span_id: span for window in labels.windows for span in window.view.spans}
    versions = Counter(span.rule_version or "none" for span in held.values())
    lines = [f"- labelled under rule {name}: {rate(n, len(held))}"
             for name, n in sorted(versions.items())]  # fmt: skip
    if labels.rule is None:
        return "\n".join([*lines, "", "No rule is written down."])
    return "\n".join([*lines, "", f"Rule {labels.rule.rule_version}:", "", labels.rule.text_md])


def _sources(labels: LabelSet) -> str:
    lines = []
    for series_id, series in sorted(labels.series.items()):
        if series.kind == "window":
            continue
        n = sum(window.view.series_id == series_id for window in labels.windows)
        span = f"{series.start_ts:%Y-%m-%d} to {series.end_ts:%Y-%m-%d}" if series.start_ts else ""
        lines.append(
            f"- {series_id}: {n:,} windows, {series.n_bars:,} bars of {series.bar}, {span}"
        )
    alone = [window for window in labels.windows if window.times is None]
    if alone:
        lines.append(f"- {len(alone):,} windows that came alone, without time or bars before")
    return "\n".join(lines)


def rate(number: int, whole: int) -> str:
    """Return a share with its numerator and denominator.

    >>> rate(33, 199), rate(0, 0)
    ('33 of 199 (17 %)', '0 of 0')
    """
    share = f" ({number / whole:.0%})".replace("%", " %") if whole else ""
    return f"{number:,} of {whole:,}{share}"


WRITER = Writer(key="card", title="label card (Markdown)", suffix=".md", write=write)
