"""Who is silent in a run, since when, on what evidence, why, and the cures as buttons."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from moola.advice import BADGE_TONES, Advice
from moola.alerts import Code
from moola.run_book import Judgement
from moola.runs import RunFolder
from moola.schema import TASK_NAMES, TASKS
from moola.ui import components, run_parts, run_restart

ALERT_WORDS: dict[Code, str] = {
    "DEAD_PATH": "cut off",
    "LOSS_SILENCED": "starved of loss",
    "GRAD_SILENCED": "unheard by the encoder",
    "NOT_LEARNING": "not learning",
    "REGRESSING": "getting worse",
    "OUT_OF_BAND": "out of band",
    "OVERRULED": "overruled",
    "DEAD_HEAD": "dead",
    "CONSTANT_OUTPUT": "says the same of every window",
    "SQUEEZED": "squeezed as by two sigmoids",
    "HEAD_ONLY": "learning in the head alone",
}


def draw(run: RunFolder, judged: Judgement) -> None:
    """Say of every task how it fares, then what is wrong and why; the rest waits folded up."""
    silent = [item for item in judged.advice if item.alert.level == "error"]
    drifted = [] if silent else _drifted(judged.advice)
    st.markdown(_badges(judged) + ("" if silent else " &nbsp; :small[No task is silent.]"))
    if judged.data_alert:
        st.warning(judged.data_alert, icon=":material/grid_off:")
    if silent:
        tasks = dict.fromkeys(item.alert.task for item in silent)
        told = (_silence([item for item in silent if item.alert.task == task]) for task in tasks)
        st.error("\n\n".join(told), icon=":material/volume_off:")
        _cures(run, silent)
    if drifted:
        st.warning(_drift(drifted), icon=":material/swap_vert:")
        _cures(run, drifted)
    is_frozen = run_parts.book().config(run).freeze_encoder
    if is_frozen:
        st.info(judged.blind_spot, icon=":material/ac_unit:")
    notes = [_as_note(item) for item in judged.advice if item not in (*silent, *drifted)]
    if judged.blind_spot and not is_frozen:
        notes.append(judged.blind_spot)
    if notes:
        with st.expander(f"More about this run: {components.counted(len(notes), 'note')}"):
            st.markdown("\n".join(f"- {note}" for note in notes))


def _drifted(advice: Sequence[Advice]) -> list[Advice]:
    """Return the tasks out of their band, if one of them has been so for long."""
    found = [item for item in advice if item.alert.code == "OUT_OF_BAND"]
    found.sort(key=lambda item: TASKS.index(item.alert.task))
    return found if any(item.alert.level == "warn" for item in found) else []


def silent_since(judged: Judgement) -> int | None:
    """Return the first epoch of the earliest silence that lasts."""
    epochs = [item.alert.since_epoch for item in judged.advice if item.alert.level == "error"]
    return min(epochs, default=None)


def _badges(judged: Judgement) -> str:
    words = (
        f"{TASK_NAMES[task]} {components.badge(word.replace('_', ' ').lower(), BADGE_TONES[word])}"
        for task, word in judged.badges.items()
    )
    return " &nbsp; ".join(words)


def _silence(of_task: Sequence[Advice]) -> str:
    """Return what, since when, on what evidence, the likely cause, and what to try in order."""
    first = of_task[0]
    task, code = first.alert.task, first.alert.code
    evidence = "; ".join(item.alert.evidence for item in of_task)
    return (
        f"**{TASK_NAMES[task]} {ALERT_WORDS[code]} since epoch {_since(of_task)}.** "
        f"{evidence[:1].upper()}{evidence[1:]}. {_why(first)}"
    )


def _drift(drifted: Sequence[Advice]) -> str:
    """Return which tasks have left their band, how far, and why."""
    names = " and ".join(TASK_NAMES[item.alert.task] for item in drifted)
    evidence = "; ".join(
        f"{TASK_NAMES[item.alert.task]}: {item.alert.evidence} since epoch {item.alert.since_epoch}"
        for item in drifted
    )
    return f"**{names} out of band.** {evidence}. {_why(drifted[0])}"


def _why(advice: Advice) -> str:
    """Return the likely cause, and what to try in order."""
    words = " ".join(f"{i}. {action.text}." for i, action in enumerate(advice.actions, start=1))
    return f"**Why:** {advice.cause}" + (f" **Try:** {words}" if words else "")


def _since(advice: Sequence[Advice]) -> int:
    return min(item.alert.since_epoch for item in advice)


def _cures(run: RunFolder, silent: Sequence[Advice]) -> None:
    """Draw a button for every cure that is options of a run, in order, each once."""
    cures = {
        repr(sorted(action.options.items())): (action, item)
        for item in reversed(silent)
        for action in reversed(item.actions)
        if action.options
    }
    if not cures:
        return
    with st.container(horizontal=True, gap="small"):
        for options, (action, item) in reversed(cures.items()):
            of_task = [other for other in silent if other.alert.task == item.alert.task]
            run_restart.action_button(
                run,
                action.text,
                action.options,
                since_epoch=_since(of_task),
                key=f"shares_cure_{run.id}_{options}",
            )


def _as_note(advice: Advice) -> str:
    alert = advice.alert
    steps = " ".join(f"{i}. {action.text}." for i, action in enumerate(advice.actions, start=1))
    return (
        f"**{TASK_NAMES[alert.task]} {ALERT_WORDS[alert.code]}** since epoch {alert.since_epoch}: "
        f"{alert.evidence}. {advice.cause}{' → ' + steps if steps else ''}"
    )
