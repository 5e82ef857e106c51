"""The Agreement page's figures: how far two layers agree, and where they do not."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import streamlit as st

from moola import agreement, comparing, figures_agreement, market_hours
from moola.agreement import Estimate, Pair
from moola.comparing import People
from moola.draw_groups import HOW_DRAWN
from moola.resampling import LEAST_GROUPS
from moola.second_look import GOLD, IOU_MIN
from moola.ui import cache, components
from moola.workspace import Workspace

CLOCK = [
    *market_hours.DAY_BUCKETS,
    *market_hours.CENTRE_BUCKETS,
    comparing.NO_ZONE,
    market_hours.UNKNOWN,
]
FIGURES, DISPUTES = "Figures", "Disputed windows"
SCALE = (
    "For scale: 24 experts who marked sleep spindles, the nearest task with published figures, "
    "reached F1 0.61 with one another and 0.72 with themselves, kappa 0.52 and 0.66 "
    "(Wendt 2015). A model cannot be measured beyond what people agree on."
)
HOW_COUNTED = (
    f"Two spans are the same expansion if they share at least {IOU_MIN:.0%} of the bars that "
    "either covers; each is paired once. A rejected window counts as holding none. Flagged "
    "windows say nothing about spans and count for kappa alone; deferred and stale ones are left "
    f"out. Intervals are drawn over {HOW_DRAWN}, since such windows are not "
    f"independent; fewer than {LEAST_GROUPS} groups have none."
)


@dataclass(frozen=True, eq=False)
class Found:
    """Every layer's decisions; what takes reading bars is asked for only where it is shown."""

    workspace: Workspace
    version: int
    """The newest event that it knows of."""
    people: People

    @cached_property
    def groups(self) -> Mapping[str, int]:
        """Numbers of the windows that several layers decided; equal ones are drawn together."""
        shared = [uid for uid, of in self.people.by_window.items() if len(of) > 1]
        return _groups(self.workspace, tuple(shared), self.people)

    @cached_property
    def hours(self) -> Mapping[str, str]:
        """Part of the trading day of every judged window."""
        return _hours(self.workspace, tuple(self.people.by_window), self.people)


@dataclass(frozen=True, eq=False)
class Compared:
    """Two layers on the windows that both decided, scored once: every score is a bootstrap."""

    pair: Pair
    found: Found

    @cached_property
    def scores(self) -> Mapping[str, Estimate]:
        """Every score of the pair."""
        return agreement.score(self.pair)

    @cached_property
    def by_hours(self) -> Sequence[agreement.Bucket]:
        """F1 and kappa by part of the trading day, in the order of the clock."""
        uids: list[str] = self.pair.window_uid.tolist()
        hours = [self.found.hours.get(uid, market_hours.UNKNOWN) for uid in uids]
        buckets = agreement.by_bucket(self.pair, hours)
        return sorted(buckets, key=lambda item: CLOCK.index(item.name))


def find(workspace: Workspace) -> Found:
    """Return every layer's decisions, read once for each state of the store."""
    return _find(workspace, cache.store(workspace.store_url).version())


@st.cache_resource(max_entries=4, show_spinner=False)
def _find(workspace: Workspace, version: int) -> Found:
    judgements = cache.store(workspace.store_url).judgements()
    return Found(workspace, version, comparing.arrange(judgements))


def compared(found: Found, first: str, second: str) -> Compared:
    """Return two layers compared, once for each state of the store."""
    return _compared(found.workspace, found.version, first, second, found)


@st.cache_resource(max_entries=32, show_spinner=False)
def _compared(
    workspace: Workspace, version: int, first: str, second: str, _found: Found
) -> Compared:
    return Compared(comparing.compare_layers(_found.people, first, second, _found.groups), _found)


@st.cache_resource(max_entries=4, show_spinner="Comparing the labels")
def _groups(workspace: Workspace, shared: tuple[str, ...], _people: People) -> dict[str, int]:
    store, bars = cache.store(workspace.store_url), cache.bar_store(workspace.bars_dir)
    return comparing.groups_of(_people, store, bars)


@st.cache_resource(max_entries=4, show_spinner=False)
def _hours(workspace: Workspace, judged: tuple[str, ...], _people: People) -> dict[str, str]:
    store, bars = cache.store(workspace.store_url), cache.bar_store(workspace.bars_dir)
    return comparing.hours_of(_people, store, bars)


def name_of(layer: str) -> str:
    """Return how a reader calls a layer."""
    return "adjudicated" if layer == GOLD else layer


def choose_view(people: People) -> str:
    """Draw the switch between figures and disputed windows; return what was chosen."""
    n = len(people.standing_at("disputed"))
    return st.segmented_control(
        "View",
        [FIGURES, DISPUTES],
        default=FIGURES,
        required=True,
        format_func=lambda name: f"{name} {n:,}" if name == DISPUTES else name,
        key="agreement_view",
        label_visibility="collapsed",
        persist_state="session",
    )


def choose_pair(found: Found) -> tuple[Compared, list[str]]:
    """Draw the choice of two layers; return them on the windows that both decided, with names."""
    n_common = {
        pair: _n_common(found.people, *pair)
        for pair in itertools.combinations(comparing.partners(found.people), 2)
    }
    options = sorted(n_common, key=lambda pair: -n_common[pair])
    first, second = st.selectbox(
        "Compare",
        options,
        format_func=lambda pair: (
            f"{name_of(pair[0])} and {name_of(pair[1])} "
            f"({components.counted(n_common[pair], 'window')} decided by both)"
        ),
        key="agreement_pair",
        width=420,
    )
    return compared(found, first, second), [name_of(first), name_of(second)]


def _n_common(people: People, first: str, second: str) -> int:
    uids = [{item.window_uid for item in people.by_layer[layer]} for layer in (first, second)]
    return len(uids[0] & uids[1])


def score_table(both: Compared, names: Sequence[str]) -> None:
    """Draw every score of a pair with its interval and what was counted."""
    found = both.scores
    first, second = names
    alike = f"spans, {len(both.pair.start_diff):,} alike"
    rows = [
        ("**F1 of expansions**", found["f1"], "score", alike),
        (f"of {first}'s, {second} drew", found["recall"], "share", "spans"),
        (f"of {second}'s, {first} drew", found["precision"], "share", "spans"),
        ("**Start**, mean difference", found["start_mae"], "bars", "pairs"),
        ("**End**, mean difference", found["end_mae"], "bars", "pairs"),
        ("**Kappa of the decision**", found["kappa"], "score", "windows"),
        ("Same decision", found["decision_share"], "share", "windows"),
        ("Same type", found["same_type"], "share", "pairs"),
        ("Kappa of the type", found["type_kappa"], "score", "pairs"),
        ("Kappa of the reason", found["reason_kappa"], "score", "windows"),
    ]
    head = "| Measure | Value | 95% interval | Counted |\n|:--|--:|:-:|--:|"
    st.markdown("\n".join([head, *(_score_row(*row) for row in rows)]))
    start, end = found["start_median"], found["end_median"]
    if start.n:
        st.caption(f"Median difference in bars: start {start.value:g}, end {end.value:g}.")
    _notes({label.replace("*", ""): item.note for label, item, *_ in rows})
    with st.expander("How it is counted"):
        st.markdown(f"{HOW_COUNTED}\n\n{SCALE}")


def _notes(notes: Mapping[str, str]) -> None:
    """Draw each sentence once, with the measures that it is about."""
    for note in filter(None, dict.fromkeys(notes.values())):
        labels = [label for label, own in notes.items() if own == note]
        st.caption(note if len(labels) == len(notes) else f"{', '.join(labels)}: {note}")


def _score_row(label: str, item: Estimate, unit: str, counted: str) -> str:
    interval = "–"
    if item.has_interval:
        interval = f"{show(item.low, unit)} – {show(item.high, unit)}"
    value = show(item.value, unit) + (" bars" if unit == "bars" and item.n else "")
    return f"| {label} | {value} | {interval} | {item.n:,} {counted} |"


def show(value: float, unit: str) -> str:
    """Return a number as its unit is written; a dash where there is none."""
    if not math.isfinite(value):
        return "–"
    shown = {"score": f"{value:.2f}", "share": f"{value:.0%}", "bars": f"{value:.1f}"}[unit]
    return shown.replace("-", "−")


def pair_view(found: Found) -> None:
    """Draw everything about two layers: scores, edges, decisions, hours of the market, reasons."""
    both, names = choose_pair(found)
    pair = both.pair
    left, right = st.columns([2, 3], gap="large")
    with left:
        score_table(both, names)
    with right:
        edges = figures_agreement.edge_differences(pair, names=names)
        components.chart(edges, key="agreement_edges")
        table = figures_agreement.decisions(agreement.decision_table(pair), names=names)
        components.chart(table, key="agreement_decisions")
    left, right = st.columns([2, 3], gap="large")
    with left:
        _reason_table(pair, names)
    with right:
        components.chart(figures_agreement.by_hours(both.by_hours), key="agreement_hours")


def _reason_table(pair: Pair, names: Sequence[str]) -> None:
    rows = agreement.reason_rows(pair)
    st.markdown("###### Reasons of rejections", anchors=False)
    if not rows:
        st.caption("Neither rejected any of these windows.")
        return
    head = (
        f"| Reason | {names[0]} | {names[1]} | Both | Same | Other kept it |\n"
        "|:--|--:|--:|--:|--:|--:|"
    )
    lines = [
        f"| {row.reason.replace('_', ' ')} | {row.n_first:,} | {row.n_second:,} | {row.n_both:,} "
        f"| {row.share:.0%} | {row.n_kept:,} |"
        for row in rows
    ]
    st.markdown("\n".join([head, *lines]))
    st.caption("Same: of all uses of a reason, the share where the other gave it too.")
