"""The Loss shares page of one run: it follows the run while it is live."""

from __future__ import annotations

import streamlit as st

from moola.run_book import Judgement
from moola.run_news import News, news_of
from moola.runs import RunFolder, RunStatus
from moola.ui import (
    components,
    live,
    run_charts,
    run_closer,
    run_controls,
    run_parts,
    run_restart,
    run_verdicts,
    state,
)

REDRAW_MS = 60_000
"""Charts and tiles draw new epochs by themselves; the rest, such as the log, may be this old."""


def monitor(run: RunFolder) -> None:
    """Draw the run, and keep what follows it up to date.

    The controls and the list of runs are drawn once per state. Below them is a fragment that runs
    again when the judgement changes: `live` waits for that in the browser. New epochs in between
    are drawn there by `run_charts`.
    """
    before = news_of(run_parts.book(), run.id)
    status = run_parts.book().status(run)
    _header(run, status)
    with components.problems():
        since = run_verdicts.silent_since(_judge(run))
        run_restart.draw_dialog(run, since_epoch=since)

    @st.fragment
    def body() -> None:
        now = news_of(run_parts.book(), run.id)
        if now.states != before.states:
            st.rerun()  # a state changed: the list and the controls with it
        with components.problems():
            _draw(run, now)

    body()


def _draw(run: RunFolder, now: News) -> None:
    book = run_parts.book()
    status = book.status(run)
    live.mount(now, run_id=run.id, key=f"shares_live_{run.id}", redraw_ms=REDRAW_MS)
    if status.state == "damaged":
        return
    history, judged = book.history(run), _judge(run)
    if history.n_rows:
        run_verdicts.draw(run, judged)
    run_charts.draw(run, history)
    run_closer.draw(run)
    with st.expander("Log", expanded=status.state in ("failed", "crashed")):
        st.code(run.log_tail(20) or "The process has printed nothing yet.", language=None)


def _judge(run: RunFolder) -> Judgement:
    return run_parts.book().judge(run)


def _header(run: RunFolder, status: RunStatus) -> None:
    with st.container(horizontal=True, vertical_alignment="center"):
        st.markdown(f"**{run_parts.name_of(run)}** {run_parts.chip(status)}", width="content")
        st.space("stretch")
        run_controls.header(run, status, key="shares")
    if status.state != "damaged":
        with components.problems():
            st.caption(_facts(run))
    state.show_notice()
    if status.state in ("failed", "crashed", "damaged"):
        st.error(status.message, icon=":material/error:")
    elif status.message:
        st.caption(status.message)
    if note := run.about().note:
        st.markdown(f":small[{note}]")


def _facts(run: RunFolder) -> str:
    config, resolved = run_parts.book().config(run), run.resolved()
    facts = [
        f"balance {config.balance}{' with guard' if config.guard else ''}",
        f"seed {config.seed}",
        resolved.get("device", config.device),
    ]
    if "n_train" in resolved:
        facts.append(f"{resolved['n_train']:,} training, {resolved['n_val']:,} held-out windows")
    if config.restart_from:
        facts.append(f"restarted from {config.restart_from}")
    if config.freeze_encoder:
        facts.append("encoder frozen: the balance hardly changes what is learned")
    return " · ".join(facts)
