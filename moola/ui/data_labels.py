"""The Data page's labels: try a label file out, see what contradicts, then import it."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import streamlit as st

from moola.exceptions import ImportRefused
from moola.importing import import_labels, restore_log
from moola.label_formats import READERS, Reader, event_log, recognise
from moola.label_import import LabelPlan, plan_labels
from moola.label_plan import PlacedWindow, shift_sentence
from moola.store import LOCAL, LabelStore
from moola.ui import cache, components, incoming, state
from moola.workspace import Workspace

DONE, N_DONE = "labels_imported", "labels_n_imported"
NO_SERIES = "the file says it"
TABLE_ROWS = 500


def draw(workspace: Workspace) -> None:
    """Draw the section."""
    store = cache.store(workspace.store_url)
    state.show_notice()
    if text := st.session_state.get(DONE):
        st.success(text, icon=":material/check_circle:")
    with st.container(border=True), components.problems():
        path = _file(workspace)
        if path is None:
            titles = "; ".join(reader.title for reader in READERS)
            st.caption(f"Known formats: {titles}; and an event log, into an empty store.")
        elif event_log.recognises(path):
            _events(path, store)
        else:
            _labels(path, workspace, store)


def _file(workspace: Workspace) -> Path | None:
    n_done = st.session_state.get(N_DONE, 0)  # each import leaves empty fields behind
    with st.container(horizontal=True, vertical_alignment="center"):
        st.markdown("##### Bring labels in", width="content")
        source = st.segmented_control(
            "From",
            [incoming.UPLOAD, incoming.PATH],
            default=incoming.UPLOAD,
            required=True,
            key="labels_source",
            label_visibility="collapsed",
        )
    if source == incoming.PATH:
        return incoming.path_on_machine(
            key=f"labels_path_{n_done}", placeholder="/home/me/labels/train_latest.parquet"
        )
    return incoming.upload(workspace, key=f"labels_upload_{n_done}")


def _events(path: Path, store: LabelStore) -> None:
    n_events = _n_events(path, incoming.file_id(path))
    st.markdown(f"An event log of **{n_events:,} events**; it rebuilds an empty store.")
    if store.version():
        st.warning("This store holds events already, so a log cannot come into it.")
    st.button(
        "Rebuild the store",
        type="primary",
        key="labels_restore",
        disabled=bool(store.version()),
        on_click=_do_restore,
        args=(path, store),
    )


@st.cache_resource(max_entries=4, show_spinner="Reading the log")
def _n_events(path: Path, file_id: str) -> int:
    return len(event_log.read(path))


@st.cache_resource(max_entries=16, show_spinner="Looking at the file")
def _recognise(path: Path, file_id: str) -> Reader | None:
    return recognise(path)


def _labels(path: Path, workspace: Workspace, store: LabelStore) -> None:
    if _recognise(path, incoming.file_id(path)) is None:
        raise ImportRefused(
            f"{path.name} should be a label file of a known format. Found another; bars belong in "
            "the Bars section."
        )
    layer, series = _whose(store)
    plan = _plan(workspace, path, layer, series)
    _summary(plan)
    _findings(plan)
    _windows(plan)
    st.button(
        "Import",
        type="primary",
        key="labels_import",
        disabled=bool(plan.refused) or plan.summary.already_there,
        on_click=_do_import,
        args=(workspace, path, layer, series),
    )
    if plan.refused:
        st.caption("Refused rows block the import: mend or remove them, and open the file again.")
    elif plan.summary.already_there:
        st.caption("This file was imported before; importing it again would change nothing.")


def _whose(store: LabelStore) -> tuple[str, str | None]:
    """Ask whose labels these are, and in which series raw positions count."""
    left, right = st.columns(2)
    people = [layer for layer in store.layers() if "~" not in layer]
    layer = left.selectbox(
        "Whose labels these are",
        list(dict.fromkeys([state.annotator(), LOCAL, *people])),
        accept_new_options=True,
        key="labels_layer",
        help="Labels go into one person's layer, beside those of others; a new name may be typed.",
    )
    feeds = [item.series_id for item in store.series() if item.kind == "feed"]
    series = right.selectbox(
        "Raw positions count in",
        [NO_SERIES, *feeds],
        key="labels_series",
        help="Only for files without bars whose rows name a raw bar but no series.",
    )
    return layer or state.annotator(), None if series == NO_SERIES else series


def _plan(workspace: Workspace, path: Path, layer: str, series: str | None) -> LabelPlan:
    version = cache.store(workspace.store_url).version()
    return _cached_plan(workspace, path, incoming.file_id(path), layer, series, version)


@st.cache_resource(max_entries=4, show_spinner="Trying the file out")
def _cached_plan(
    workspace: Workspace,
    path: Path,
    file_id: str,
    layer: str,
    series: str | None,
    version: int,
) -> LabelPlan:
    store, bar_store = cache.store(workspace.store_url), cache.bar_store(workspace.bars_dir)
    return plan_labels(path, store, bar_store, layer=layer, series=series)


def _summary(plan: LabelPlan) -> None:
    st.markdown(f"**{plan.title}**, {plan.n_rows:,} rows. Nothing is written before you import.")
    figures = {
        "Ok": (plan.n_ok, "rows that come in as they are"),
        "Repaired": (plan.n_repaired, "rows that needed care, such as one that repeats another"),
        "Refused": (plan.n_refused, "rows that break a rule or contradict another; they block"),
        "Windows": (len(plan.windows), f"{plan.summary.n_new_windows:,} of them are new here"),
        "New spans": (plan.summary.n_new_spans, "spans that the layer does not hold yet"),
        "Alone": (plan.n_cold, "windows in no imported bars: their features start cold"),
    }
    for column, (name, (value, help_text)) in zip(
        st.columns(len(figures)), figures.items(), strict=True
    ):
        column.metric(name, f"{value:,}", help=help_text)


def _findings(plan: LabelPlan) -> None:
    """List contradictions first, then other refusals and repairs."""
    others = [row for row in plan.refused if row.against is None]
    if plan.contradictions:
        n_found = len(plan.contradictions)
        st.markdown(f":red[:material/sync_problem: **Contradictions** ({n_found:,})]")
        shown = plan.contradictions[:TABLE_ROWS]
        against = [f"row {row.against}" if row.against else "the store" for row in shown]
        table = {"row": [row.row for row in shown], "against": against}
        st.dataframe(
            pd.DataFrame(table).assign(what=[row.reason for row in shown]), hide_index=True
        )
    if others:
        st.markdown(f":red[:material/block: **Refused** ({len(others)})]")
        rows = [{"row": row.row, "why": row.reason} for row in others[:TABLE_ROWS]]
        st.dataframe(pd.DataFrame(rows), hide_index=True)
    if plan.repaired:
        with st.expander(f"Repaired or told ({len(plan.repaired):,})"):
            st.dataframe(pd.DataFrame({"what": plan.repaired[:TABLE_ROWS]}), hide_index=True)


def _windows(plan: LabelPlan) -> None:
    if sentence := shift_sentence(plan.windows):
        st.warning(f"{sentence}.", icon=":material/swap_horiz:")
    with st.expander(f"Windows and where they lie ({len(plan.windows):,})", expanded=True):
        st.dataframe(
            pd.DataFrame([_row(window) for window in plan.windows[:TABLE_ROWS]]),
            hide_index=True,
            height=280,
        )


def _row(window: PlacedWindow) -> dict[str, object]:
    record = window.record
    return {
        "window": window.names[0] if window.names else window.window_uid,
        "lies in": "alone" if window.place.is_alone else window.place.series_id,
        "from bar": window.place.bar_start,
        "shift": str(window.shift) if window.shift and window.shift.bars else "",
        "spans": len(record.spans),
        "decision": record.state or ("verified" if record.spans else "none"),
        "reason": record.reason or "",
        "note": record.note,
    }


def _do_import(workspace: Workspace, path: Path, layer: str, series: str | None) -> None:
    with state.reporting():
        report = import_labels(
            path,
            cache.store(workspace.store_url),
            cache.bar_store(workspace.bars_dir),
            layer=layer,
            series=series,
        )
        _done(f"{path.name}: {report}")


def _do_restore(path: Path, store: LabelStore) -> None:
    with state.reporting():
        _done(f"{path.name}: {restore_log(path, store)}")


def _done(text: str) -> None:
    st.session_state[DONE] = text
    st.session_state[N_DONE] = st.session_state.get(N_DONE, 0) + 1
