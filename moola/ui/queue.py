"""The queue in the sidebar: filters, counts, the list of windows, and the search for proposals."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from functools import partial

import streamlit as st

from moola import diagnostics, proposals, proposing
from moola.examples import NO_SPAN
from moola.runs import RunFolder, list_runs
from moola.schema import REVIEW_STATES, SPAN_TYPES, ReviewState
from moola.store import LabelStore, Series, WindowRow
from moola.ui import cache, components, labelling, picker, run_parts, span_chart, state

STATES, TYPES, SERIES, RUN = (
    f"windows_filter_{name}" for name in ("state", "type", "series", "run")
)


def filtered(store: LabelStore) -> list[WindowRow]:
    """Draw the filters; return the windows that pass them, in the order of the queue."""
    every = cache.window_rows(state.workspace().store_url)
    states = _state_filter(Counter(row.state for row in every))
    with st.expander("More filters"):
        types = st.multiselect(
            "Type", SPAN_TYPES, key=TYPES, on_change=_first, persist_state="session"
        )
        series_id = _series_filter(store)
        run = _run_filter()
    rows = [
        row
        for row in every
        if (not states or row.state in states)
        and (not types or set(types) & set(row.types))
        and (series_id is None or row.series_id == series_id)
    ]
    if run is None:
        return rows
    errors = _disagreements(run.id)
    return sorted(
        (row for row in rows if row.window_uid in errors), key=lambda row: -errors[row.window_uid]
    )


def _series_filter(store: LabelStore) -> str | None:
    names = {series.series_id: _series_name(series) for series in store.series()}
    return st.selectbox(
        "Series",
        [None, *names],
        format_func=lambda series_id: names.get(series_id, "All series"),
        key=SERIES,
        on_change=_first,
        persist_state="session",
    )


def _series_name(series: Series) -> str:
    symbol = series.symbol or series.series_id
    return f"{symbol} · {series.n_bars:,} bars" if series.kind == "feed" else symbol


def _state_filter(counts: Mapping[ReviewState, int]) -> Sequence[str]:
    chosen = st.session_state.get(STATES) or []
    shown = [name for name in REVIEW_STATES if counts.get(name) or name in chosen]
    return st.pills(
        "State",
        shown,
        selection_mode="multi",
        format_func=lambda name: f"{name} {counts.get(name, 0):,}",
        key=STATES,
        on_change=_first,
        persist_state="session",
    )


def _run_filter() -> RunFolder | None:
    runs = {
        run.id: run
        for run in list_runs(state.workspace().runs_dir)
        if (run.path / "predictions.parquet").exists()
    }
    chosen = st.selectbox(
        "Disagrees with run",
        [None, *runs],
        format_func=lambda run_id: run_parts.name_of(runs[run_id]) if run_id else "Any",
        key=RUN,
        on_change=_first,
        help=f"Windows whose decoded span is more than {diagnostics.DISAGREEMENT_BARS} bars from "
        "the label that the run was given",
        persist_state="session",
    )
    return runs.get(chosen) if chosen else None


def _disagreements(run_id: str | None) -> dict[str, int]:
    """Return the error in bars of every window that the run reads otherwise."""
    if run_id is None:
        return {}
    with components.problems():
        result = cache.run_result(RunFolder(state.workspace().runs_dir / run_id))
        return diagnostics.disagreements(result.errors) if result else {}
    return {}


def draw(rows: list[WindowRow]) -> None:
    """Draw the list of windows with the place of the current one."""
    if not rows:
        st.info("No window passes these filters.")
        return
    by_id = {row.window_uid: row for row in rows}
    current = state.current_window()
    place = f"{list(by_id).index(current) + 1:,} of " if current in by_id else ""
    st.caption(f"{place}{components.counted(len(rows), 'window')} in the queue")
    errors = _disagreements(st.session_state.get(RUN))
    picker.mount(
        list(by_id),
        lambda uid: _as_row(by_id[uid], errors.get(uid)),
        current=current,
        label="Windows in the queue",
        key="windows_queue_list",
        on_pick=_pick,
    )


def _first() -> None:
    """Go to the first window of the queue that another filter makes."""
    state.clear_notice()
    state.go_to(None)


def _pick(window_uid: str) -> None:
    state.clear_notice()
    state.go_to(window_uid)


def _as_row(row: WindowRow, error_bars: int | None) -> picker.Row:
    what = [row.state]
    if row.types:
        what.append(", ".join(row.types))
    elif row.reason:
        what.append(row.reason.replace("_", " "))
    if error_bars is not None:
        is_missed = error_bars >= diagnostics.MISSED_BARS
        what.append("no match" if is_missed else f"{error_bars} bars off")
    tone = components.STATE_TONES[row.state]
    return picker.Row(row.window_uid, labelling.name_of(row), " · ".join(what), tone)


def find_proposals(store: LabelStore) -> None:
    """Draw the search for expansions in unlabelled bars, with the rule in words."""
    n_windows = Counter(row.series_id for row in cache.window_rows(state.workspace().store_url))
    feeds = [series for series in store.series() if series.kind == "feed"]
    if not feeds:
        return
    # The series with the fewest windows comes first: it has most left to look at.
    names = {
        series.series_id: _series_name(series)
        for series in sorted(feeds, key=lambda series: n_windows[series.series_id])
    }
    with st.expander("Find proposals", icon=":material/search:"):
        with st.popover("The rule in words", type="tertiary"):
            st.markdown(proposals.RULE_TEXT)
        series_id = st.selectbox(
            "In series", list(names), format_func=lambda s: names[s], key="windows_propose_in"
        )
        st.button(
            "Find proposals",
            key="windows_propose",
            on_click=partial(_propose, series_id, state.new_op()),
        )


def _propose(series_id: str, op: str) -> None:
    workspace = state.workspace()
    store = cache.store(workspace.store_url)
    with state.reporting():
        series = store.get_series(series_id)
        bars = cache.bar_store(workspace.bars_dir)
        done = proposing.propose_series(series, store, bars, op_id=op)
        state.say(f"{series.symbol}: {done}")
        st.session_state[STATES] = ["proposed"]
        st.session_state[SERIES] = series_id
        state.go_to(None)


def model_span(window_uid: str) -> span_chart.Outline | None:
    """Return what the run of the disagreement filter decoded in this window."""
    run_id = st.session_state.get(RUN)
    if not run_id:
        return None
    with components.problems():
        result = cache.run_result(RunFolder(state.workspace().runs_dir / run_id))
        if result is not None:
            return _decoded(result, window_uid)
    return None


def _decoded(result: cache.RunResult, window_uid: str) -> span_chart.Outline | None:
    error = next((e for e in result.errors if e.window_uid == window_uid), None)
    if error is None or error.predicted_start == NO_SPAN:
        return None
    return span_chart.Outline(
        start=error.predicted_start, end=error.predicted_end, name="decoded by the run"
    )
