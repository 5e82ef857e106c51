"""The Agreement page's figures: who labelled what, how far two layers agree, whom to trust."""

from __future__ import annotations

import itertools
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import streamlit as st

from moola import agreement, comparing, figures_agreement, market_hours
from moola.agreement import Estimate, Pair
from moola.comparing import People
from moola.second_look import DECISION_NAMES, GOLD, IOU_MIN, REPEAT, decision_of
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
    "out. Intervals are drawn over groups of windows that share bars, since such windows are not "
    f"independent; fewer than {agreement.MIN_GROUPS} groups have none."
)


@dataclass(frozen=True, eq=False)
class Found:
    """What the page compares, read once for each state of the store."""

    people: People
    groups: Mapping[str, int]
    hours: Mapping[str, str]


def find(workspace: Workspace) -> Found:
    """Return every layer's decisions, with groups and market hours of their windows."""
    return _find(workspace, cache.store(workspace.store_url).version())


@st.cache_resource(max_entries=4, show_spinner="Comparing the labels")
def _find(workspace: Workspace, version: int) -> Found:
    store, bars = cache.store(workspace.store_url), cache.bar_store(workspace.bars_dir)
    people = comparing.arrange(store.judgements())
    return Found(
        people,
        comparing.groups_of(people, store, bars),
        comparing.hours_of(people, store, bars),
    )


def name_of(layer: str) -> str:
    """Return how a reader calls a layer."""
    return "adjudicated" if layer == GOLD else layer


def who_labelled_what(people: People) -> None:
    """Draw one row a person, and where the windows stand between them."""
    if not people.persons:
        return
    head = (
        "| Person | Decided | Kept | Rejected | Flagged | Expansions | With others | Repeated |\n"
        "|:--|--:|--:|--:|--:|--:|--:|--:|"
    )
    st.markdown("\n".join([head, *(_person_row(people, name) for name in people.persons)]))
    counts = Counter(people.standing.values())
    if len(people.persons) > 1:
        st.caption(
            f"{components.counted(sum(counts.values()), 'window')}: {counts['single']:,} decided "
            f"by one person alone · {counts['agreed']:,} agreed · {counts['disputed']:,} disputed "
            f"· {counts['adjudicated']:,} adjudicated"
        )


def _person_row(people: People, name: str) -> str:
    decided = people.by_layer[name]
    kinds = Counter(decision_of(item.state) for item in decided)
    n_spans = sum(len(item.spans) for item in decided if decision_of(item.state) == "kept")
    n_shared = sum(len(people.versions(item.window_uid)) > 1 for item in decided)
    counts = [len(decided), *(kinds[kind] for kind in DECISION_NAMES), n_spans, n_shared]
    cells = [f"**{name}**", *(f"{n:,}" for n in [*counts, len(people.repeats(name))])]
    return f"| {' | '.join(cells)} |"


def how_a_second_person_joins(people: People) -> None:
    """Say what is missing for a comparison, and how to get it."""
    if not people.persons:
        text = "Nobody has decided a window yet."
    else:
        n = len(people.by_layer[people.persons[0]])
        text = (
            f"Only {people.persons[0]} has decided windows so far "
            f"({components.counted(n, 'window')}), so there is nobody to agree with."
        )
    st.info(text, icon=":material/group_add:")
    st.markdown(
        "**How a second person joins**\n\n"
        "1. Open the Windows page in another browser, or on this one, and choose another name in "
        "its sidebar. Everyone labels in a layer of his own; nobody sees the others' spans "
        "meanwhile.\n"
        "2. Label the same windows. "
        f"{agreement.MIN_GROUPS} windows that share no bars give a first interval, about 50 a "
        "useful one.\n"
        "3. Come back here: the figures appear by themselves, and every window that the two decide "
        "differently waits to be adjudicated.\n\n"
        "Several people on several machines share one store: set `MOOLA_DATABASE_URL` to a "
        "PostgreSQL database."
    )
    st.page_link("pages/windows.py", label="Open Windows", icon=":material/arrow_forward:")


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


def choose_pair(found: Found) -> tuple[Pair, list[str]]:
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
    pair = comparing.compare_layers(found.people, first, second, found.groups)
    return pair, [name_of(first), name_of(second)]


def _n_common(people: People, first: str, second: str) -> int:
    uids = [{item.window_uid for item in people.by_layer[layer]} for layer in (first, second)]
    return len(uids[0] & uids[1])


def score_table(pair: Pair, names: Sequence[str]) -> None:
    """Draw every score of a pair with its interval and what was counted."""
    found = agreement.score(pair)
    first, second = names
    alike = f"spans, {len(pair.start_diff):,} alike"
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
        st.caption(
            f"Median difference: {start.value:g} bars at the start, {end.value:g} at the end."
        )
    _notes({label.replace("*", ""): item.note for label, item, *_ in rows if item.note})
    with st.expander("How it is counted"):
        st.markdown(f"{HOW_COUNTED}\n\n{SCALE}")


def _notes(notes: Mapping[str, str]) -> None:
    """Draw each sentence once, with the measures that it is about."""
    for note in dict.fromkeys(notes.values()):
        labels = [label for label, own in notes.items() if own == note]
        st.caption(note if len(labels) == len(notes) else f"{', '.join(labels)}: {note}")


def _score_row(label: str, item: Estimate, unit: str, counted: str) -> str:
    interval = "–"
    if item.has_interval:
        interval = f"{_show(item.low, unit)} – {_show(item.high, unit)}"
    value = _show(item.value, unit) + (" bars" if unit == "bars" and item.n else "")
    return f"| {label} | {value} | {interval} | {item.n:,} {counted} |"


def _show(value: float, unit: str) -> str:
    if not math.isfinite(value):
        return "–"
    shown = {"score": f"{value:.2f}", "share": f"{value:.0%}", "bars": f"{value:.1f}"}[unit]
    return shown.replace("-", "−")


def pair_view(found: Found) -> None:
    """Draw everything about two layers: scores, edges, decisions, hours of the market, reasons."""
    pair, names = choose_pair(found)
    left, right = st.columns([2, 3], gap="large")
    with left:
        score_table(pair, names)
    with right:
        edges = figures_agreement.edge_differences(pair, names=names)
        components.chart(edges, key="agreement_edges")
        table = figures_agreement.decisions(agreement.decision_table(pair), names=names)
        components.chart(table, key="agreement_decisions")
    left, right = st.columns([2, 3], gap="large")
    with left:
        _reason_table(pair, names)
    with right:
        hours = [found.hours.get(uid, market_hours.UNKNOWN) for uid in pair.window_uid.tolist()]
        buckets = sorted(agreement.by_bucket(pair, hours), key=lambda item: CLOCK.index(item.name))
        components.chart(figures_agreement.by_hours(buckets), key="agreement_hours")


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


def trust(found: Found) -> None:
    """Draw how steady and how careful each person is."""
    people = found.people
    if not people.persons:
        return
    st.markdown("##### Trust checks", anchors=False)
    head = (
        "| Person | F1 with own repeats | 95% interval | Kappa | Repeated "
        "| Shifted spans accepted | Seconds a window | Under 0.6 s |\n"
        "|:--|--:|:-:|--:|--:|--:|--:|--:|"
    )
    st.markdown("\n".join([head, *(_trust_row(found, name) for name in people.persons)]))
    st.caption(
        "Repeats: windows judged a second time, at least a day later. Shifted spans: trials whose "
        "proposal was moved on purpose; accepting it as drawn means not looking. Seconds: median, "
        "and 9 of 10 below."
    )


def _trust_row(found: Found, name: str) -> str:
    people = found.people
    repeat = comparing.compare_layers(people, name, name + REPEAT, found.groups)
    own = agreement.score(repeat)
    caught = agreement.catch_share(comparing.trials(people, name))
    times = agreement.times_of(people.by_layer[name])
    f1 = own["f1"]
    interval = f"{f1.low:.2f} – {f1.high:.2f}" if f1.has_interval else "–"
    catch = "–"
    if caught.n:
        low, high = caught.interval
        catch = f"{caught.n_yes} of {caught.n} ({low:.0%} – {high:.0%})"
    seconds = f"{times.median_s:.1f} (9 of 10 ≤ {times.p90_s:.1f})" if times.n else "–"
    fast = f"{times.fast.value:.0%}" if times.n else "–"
    cells = [
        f"**{name}**", _show(f1.value, "score"), interval, _show(own["kappa"].value, "score"),
        components.counted(len(repeat), "window"), catch, seconds, fast,
    ]  # fmt: skip
    return f"| {' | '.join(cells)} |"
