"""The card of a run: data, rule, split, results and limits, as Markdown or one HTML page.

``write_card(run, path)`` writes it; ``python -m moola model-card RUN`` does so from a shell. What
a run does not know is said, never left out.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np

from moola import (
    agreement,
    ceilings,
    comparing,
    confidence,
    evaluate,
    lateness,
    review_curves,
    split_facts,
)
from moola.bars import BarStore
from moola.card_text import Block, Heading, Points, Table, Text, markdown, page
from moola.config import FinetuneConfig
from moola.criteria import Criterion
from moola.diagnostics import Curves, curves_by_window
from moola.draw_groups import HOW_DRAWN
from moola.examples import Examples
from moola.exceptions import ConfigError
from moola.review_tables import Reading, readings
from moola.runs import RunFolder
from moola.schema import SPAN_TYPES, TASK_NAMES, TASKS
from moola.store import LabelStore
from moola.tables import write_file

SUFFIXES = (".md", ".html")
CEILING_NAMES = {
    "hit_at_3": "Both edges within 3 bars",
    "start_at_3": "Start within 3 bars",
    "same_type": "Same type",
    "f1": "F1 of expansions",
}
SEES_THE_FUTURE = (
    "It reads the whole window in both directions: what it says of a bar was decided with the bars "
    "after it in view (a BiLSTM is **not a live signal**)."
)
LIMITS = (
    "A span's ends are inclusive; its type is the state before it, not its direction.",
    "It was trained on windows that a person looked at. Windows drawn in another way, such as "
    "every bar of a day, hold expansions at another rate.",
    "Metrics hold for the held-out windows, which are of the same instruments, days and annotators "
    "as the training windows. Other markets were not measured.",
    "Nothing here says that a span can be traded.",
)


def write_card(run: RunFolder, path: Path, store: LabelStore, bar_store: BarStore) -> Path:
    """Write the card of a run as ``.md`` or ``.html``; return the path."""
    if path.suffix not in SUFFIXES:
        raise ConfigError(
            f"A model card should end in {' or '.join(SUFFIXES)}. Found {path.name!r}."
        )
    blocks = card(run, store, bar_store)
    text = markdown(blocks) if path.suffix == ".md" else page(blocks)
    write_file(path, lambda file: file.write(text.encode("utf-8")))
    return path


def card(run: RunFolder, store: LabelStore, bar_store: BarStore) -> list[Block]:
    """Return the card as a document."""
    examples, config, resolved = run.examples(), run.config(), run.resolved()
    return [
        Heading(f"Model card: {run.id}", 1),
        Text(_what(run, config)),
        Heading("Data"),
        Points(_data(examples, config, resolved)),
        Heading("Rule"),
        Points(_rules(examples, store)),
        Heading("Split"),
        Points(split_facts.split_sentences(run)),
        Heading("Training"),
        Points(_training(run, config, resolved)),
        Heading("Results"),
        *_results(run),
        Heading("Calibration and abstention"),
        Points(_calibration(run, examples)),
        Heading("Ceiling: what people agree on"),
        *_ceiling(examples, store, bar_store),
        Heading("Limits"),
        Points([SEES_THE_FUTURE, *lateness.sentences(run), *LIMITS]),
    ]


def _what(run: RunFolder, config: FinetuneConfig) -> str:
    status = run.status()
    unit = "fold" if run.kind == "crossval" else "epoch"
    heads = "pointers, binary, countdown and type" if config.use_expansion_heads else "two heads"
    return (
        f"JadeCompact, one bidirectional LSTM over 105 bars with {heads}; it marks one expansion "
        f"in a window after the fact, or none. State: {status.state}, {unit} {status.epoch} "
        f"of {status.epochs}."
    )


def _data(examples: Examples, config: FinetuneConfig, resolved: dict[str, Any]) -> list[str]:
    spans = examples.take(examples.has_span)
    first = examples.take(examples.first_of_each_window())
    counts = Counter(spans.type_id.tolist())
    types = ", ".join(f"{name} {counts[i]}" for i, name in enumerate(SPAN_TYPES))
    return [
        f"Source: {_source(config, resolved)}",
        f"Content hash: `{resolved.get('data_hash') or examples.content_hash()}`",
        f"{len(first):,} windows of {len(set(first.series_id.tolist())):,} series in "
        f"{len(np.unique(examples.group)):,} groups that share bars; {len(spans):,} spans",
        f"State before the expansion: {types}",
        f"{int((~first.has_span).sum()):,} windows without a span; {int(first.cold.sum()):,} "
        "windows with too few bars before them, whose features start cold",
    ]


def _source(config: FinetuneConfig, resolved: dict[str, Any]) -> str:
    if config.release:
        sealed = resolved.get("release_id", "not recorded")
        return f"release **{Path(config.release).name}**, hash `{sealed}`"
    if config.data:
        return f"label file `{Path(config.data).name}`"
    which = "decided by people" if config.labels == "verified" else "decided, and open proposals"
    return f"the label store as it was when the run started ({which}); no release"


def _rules(examples: Examples, store: LabelStore) -> list[str]:
    """Return under which versions of the rule the labels stand in the store today."""
    own = set(examples.window_uid.tolist())
    held = {
        span.span_id: span.rule_version
        for view in store.standing_views()
        if view.window_uid in own
        for span in view.spans
    }
    versions = Counter(version or "no rule" for version in held.values())
    current = store.current_rule()
    now = f"In force now: {current.rule_version}" if current else "No rule is written down"
    lines = [f"{count:,} spans under {name}" for name, count in sorted(versions.items())]
    return [*(lines or ["The store holds none of these spans any more"]), now]


def _training(run: RunFolder, config: FinetuneConfig, resolved: dict[str, Any]) -> list[str]:
    default = FinetuneConfig()
    changed = [
        f"{item.name} = {getattr(config, item.name)}"
        for item in fields(config)
        if getattr(config, item.name) != getattr(default, item.name)
        and item.name not in ("data", "release")
    ]
    versions = resolved.get("versions", {})
    known = ", ".join(f"{name} {version}" for name, version in versions.items())
    lines = [
        f"Balance `{config.balance}`, {config.epochs} epochs, device {resolved.get('device', '?')}",
        f"Options other than the defaults: {', '.join(changed) or 'none'}",
        f"Versions: {known or 'not recorded'}",
    ]
    return lines + _shares(run.history())


def _shares(history: Sequence[dict[str, Any]]) -> list[str]:
    lines = []
    for key, name in (("loss_share", "Loss shares"), ("grad_share", "Gradient shares")):
        rows = [row[key] for row in history[-10:] if row.get(key)]
        if rows:
            told = ", ".join(
                f"{TASK_NAMES[task]} {sum(row[task] for row in rows) / len(rows):.0%}"
                for task in TASKS
                if task in rows[-1]
            )
            lines.append(f"{name}, mean of the last {len(rows)} epochs: {told}")
    return lines


def _results(run: RunFolder) -> list[Block]:
    lines = evaluate.read_success(run) or evaluate.evaluate_run(run)
    head = ("Measure", "Reached", "95 % interval", "Target", "Verdict", "Best constant", "Windows")
    notes = [f"{line.name}: {line.note}" for line in lines if line.note]
    return [
        Text(
            f"Held-out windows only; intervals by {HOW_DRAWN}. The best "
            "constant says the same of every window: a model that does not beat it has learned "
            "nothing from the bars."
        ),
        Table(head, [_result_row(line) for line in lines]),
        *([Points(notes)] if notes else []),
    ]


def _result_row(line: Criterion) -> list[str]:
    interval = "–" if line.low is None else f"{line.show(line.low)} – {line.show(line.high)}"
    n_windows = "–" if line.n_windows is None else f"{line.n_windows:,}"
    return [
        line.name,
        line.show(line.value),
        interval,
        line.target,
        line.verdict,
        line.show(line.floor),
        n_windows,
    ]


def _calibration(run: RunFolder, examples: Examples) -> list[str]:
    table = run.predictions()
    if table is None:
        return ["Not measured: the run has written no predictions."]
    rows = [row for row in readings(examples, table) if row.error.split == "val"]
    inside = dict(zip(examples.window_uid.tolist(), examples.inside, strict=True))
    return [*_reliability(rows, curves_by_window(table), inside), *_abstaining(rows)]


def _reliability(rows: Sequence[Reading], curves: dict[str, Curves], inside: Any) -> list[str]:
    found = {
        "the span's confidence": review_curves.span_reliability(rows),
        f"bars within {confidence.NEAR_BARS} of an edge": review_curves.edge_reliability(
            rows, curves, inside
        ),
    }
    return [
        f"Calibration error of {name}: "
        + ("not stated by this run" if item is None else f"{item.error:.3f} ({item.n:,} cases)")
        for name, item in found.items()
    ]


def _abstaining(rows: Sequence[Reading]) -> list[str]:
    lines = []
    for wanted in (0.6, 0.8):
        chosen = review_curves.abstention(rows, wanted=wanted)
        lines.append(
            f"Hits of {wanted:.0%}: no confidence keeps ten windows that reach it"
            if chosen is None
            else f"Hits of {wanted:.0%}: above confidence {chosen.threshold:.2f}, which keeps "
            f"{chosen.coverage:.0%} of the windows (chosen on these windows)"
        )
    return lines


def _ceiling(examples: Examples, store: LabelStore, bar_store: BarStore) -> list[Block]:
    people = comparing.arrange(store.judgements())
    found = ceilings.ceiling(people, examples.window_uid.tolist(), store, bar_store)
    if found is None:
        return [Text("No two people have decided the same windows of this run: not measured.")]
    rows = [
        (CEILING_NAMES[key], f"{item.value:.2f}", _interval(item), f"{item.n:,}")
        for key, item in found.scores.items()
        if np.isfinite(item.value)
    ]
    return [
        Text(
            f"{found.second} measured by the labels of {found.first}, on {found.n_windows:,} "
            "windows of this run that both decided."
        ),
        Table(("Measure", "Value", "95 % interval", "Counted"), rows),
    ]


def _interval(item: agreement.Estimate) -> str:
    return f"{item.low:.2f} – {item.high:.2f}" if item.has_interval else "–"
