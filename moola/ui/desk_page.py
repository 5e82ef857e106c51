"""The Windows page's sidebar: who works, on which queue, and on which windows of it."""

from __future__ import annotations

from collections.abc import Mapping

import streamlit as st

from moola import audit, coverage, diagnostics, market_hours
from moola.desk import MODES, QUEUE_MODES, QueueMode
from moola.desk.overlay import PREDICTIONS, RUN_KINDS
from moola.exceptions import MoolaError
from moola.runs import list_runs
from moola.schema import REVIEW_STATES, SPAN_TYPES
from moola.store import LOCAL, LabelStore, Series
from moola.store.people import check_name
from moola.ui import cache, components, desk_chart, run_parts, state
from moola.workspace import Workspace

NAME, MODE, RUN = "windows_name", "windows_mode", "windows_run"
SERIES, STATES, TYPES, MONTH, HOURS, VOLATILITY = (
    f"windows_filter_{name}"
    for name in ("series", "states", "types", "month", "hours", "volatility")
)
LINKED = {
    "mode": MODE,
    "run": RUN,
    "series": SERIES,
    "month": MONTH,
    "hours": HOURS,
    "volatility": VOLATILITY,
}
"""What a link to this page may choose, and the widget that shows it."""


def follow_link() -> None:
    """Let the address choose queue and filters, once: after that the sidebar does."""
    asked = {name: st.query_params[name] for name in LINKED if name in st.query_params}
    if asked and asked != st.session_state.get("windows_linked"):
        for key in LINKED.values():
            st.session_state.pop(key, None)
        st.session_state.update({LINKED[name]: value for name, value in asked.items()})
        if st.session_state.get(MODE) not in (None, *QUEUE_MODES):
            st.session_state.pop(MODE)
    st.session_state["windows_linked"] = asked


def choose_name(store: LabelStore) -> str:
    """Draw who works here; every name has labels of its own, and a new one may be typed."""
    current = state.annotator()
    names = sorted({LOCAL, current, *(name for name in store.layers() if "~" not in name)})
    chosen = st.selectbox(
        "Working as",
        names,
        index=names.index(current),
        key=NAME,
        accept_new_options=True,
        help="Each name has labels of its own; others are not shown until a second look. "
        "This browser remembers it.",
        persist_state="session",
    )
    try:
        name = check_name(chosen or current)
    except MoolaError as error:
        st.error(str(error), icon=":material/error:")
        return current
    state.keep_annotator(name)
    return name


def choose_queue(workspace: Workspace, annotator: str) -> dict[str, str]:
    """Draw the queues; return the query parameters that choose one.

    At first it is what is left to decide, or everything where nothing is.
    """
    runs = [
        run
        for run in list_runs(workspace.runs_dir, kinds=RUN_KINDS)
        if (run.path / PREDICTIONS).exists()
    ]
    audited = [run for run in runs if (run.path / audit.SENT_FILE).exists()]
    of_runs = {"run": runs, "audit": audited, "audit-blind": audited}
    modes: list[QueueMode] = [mode for mode in QUEUE_MODES if of_runs.get(mode, True)]
    if st.session_state.get(MODE) not in modes:
        st.session_state.pop(MODE, None)
    first: QueueMode = "unlabelled" if cache.desk(workspace).has_open(annotator) else "all"
    mode = st.selectbox(
        "Queue",
        modes,
        index=modes.index(first),
        format_func=lambda name: MODES[name].title,
        key=MODE,
        persist_state="session",
    )
    st.caption(MODES[mode].help)
    if mode not in of_runs:
        return {"mode": mode}
    by_id = {run.id: run for run in of_runs[mode]}
    if st.session_state.get(RUN) not in by_id:
        st.session_state.pop(RUN, None)
    run_id = st.selectbox(
        "Run",
        list(by_id),
        format_func=lambda run_id: run_parts.name_of(by_id[run_id]),
        key=RUN,
        help=f"Windows whose decoded span is more than {diagnostics.DISAGREEMENT_BARS} bars from "
        "the label that the run was given"
        if mode == "run"
        else "The run whose audit sent these windows",
        persist_state="session",
    )
    return {"mode": mode, "run": run_id}


def choose_filters(store: LabelStore) -> dict[str, str]:
    """Draw the filters; return the query parameters of those that are set."""
    series = {item.series_id: item for item in store.series()}
    with st.expander("Filters", icon=":material/filter_alt:"):
        chosen: dict[str, str | None] = {"series": _choice("Series", _names(series), SERIES)}
        for name, label, options, key in (
            ("states", "State", REVIEW_STATES, STATES),
            ("types", "Type", SPAN_TYPES, TYPES),
        ):
            picked = st.multiselect(label, options, key=key, persist_state="session")
            chosen[name] = ",".join(picked)
        clock = market_hours.DAY_BUCKETS + market_hours.CENTRE_BUCKETS
        chosen["hours"] = _choice("Market hours", dict(zip(clock, clock, strict=True)), HOURS)
        levels = coverage.VOLATILITIES
        chosen["volatility"] = _choice(
            "Volatility", dict(zip(levels, levels, strict=True)), VOLATILITY
        )
        chosen["month"] = st.text_input(
            "Month", key=MONTH, placeholder="2022-01", persist_state="session"
        )
    return {name: value for name, value in chosen.items() if value}


def series_name(series: Series) -> str:
    """Return how a reader calls a series in a list."""
    symbol = series.symbol or series.series_id
    return f"{symbol} · {series.n_bars:,} bars" if series.kind == "feed" else symbol


def _names(series: Mapping[str, Series]) -> dict[str, str]:
    return {series_id: series_name(item) for series_id, item in series.items()}


def _choice(label: str, names: Mapping[str, str], key: str) -> str | None:
    """Draw a choice of one or none; an unknown one that a link asked for is dropped."""
    if st.session_state.get(key) not in (None, *names):
        st.session_state.pop(key)
    return st.selectbox(
        label,
        [None, *names],
        format_func=lambda name: names.get(name, "Any"),
        key=key,
        persist_state="session",
    )


def linked_window(store: LabelStore, chosen: object) -> str | None:
    """Return the window that the address names; say so if there is none of that name.

    It is the first one of the queue that it was opened with, and of no queue `chosen` later.
    """
    name = st.query_params.get("window")
    if not name:
        return None
    opened = st.session_state.get("windows_opened")
    if opened is None or opened[0] != name:
        opened = st.session_state["windows_opened"] = (name, chosen)
    if opened[1] != chosen:
        return None
    with components.problems():
        return store.resolve(name)
    return None


def mount(
    workspace: Workspace, annotator: str, asked: Mapping[str, str], window_uid: str | None
) -> None:
    """Draw the desk: from here on the browser asks and writes by itself, without a rerun."""
    filters = {name: value for name, value in asked.items() if name != "mode"}
    data = desk_chart.DeskData(
        annotator=annotator,
        workspace=workspace.store_url,
        mode=asked["mode"],
        filters=filters,
        window=window_uid,
    )
    desk_chart.mount(data, key="windows_desk")
