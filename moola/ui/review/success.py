"""The Review page's success table: targets, intervals, floors and ceilings."""

from __future__ import annotations

import math

import streamlit as st

from moola import ceilings, comparing, evaluate, split_facts
from moola.ceilings import Ceiling
from moola.criteria import Criterion, Verdict
from moola.runs import RunFolder
from moola.ui import cache, components
from moola.ui.picker import Tone
from moola.workspace import Workspace

VERDICT_TONES: dict[Verdict, Tone] = {"met": "good", "not met": "bad", "undecided": "none"}
COLUMNS = ("Measure", "Verdict", "Reached", "Target", "95% interval", "Best constant", "Windows")
ALIGNMENTS = (":--", ":--", "--:", ":--", ":-:", "--:", "--:")
PEOPLE = "People"
CEILINGS = {"hit_at_3": "hit_at_3", "start_at_3": "start_at_3", "event_f1": "f1"}
"""Lines of the table that people can be measured by, and the score that does it."""
HOW_TO_READ = (
    "Held-out windows only. The interval is drawn by groups of windows that share bars. The best "
    "constant says the same of every window and was fitted on the training windows: a model "
    "should beat it. Undecided: the interval holds the target, so more windows are needed."
)
HOW_BESIDE = (
    " Rules and boosting: the best of three written rules and of two ways of gradient boosting, "
    "fitted on the same training windows, chosen afterwards and so in their favour."
)
HOW_PEOPLE = (
    " People: how often the second of two annotators hits what the first labelled, on windows of "
    "this run that both decided. A model cannot be measured beyond it."
)


def table(workspace: Workspace, run: RunFolder) -> None:
    """Draw the targets with value, interval, floor, ceiling and verdict, and the notes to them."""
    lines = evaluate.read_success(run)
    if lines is None:
        lines = evaluate.evaluate_run(run)
    top = _ceiling(workspace, run)
    n_met = sum(line.verdict == "met" for line in lines)
    st.markdown(f"##### {n_met} of {len(lines)} targets met", anchors=False)
    columns: list[str] = list(COLUMNS)
    alignments: list[str] = list(ALIGNMENTS)
    beside = any(line.rules is not None or line.boosting is not None for line in lines)
    if beside:
        columns[-1:-1] = ["Rules", "Boosting"]
        alignments[-1:-1] = ["--:", "--:"]
    if top:
        columns.insert(-1, PEOPLE)
        alignments.insert(-1, "--:")
    head = [f"| {' | '.join(row)} |" for row in (columns, alignments)]
    st.markdown("\n".join([*head, *(_table_row(line, top, beside=beside) for line in lines)]))
    st.caption(". ".join(split_facts.split_sentences(run)) + ".")
    with st.expander("How to read it, and notes to each target"):
        how = [HOW_TO_READ, HOW_BESIDE if beside else "", HOW_PEOPLE if top else ""]
        st.markdown("".join(how))
        notes = [f"- **{line.name}**: {line.note}" for line in lines if line.note]
        st.markdown("\n".join([*notes, *_people_notes(top)]))


def _ceiling(workspace: Workspace, run: RunFolder) -> Ceiling | None:
    version = cache.store(workspace.store_url).version()
    state = run.path / "run.json"  # which a damaged folder may lack
    written = state.stat().st_mtime_ns if state.exists() else 0
    return _measured(workspace, run.id, version, written, run)


@st.cache_resource(max_entries=8, show_spinner=False)
def _measured(
    workspace: Workspace, run_id: str, version: int, written: int, _run: RunFolder
) -> Ceiling | None:
    store, bars = cache.store(workspace.store_url), cache.bar_store(workspace.bars_dir)
    people = comparing.arrange(store.judgements())
    if len(people.persons) < 2:
        return None
    return ceilings.ceiling(people, _run.examples().window_uid.tolist(), store, bars)


def _people_notes(top: Ceiling | None) -> list[str]:
    if top is None:
        return []
    shares = [
        f"{name} {item.value:.0%}"
        + (f" ({item.low:.0%} – {item.high:.0%})" if item.has_interval else "")
        for name, item in (
            ("both edges within 3 bars", top.scores["hit_at_3"]),
            ("start", top.scores["start_at_3"]),
            ("the same type", top.scores["same_type"]),
        )
        if math.isfinite(item.value)
    ]
    return [
        f"- **People**: {top.second} measured by {top.first} on {top.n_windows:,} windows: "
        f"{', '.join(shares)}."
    ]


def _table_row(line: Criterion, top: Ceiling | None, *, beside: bool) -> str:
    # The verdict stands far left: a narrow screen shows the first columns and scrolls the others.
    cells = [
        line.name,
        components.badge(line.verdict, VERDICT_TONES[line.verdict]),
        f"**{line.show(line.value)}**",
        line.target,
        "–" if line.low is None else f"{_bare(line, line.low)} – {_bare(line, line.high)}",
        line.show(line.floor),
        "–" if line.n_windows is None else f"{line.n_windows:,}",
    ]
    if beside:
        cells[-1:-1] = [line.show(line.rules), line.show(line.boosting)]
    if top:
        found = top.scores.get(CEILINGS.get(line.key, ""))
        reached = found is not None and math.isfinite(found.value)
        cells.insert(-1, line.show(found.value) if found and reached else "–")
    return f"| {' | '.join(cells)} |"


def _bare(line: Criterion, number: float | None) -> str:
    return line.show(number).removesuffix(" bars")
