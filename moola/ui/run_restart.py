"""Start a run that takes another one up: by the dialog, or by the cure of an alert."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import fields, replace
from functools import partial
from typing import Any

import streamlit as st

from moola import launching
from moola.config import BALANCES, FinetuneConfig
from moola.cures import cure
from moola.exceptions import MoolaError
from moola.extras import require_extras
from moola.restarting import checkpoint_epochs, nearest_checkpoint, restart_config
from moola.runs import RunFolder
from moola.ui import components, run_controls, run_form, run_parts, state

DOUBLE_CLICK_S = 3.0
OFFERED = ("epochs", "lr", "guard", "countdown", "on_silence")
"""Options of the dialog beside the balance; data and model stay those of the run."""


def draw_dialog(run: RunFolder, *, since_epoch: int | None) -> None:
    """Draw the dialog if it is open for this run.

    Parameters
    ----------
    since_epoch
        First epoch of the silence that is reported: the epoch before it is proposed.
    """
    if st.session_state.get(run_controls.DIALOG) == ("restart", run.id):
        title = "Restart under another strategy"
        st.dialog(title, on_dismiss=run_controls.close_dialog)(_dialog)(run, since_epoch)


def _dialog(run: RunFolder, since_epoch: int | None) -> None:
    kept = checkpoint_epochs(run)
    if not kept:
        st.info("This run keeps no checkpoint to restart from.")
        return
    before = nearest_checkpoint(run, since_epoch - 1) if since_epoch else None
    proposed = before or kept[-1]
    st.selectbox(
        "From the end of epoch",
        kept[::-1],
        index=kept[::-1].index(proposed),
        key="restart_epoch",
        help="Epochs of which a checkpoint is kept"
        + (f"; the silence began in epoch {since_epoch}" if since_epoch else ""),
    )
    config = run.config()
    st.selectbox(
        "Loss balance",
        BALANCES,
        index=_at(config.balance),
        format_func=run_form.choice,
        key="restart_balance",
    )
    st.caption(run_form.BALANCE_HELP.get(st.session_state["restart_balance"], ""))
    # from the end of the plan on, as long again
    n_epochs = config.epochs if proposed < config.epochs else proposed + config.epochs
    planned = replace(config, epochs=n_epochs)
    left, right = st.columns(2)
    for i, name in enumerate(OFFERED):
        with (left, right)[i % 2]:
            _option(name, getattr(planned, name))
    st.text_input("Name", key="restart_name", placeholder="Name of the new run (optional)")
    problem = _problem(run)
    if problem:
        st.error(problem)
    if st.button("Start", type="primary", key="restart_start", disabled=bool(problem)):
        _start_chosen(run)
        st.rerun()
    st.caption("Data and model stay those of the run. A live run is stopped first.")


def _at(balance: str) -> int:
    return list(BALANCES).index(balance) if balance in BALANCES else 0


def _option(name: str, value: Any) -> None:
    help_text = next(f.metadata["help"] for f in fields(FinetuneConfig) if f.name == name)
    shared: dict[str, Any] = {
        "label": run_form.LABELS.get(name, name.replace("_", " ").capitalize()),
        "key": f"restart_{name}",
        "help": help_text.replace("%%", "%"),
    }
    choices = FinetuneConfig.choices().get(name)
    if choices:
        st.selectbox(options=choices, index=choices.index(value), **shared)
    elif isinstance(value, bool):
        st.toggle(value=value, **shared)
    elif isinstance(value, int):
        st.number_input(min_value=1, value=value, step=1, **shared)
    else:
        st.number_input(min_value=0.0, value=value, step=value / 2, format="%.4g", **shared)


def _chosen(run: RunFolder) -> FinetuneConfig:
    names = ("balance", *OFFERED)
    changes = {name: st.session_state[f"restart_{name}"] for name in names}
    config = restart_config(run, st.session_state["restart_epoch"], **changes)
    require_extras(config)
    return config


def _problem(run: RunFolder) -> str:
    try:
        _chosen(run)
    except MoolaError as error:
        return str(error)
    return ""


def _start_chosen(run: RunFolder) -> None:
    run_controls.close_dialog()
    with state.reporting():
        _begin(run, _chosen(run), name=st.session_state.get("restart_name") or None)


def _begin(run: RunFolder, config: FinetuneConfig, *, name: str | None = None) -> None:
    """Start a run in place of another, which is stopped if it is live, and look at the new one."""
    before, at = st.session_state.get("shares_started", (None, 0.0))
    if before == config and time.monotonic() - at < DOUBLE_CLICK_S:
        return
    st.session_state["shares_started"] = (config, time.monotonic())
    if run.status().is_live:
        launching.stop_run(run)
    new = launching.start_run(state.workspace(), config, name=name)
    st.session_state["shares_run"] = new.id
    state.say(f"Started {run_parts.name_of(new)}", timed=False)


def action_button(
    run: RunFolder, text: str, options: Mapping[str, Any], *, since_epoch: int, key: str
) -> None:
    """Draw a button that starts exactly this cure."""
    with components.problems():
        found = cure(run, options, since_epoch=since_epoch)
        is_live = run_parts.book().status(run).is_live
        words = f"{'Stop. ' if is_live else ''}{found.where}: {text[:1].lower()}{text[1:]}"
        if st.button(
            words,
            key=key,
            icon=":material/restart_alt:",
            on_click=partial(_cure, run, options, since_epoch),
        ):
            st.rerun()  # the whole page: another run is looked at now


def _cure(run: RunFolder, options: Mapping[str, Any], since_epoch: int) -> None:
    with state.reporting():
        _begin(run, cure(run, options, since_epoch=since_epoch).config)
