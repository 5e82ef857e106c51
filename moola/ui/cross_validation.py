"""The Fine-tune page's cross-validation: start one with the chosen options, and follow it."""

from __future__ import annotations

from functools import partial
from typing import Any

import streamlit as st

from moola import launching
from moola.config import FinetuneConfig
from moola.exceptions import MoolaError, SchemaError
from moola.extras import require
from moola.runs import RunFolder, RunStatus, create_run, list_runs
from moola.ui import cache, leak_meter, run_controls, run_parts, state
from moola.workspace import Workspace

KIND = "crossval"
N_SHOWN = 3
WHAT = (
    "Trains once for each fold, and predicts every labelled window by a model that never saw its "
    "bars: what Review and its label audit need to speak of all labels."
)


def panel(workspace: Workspace, values: dict[str, Any]) -> None:
    """Draw folds, repeats and the button; below it the newest cross-validations."""
    with st.expander("Cross-validate", icon=":material/grid_view:"):
        st.caption(WHAT)
        may_start = False
        try:
            config = FinetuneConfig.from_dict(values)
            require("balance", config.balance)
            leak_meter.check_all(cache.source_of(workspace, config), config)
            may_start = True
        except SchemaError as error:
            st.error(str(error), icon=":material/error:")
        except MoolaError:
            pass  # the panel above says it
        with st.container(horizontal=True, vertical_alignment="bottom"):
            st.number_input("Folds", 2, 20, 5, key="crossval_folds", width=110)
            st.number_input("Repeats", 1, 10, 1, key="crossval_repeats", width=110)
            st.button(
                "Cross-validate",
                key="crossval_start",
                icon=":material/play_arrow:",
                disabled=not may_start,
                on_click=partial(_start, workspace, values),
            )
        follow(workspace)


def _start(workspace: Workspace, values: dict[str, Any]) -> None:
    with state.reporting():
        n_folds, n_repeats = (st.session_state[f"crossval_{name}"] for name in ("folds", "repeats"))
        run = start(
            workspace, FinetuneConfig.from_dict(values), n_folds=n_folds, n_repeats=n_repeats
        )
        state.say(f"Started {run_parts.name_of(run)}", timed=False)


def start(
    workspace: Workspace, config: FinetuneConfig, *, n_folds: int, n_repeats: int
) -> RunFolder:
    """Make the folder of a cross-validation and launch the process that carries it."""
    run = create_run(workspace.runs_dir, config, name=KIND, kind=KIND)
    run.save_config(config, {"n_folds": n_folds, "n_repeats": n_repeats}, kind=KIND)
    run.write_status(epochs=n_folds * n_repeats)
    launching.launch(run, workspace)
    return run


def follow(workspace: Workspace) -> None:
    """Draw the newest cross-validations, and follow them while one is live."""
    is_live = any(run.status().is_live for run in _newest(workspace))

    @st.fragment(run_every=1.0 if is_live else None)
    def body() -> None:
        found = [(run, run.status()) for run in _newest(workspace)]
        for run, status in found:
            _row(run, status)
        if is_live and not any(status.is_live for _, status in found):
            st.rerun()  # one full run ends the timer

    body()


def _newest(workspace: Workspace) -> list[RunFolder]:
    return list_runs(workspace.runs_dir, kinds=(KIND,))[:N_SHOWN]


def _row(run: RunFolder, status: RunStatus) -> None:
    with st.container(border=True):
        with st.container(horizontal=True, vertical_alignment="center"):
            if status.state == "finished":
                st.page_link(
                    "pages/review.py",
                    label=f"Review **{run_parts.name_of(run)}**",
                    query_params={"run": run.id},
                )
            else:
                st.markdown(f"**{run_parts.name_of(run)}**", width="content")
            st.markdown(run_parts.chip(status), width="content")
            st.space("stretch")
            run_controls.stop_or_resume(run, status, key="crossval")
        if status.is_live:
            done = status.epoch / max(status.epochs, 1)
            st.progress(min(1.0, done), text=f"Fold {status.epoch} of {status.epochs} done")
        elif status.message:
            st.caption(status.message)
