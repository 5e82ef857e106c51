"""The rule of a store: the one in force, and what a new version of it would break."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

from moola import rules
from moola.desk.bars import series_bars
from moola.rules import DEFAULT_RULE, Limits, Rule
from moola.schema import LABELLED_STATES
from moola.store import Judgement, LabelStore, Series

Broken = tuple[str, str]
"""A window and the layer whose label breaks."""


def current_rule(store: LabelStore) -> Rule:
    """Return the rule in force: the newest one written, or the one that comes with Moola."""
    stored = store.current_rule()
    if stored is None:
        return DEFAULT_RULE
    return Rule(
        rule_version=stored.rule_version, text_md=stored.text_md, params=dict(stored.params)
    )


def newly_broken(store: LabelStore, bars_dir: Path, rule: Rule) -> list[Broken]:
    """Return the labels that break more limits of `rule` than of the one in force.

    A label that a person kept although it broke the old rule has been looked at: only what the new
    rule adds is a reason to look again.
    """
    old = current_rule(store).limits
    series = {item.series_id: item for item in store.series()}
    by_series: defaultdict[str, list[Judgement]] = defaultdict(list)
    for item in store.judgements():
        if item.state in LABELLED_STATES and item.spans:
            by_series[item.series_id].append(item)
    found: list[Broken] = []
    for series_id, labels in by_series.items():
        found += _broken_in(bars_dir, series[series_id], labels, old, rule.limits)
    return sorted(found)


def _broken_in(
    bars_dir: Path,
    series: Series,
    labels: Sequence[Judgement],
    old: Limits,
    new: Limits,
) -> set[Broken]:
    bars = series_bars(bars_dir, series.content_hash)
    spans = [(label, span) for label in labels for span in label.spans]
    starts = [label.bar_start for label, _ in spans]
    arguments = {
        "start": [first + span.start for first, (_, span) in zip(starts, spans, strict=True)],
        "end": [first + span.end for first, (_, span) in zip(starts, spans, strict=True)],
        "direction": [span.direction for _, span in spans],
        "types": [span.type for _, span in spans],
        "timestamps": bars.times,
    }
    before = rules.find_broken(bars.ohlc, limits=old, **arguments)
    after = rules.find_broken(bars.ohlc, limits=new, **arguments)
    return {
        (label.window_uid, label.layer)
        for (label, _), was, now in zip(spans, before, after, strict=True)
        if len(now) > len(was)
    }


def write_rule(store: LabelStore, bars_dir: Path, rule: Rule, *, author: str, op_id: str) -> int:
    """Put a new version in force and mark what it breaks as stale; return how many labels."""
    broken = newly_broken(store, bars_dir, rule)
    store.add_rule(
        rule.rule_version, rule.text_md, rule.params, author=author, stale=broken, op_id=op_id
    )
    return len(broken)
