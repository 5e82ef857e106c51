"""The Review page's success table: targets, intervals, floors and ceilings."""

from __future__ import annotations

import streamlit as st

from moola import evaluate
from moola.criteria import Criterion, Verdict
from moola.runs import RunFolder
from moola.ui import components
from moola.ui.picker import Tone

VERDICT_TONES: dict[Verdict, Tone] = {"met": "good", "not met": "bad", "undecided": "none"}
TABLE_HEAD = (
    "| Measure | Verdict | Reached | Target | 95% interval | Best constant | Windows |\n"
    "|:--|:--|--:|:--|:-:|--:|--:|"
)
HOW_TO_READ = (
    "Held-out windows only. The interval is drawn by groups of windows that share bars. The best "
    "constant says the same of every window and was fitted on the training windows: a model "
    "should beat it. Undecided: the interval holds the target, so more windows are needed."
)


def table(run: RunFolder) -> None:
    """Draw the targets with value, interval, floor and verdict, and the notes to them."""
    lines = evaluate.read_success(run)
    if lines is None:
        lines = evaluate.evaluate_run(run)
    n_met = sum(line.verdict == "met" for line in lines)
    st.markdown(f"##### {n_met} of {len(lines)} targets met", anchors=False)
    st.markdown("\n".join([TABLE_HEAD, *map(_table_row, lines)]))
    with st.expander("How to read it, and notes to each target"):
        st.markdown(HOW_TO_READ)
        st.markdown("\n".join(f"- **{line.name}**: {line.note}" for line in lines if line.note))


def _table_row(line: Criterion) -> str:
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
    return f"| {' | '.join(cells)} |"


def _bare(line: Criterion, number: float | None) -> str:
    return line.show(number).removesuffix(" bars")
