"""The Loss shares page of one run: it follows the run while it is live."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any

import streamlit as st

from moola import diagnostics, figures, judging
from moola.advice import Advice, Badge
from moola.evaluate import SCORED_GOALS
from moola.judgement import Code
from moola.runs import RunFolder, RunStatus
from moola.schema import TASK_NAMES
from moola.ui import components, run_parts, state
from moola.ui.picker import Tone

EpochRow = dict[str, Any]

TICK_S = 1.0
REDRAW_S = 3.0
"""A changed figure is drawn anew and blinks: with epochs of less than a second, not every time."""


def monitor(run: RunFolder) -> None:
    """Draw the run; look for news every second while any run is live.

    A figure is made of the epochs alone, so without a new epoch it is identical and the browser
    keeps it; what changes with the clock stands in texts.
    """
    before = run_parts.watch()

    @st.fragment(run_every=TICK_S if before.is_needed else None)
    def body() -> None:
        if run_parts.watch() != before:
            st.rerun()  # one full run redraws the list and ends the timer when nothing is live
        with components.problems():
            _draw(run, run.status())

    body()


def _draw(run: RunFolder, status: RunStatus) -> None:
    _header(run, status)
    history = run.history()
    epochs = status.epochs or (history[-1]["epoch"] if history else 1)
    if history:
        _verdicts(run, history)
    shown = _due(run, history, is_live=status.is_live)
    rows = diagnostics.thinned(shown)
    left, right = st.columns(2, gap="medium")
    with left:
        components.chart(figures.loss_shares(rows, epochs=epochs), key=f"shares_loss_{run.id}")
    with right:
        components.chart(figures.gradient_shares(rows, epochs=epochs), key=f"shares_grad_{run.id}")
    if shown:
        _metrics(shown)
        left, right = st.columns(2, gap="medium")
        with left:
            components.chart(figures.skill(rows, epochs=epochs), key=f"shares_skill_{run.id}")
        with right:
            components.chart(figures.raw_losses(rows, epochs=epochs), key=f"shares_raw_{run.id}")
    with st.expander("Log", expanded=status.state in ("failed", "crashed")):
        st.code(run.log_tail(20) or "The process has printed nothing yet.", language=None)


def _due(run: RunFolder, history: list[EpochRow], *, is_live: bool) -> list[EpochRow]:
    """Return the rows to draw: all, or those drawn last if that was a moment ago."""
    drawn, n_rows, at = st.session_state.get("shares_drawn", ("", 0, 0.0))
    now = time.monotonic()
    if is_live and drawn == run.id and 0 < n_rows <= len(history) and now - at < REDRAW_S:
        return history[:n_rows]
    if (drawn, n_rows) != (run.id, len(history)):
        st.session_state["shares_drawn"] = (run.id, len(history), now)
    return history


def _header(run: RunFolder, status: RunStatus) -> None:
    with st.container(horizontal=True, vertical_alignment="center"):
        name = f"**{run_parts.name_of(run)}** {run_parts.chip(status)}"
        if status.state == "damaged":
            st.markdown(name, width="content")
        else:
            st.markdown(f"{name} :small[:gray[{_facts(run, status)}]]", width="content")
        st.space("stretch")
        run_parts.controls(run, status, key="shares")
    state.show_notice()
    if status.state in ("failed", "crashed", "damaged"):
        st.error(status.message, icon=":material/error:")
    elif status.message:
        st.caption(status.message)
    if status.state not in ("finished", "damaged"):
        run_parts.progress(run, status)


def _facts(run: RunFolder, status: RunStatus) -> str:
    config, resolved = run.config(), run.resolved()
    facts = [
        f"balance {config.balance}",
        f"seed {config.seed}",
        resolved.get("device", config.device),
    ]
    if "n_train" in resolved:
        facts.append(f"{resolved['n_train']:,} training, {resolved['n_val']:,} held-out windows")
    if config.freeze_encoder:
        facts.append("encoder frozen: the balance hardly changes what is learned")
    if status.is_live and status.heartbeat_age_s is not None:
        facts.append(f"last sign of life {status.heartbeat_age_s:.0f} s ago")
    return " · ".join(facts)


ALERT_WORDS: dict[Code, str] = {
    "DEAD_PATH": "cut off",
    "LOSS_SILENCED": "starved of loss",
    "GRAD_SILENCED": "unheard by the encoder",
    "NOT_LEARNING": "not learning",
    "REGRESSING": "getting worse",
    "OUT_OF_BAND": "out of band",
    "OVERRULED": "overruled",
    "HEAD_ONLY": "learning in the head alone",
}
BADGE_TONES: dict[Badge, Tone] = {
    "DEAD_PATH": "bad",
    "SILENCED": "bad",
    "STARVED": "bad",
    "HEAD_ONLY": "warn",
    "LOW_SKILL": "warn",
    "OK": "good",
}


def _verdicts(run: RunFolder, history: Sequence[Mapping[str, Any]]) -> None:
    """Say of every task how it fares, then who is silent and why; the rest waits folded up."""
    found_badges, found, blind_spot = judging.judge_run(run, run_parts.runs())
    words = (
        f"{TASK_NAMES[task]} {components.badge(word.replace('_', ' ').lower(), BADGE_TONES[word])}"
        for task, word in found_badges.items()
    )
    st.markdown(" &nbsp; ".join(words))
    silent = [item for item in found if item.alert.level == "error"]
    for task in dict.fromkeys(item.alert.task for item in silent):
        _silence([item for item in silent if item.alert.task == task])
    rest = [_as_note(item) for item in found if item.alert.level != "error"]
    notes = [*rest, *([blind_spot] if blind_spot else [])]
    if notes:
        with st.expander(f"More about this run: {components.counted(len(notes), 'note')}"):
            st.markdown("\n".join(f"- {note}" for note in notes))
    share = history[-1].get("loss_share") or {}
    if "ptr" not in share:
        return
    low, high = figures.POINTER_BAND
    inside = low <= share["ptr"] <= high
    band = components.badge(
        "in the band" if inside else "outside the band", "good" if inside else "warn"
    )
    rest = "" if silent else "No task is silent. "
    shares = ", ".join(f"{TASK_NAMES[task]} {value:.0%}" for task, value in share.items())
    st.markdown(
        f":small[{rest}Pointers take {share['ptr']:.0%} of the loss {band} "
        f"at epoch {history[-1]['epoch']} ({shares}).]"
    )


def _silence(of_task: Sequence[Advice]) -> None:
    """Draw what, since when, on what evidence, the likely cause, and what to try in order."""
    first = of_task[0]
    since = min(item.alert.since_epoch for item in of_task)
    evidence = "; ".join(item.alert.evidence for item in of_task)
    st.error(
        f"**{TASK_NAMES[first.alert.task]} {ALERT_WORDS[first.alert.code]} since epoch {since}.** "
        f"{evidence[:1].upper()}{evidence[1:]}. {first.cause}{_tries(first)}",
        icon=":material/volume_off:",
    )


def _as_note(advice: Advice) -> str:
    alert = advice.alert
    return (
        f"**{TASK_NAMES[alert.task]} {ALERT_WORDS[alert.code]}** since epoch {alert.since_epoch}: "
        f"{alert.evidence}. {advice.cause}{_tries(advice)}"
    )


def _tries(advice: Advice) -> str:
    """Return the actions in their order, as the end of a paragraph."""
    steps = (f"{i}. {action.text}." for i, action in enumerate(advice.actions, start=1))
    return " → " + " ".join(steps) if advice.actions else ""


def _metrics(history: Sequence[Mapping[str, Any]]) -> None:
    """One tile per metric: its newest value, its target, its course."""
    for column, goal in zip(st.columns(len(SCORED_GOALS)), SCORED_GOALS, strict=True):
        values = diagnostics.series_of(history, goal.key)
        if not values.size:
            continue
        newest = float(values[-1])
        column.metric(
            goal.name,
            goal.line().show(newest),
            delta=f"target {goal.target}",
            delta_color="green" if goal.verdict(newest, newest) == "met" else "gray",
            delta_arrow="off",
            chart_data=values.tolist() if len(values) > 1 else None,
            border=True,
        )
