"""The Review page's success table: targets, intervals, floors and ceilings."""

from __future__ import annotations

import math
from collections.abc import Sequence

import streamlit as st

from moola import ceilings, comparing, evaluate, split_facts
from moola.ceilings import Ceiling
from moola.criteria import VERDICT_TONES, Criterion, targets_met
from moola.draw_groups import HOW_DRAWN
from moola.runs import RunFolder
from moola.ui import cache, components
from moola.workspace import Workspace

COLUMNS = ("Measure", "Verdict", "Reached", "Target", "95% interval", "Constant", "Windows")
ALIGNMENTS = (":--", ":--", "--:", ":--", ":-:", "--:", "--:")
PEOPLE = "People"
NO_BREAK, JOINER = "\u00a0", "\u2060"
CEILINGS = {"hit_at_3": "hit_at_3", "start_at_3": "start_at_3", "event_f1": "f1"}
"""Lines of the table that people can be measured by, and the score that does it."""
HOW_TO_READ = (
    f"Held-out windows only. The interval is drawn by {HOW_DRAWN}. The best "
    "constant says the same of every window and was fitted on the training windows: a model "
    "should beat it. Undecided: the interval holds the target, or the windows are too few or make "
    "too few groups for an interval to be trusted; the notes say which."
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
    told, counted = targets_met(lines), _n_windows(lines)
    if counted:
        told += f" on {components.counted(counted, 'held-out window')}"
    st.markdown(f"##### {told}", anchors=False)
    columns: list[str] = list(COLUMNS)
    alignments: list[str] = list(ALIGNMENTS)
    beside = any(line.rules is not None or line.boosting is not None for line in lines)
    if beside:
        columns[-1:-1] = ["Rules", "Boosting"]
        alignments[-1:-1] = ["--:", "--:"]
    if top:
        columns.insert(-1, PEOPLE)
        alignments.insert(-1, "--:")
    rows = [columns, alignments, *(_cells(line, top, beside=beside) for line in lines)]
    if counted:
        rows = [row[:-1] for row in rows]
    st.markdown("\n".join(map(_table_row, rows)))
    st.caption(". ".join(split_facts.split_sentences(run)) + ".")
    with st.expander("How to read it, and notes to each target"):
        how = [HOW_TO_READ, HOW_BESIDE if beside else "", HOW_PEOPLE if top else ""]
        st.markdown("".join(how))
        notes = [f"- **{line.name}**: {line.note}" for line in lines if line.note]
        st.markdown("\n".join([*notes, *_people_notes(top)]))


def _n_windows(lines: Sequence[Criterion]) -> int | None:
    """Return how many windows every line counts that counts any; None if they differ."""
    found = {line.n_windows for line in lines if line.n_windows is not None}
    return found.pop() if len(found) == 1 else None


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


def _table_row(cells: list[str]) -> str:
    # No cell breaks in two lines: a table twice as high pushes the views out of sight.
    return f"| {' | '.join(_unbroken(cell) for cell in cells)} |"


def _unbroken(cell: str) -> str:
    return cell.replace(" ", NO_BREAK).replace("–", f"–{JOINER}") if len(cell) > 1 else cell


def _cells(line: Criterion, top: Ceiling | None, *, beside: bool) -> list[str]:
    # The verdict stands far left: a narrow screen shows the first columns and scrolls the others.
    cells = [
        line.name,
        components.badge(line.verdict, VERDICT_TONES[line.verdict]),
        f"**{_bare(line, line.value)}**",
        line.target,
        "–" if line.low is None else f"{_bare(line, line.low)} – {_bare(line, line.high)}",
        _bare(line, line.floor),
        "–" if line.n_windows is None else f"{line.n_windows:,}",
    ]
    if beside:
        cells[-1:-1] = [_bare(line, line.rules), _bare(line, line.boosting)]
    if top:
        found = top.scores.get(CEILINGS.get(line.key, ""))
        reached = found is not None and math.isfinite(found.value)
        cells.insert(-1, line.show(found.value) if found and reached else "–")
    return cells


def _bare(line: Criterion, number: float | None) -> str:
    return line.show(number).removesuffix(" bars")
