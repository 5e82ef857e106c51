"""The Review page's list of windows: filtered, in any order, one of them chosen."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import streamlit as st

from moola import diagnostics, review_tables
from moola.desk.overlay import RunResult
from moola.review_tables import BETWEEN, Reading, Sort
from moola.runs import RunFolder
from moola.ui import components, picker
from moola.ui.picker import Tone
from moola.ui.review.result import SPLITS

OUTCOME_TONES: dict[diagnostics.Outcome, Tone] = {
    "hit": "good",
    "off": "warn",
    "missed": "bad",
    "false alarm": "bad",
    "quiet": "none",
}
WINDOW, QUEUE = "review_window", "review_queue"
TORN = f"starts > {review_tables.SPREAD_BARS} bars apart"


@dataclass(frozen=True)
class Listed:
    """The windows of the list in their order, and what the order goes by."""

    rows: list[Reading]
    sort: Sort


def listed(result: RunResult, others: Mapping[str, RunResult]) -> Listed:
    """Draw filters and order of the window list; return the rows that pass, in order."""
    split = st.segmented_control(
        "Windows", list(SPLITS), default="held-out", key="review_split", required=True,
        persist_state="session",
    )  # fmt: skip
    wanted = SPLITS[split or "all"]
    rows = [row for row in result.rows if wanted in (None, row.error.split)]
    sort = _choose_order(result, others)
    outcomes = _choose_outcomes(rows)
    kept = [row for row in rows if _passes(row, outcomes)]
    return Listed(review_tables.ordered(kept, sort), sort)


def _choose_order(result: RunResult, others: Mapping[str, RunResult]) -> Sort:
    sorts = review_tables.offered(result.rows)
    if others:
        runs = [result.rows, *(other.rows for other in others.values())]
        sorts[BETWEEN] = review_tables.between_runs(runs)
    if st.session_state.get("review_sort") not in sorts:
        st.session_state.pop("review_sort", None)
    key = st.selectbox(
        "Order",
        list(sorts),
        format_func=lambda name: sorts[name].title,
        key="review_sort",
        persist_state="session",
    )
    return sorts[key]


def _choose_outcomes(rows: Sequence[Reading]) -> Sequence[str]:
    counts = Counter(row.error.outcome for row in rows)
    n_torn = sum(row.is_torn for row in rows)
    options: list[str] = [name for name in diagnostics.OUTCOME_HELP if counts[name]]
    return st.pills(
        "Outcome",
        [*options, *([TORN] if n_torn else [])],
        selection_mode="multi",
        format_func=lambda name: f"{name} {n_torn if name == TORN else counts[name]}",
        help=". ".join(f"{k}: {v}" for k, v in diagnostics.OUTCOME_HELP.items()),
        key="review_outcome",
        persist_state="session",
    )


def _passes(row: Reading, chosen: Sequence[str]) -> bool:
    outcomes = [name for name in chosen if name != TORN]
    return (TORN not in chosen or row.is_torn) and (not outcomes or row.error.outcome in outcomes)


def choose(found: Listed, names: Mapping[str, str]) -> str | None:
    """Draw the list of windows; return the chosen one."""
    rows = {row.window_uid: row for row in found.rows}
    ids = st.session_state[QUEUE] = list(rows)
    if not ids:
        st.caption("No window passes these filters.")
        return None
    if st.session_state.get(WINDOW) not in rows:
        st.session_state[WINDOW] = ids[0]
    picker.mount(
        ids,
        lambda uid: _as_row(rows[uid], names, found.sort),
        current=st.session_state[WINDOW],
        label="Windows of the run",
        key="review_window_list",
        on_pick=pick,
    )
    return st.session_state[WINDOW]


def _as_row(row: Reading, names: Mapping[str, str], sort: Sort) -> picker.Row:
    value = sort.value(row)
    # A miss has no error in bars worth reading: it says so in words.
    hidden = not math.isfinite(value) or value >= diagnostics.MISSED_BARS
    torn = "starts apart" if row.is_torn else ""
    parts = [row.error.outcome, "" if hidden else sort.show(value), torn, row.error.type]
    detail = " · ".join(filter(None, parts))
    uid = row.window_uid
    return picker.Row(uid, names.get(uid, uid), detail, OUTCOME_TONES[row.error.outcome])


def pick(window_uid: str) -> None:
    """Show a window."""
    st.session_state[WINDOW] = window_uid


def step(direction: int) -> None:
    """Go to the next or previous window of the list."""
    ids: list[str] = st.session_state[QUEUE]
    at = ids.index(st.session_state[WINDOW])
    pick(ids[max(0, min(len(ids) - 1, at + direction))])


def disagreement_link(run: RunFolder, result: RunResult) -> None:
    """Draw the way to the queue of windows that the run reads otherwise, if there are any."""
    if n_windows := len(result.disagreements()):
        st.page_link(
            "pages/windows.py",
            label=f"{components.counted(n_windows, 'window')} it reads otherwise",
            icon=":material/arrow_forward:",
            query_params={"mode": "run", "run": run.id},
        )
