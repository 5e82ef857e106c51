"""A closer look at one epoch: which windows got worse, at which task, and the way to each."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from moola import worse_windows
from moola.runs import RunFolder
from moola.schema import TASK_NAMES, Task
from moola.ui import run_charts, state
from moola.ui.review import result
from moola.window_losses import WINDOW_LOSSES_FILE, WindowLosses

N_SHOWN = 200
ALL_TASKS = "all tasks"


def draw(run: RunFolder) -> None:
    """Draw the worst changes of the chosen epoch; a click in a chart above chooses one."""
    path = run.path / WINDOW_LOSSES_FILE
    losses = _read(run.id, path.stat().st_mtime_ns, run) if path.exists() else None
    if losses is None or len(losses.epoch) < 2:
        return
    with st.expander("Look closer: which windows got worse", expanded=_is_asked()):
        _table(run, losses)


def _is_asked() -> bool:
    return st.session_state.get(run_charts.EPOCH) is not None


@st.cache_resource(max_entries=2, show_spinner=False)
def _read(run_id: str, version: int, _run: RunFolder) -> WindowLosses | None:
    return _run.window_losses()


def _table(run: RunFolder, losses: WindowLosses) -> None:
    recorded = losses.epoch.tolist()
    chosen = st.session_state.get(run_charts.EPOCH) or recorded[-1]
    step = worse_windows.step_to(losses, chosen)
    if step is None:
        return
    with st.container(horizontal=True, vertical_alignment="bottom"):
        st.session_state["shares_closer_epoch"] = step.after

        def take() -> None:
            st.session_state[run_charts.EPOCH] = st.session_state["shares_closer_epoch"]

        st.selectbox(
            "Epoch", recorded[1:][::-1], key="shares_closer_epoch", on_change=take, width=140,
            help="Or click an epoch in a chart. Losses are kept for at most 60 epochs",
        )  # fmt: skip
        tasks = worse_windows.tasks_of(losses)
        names: dict[str, str] = {ALL_TASKS: ALL_TASKS, **{t: TASK_NAMES[t] for t in tasks}}
        task = st.segmented_control(
            "Sort by", list(names), format_func=lambda name: names[name], default=ALL_TASKS,
            key="shares_closer_task", required=True,
        )  # fmt: skip
        held_out = st.toggle("Held-out windows only", value=True, key="shares_closer_val")
    st.caption(
        f"From epoch {step.before} to {step.after}, without dropout. "
        f"{worse_windows.sentence(losses, step)}"
    )
    table = worse_windows.worse_windows(
        losses, step, task=None if task == ALL_TASKS else task, held_out_only=held_out
    )
    _rows(run, table.head(N_SHOWN), tasks)


def _rows(run: RunFolder, table: pd.DataFrame, tasks: list[Task]) -> None:
    names = result.names_of(state.workspace())
    shown = pd.DataFrame(
        {
            "Window": [names.get(uid, uid) for uid in table["window_uid"]],
            "Split": table["split"],
            "Change": table["change"],
        }
    )
    formats = {"Change": st.column_config.NumberColumn(format="%+.2f", help=CHANGE_HELP)}
    for task in tasks:
        name = TASK_NAMES[task]
        shown[f"{name} before"] = table[f"{task}_before"]
        shown[name] = table[task]
        for column in (f"{name} before", name):
            formats[column] = st.column_config.NumberColumn(format="%.4f")
    picked = st.dataframe(
        shown.reset_index(drop=True), hide_index=True, height=280, column_config=formats,
        on_select="rerun", selection_mode="single-row", key="shares_closer_rows",
    )  # fmt: skip
    rows = picked["selection"]["rows"]
    uid = str(table["window_uid"].iloc[rows[0]]) if rows and rows[0] < len(table) else None
    with st.container(horizontal=True):
        if st.button("Open on Review", disabled=uid is None, key="shares_closer_review"):
            st.session_state["review_window"] = uid
            st.switch_page("pages/review.py", query_params={"run": run.id})
        if st.button("Open for labelling", disabled=uid is None, key="shares_closer_label"):
            st.switch_page("pages/windows.py", query_params={"window": uid or ""})


CHANGE_HELP = (
    "Mean over the tasks of the change of the loss, each as a multiple of that task's mean loss "
    "before: +1 has doubled it"
)
