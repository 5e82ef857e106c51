"""The written rule beside the chart, and the dialog that puts a new version in force."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

import streamlit as st

from moola import ruling
from moola.bars import BarStore
from moola.exceptions import MoolaError
from moola.rules import Limits, Rule, check_rule, next_version
from moola.schema import SPAN_TYPES
from moola.store import LabelStore
from moola.ui import cache, components, state

NUMBERS = {
    "move_atr_min": ("Least net move in ATR", float),
    "body_share_min": ("Least share of the body", float),
    "bars_min": ("Fewest bars", int),
    "bars_max": ("Most bars", int),
    "start_late_bars": ("Extreme after the first bar, at most (bars)", int),
    "end_late_bars": ("Bars after the furthest close, at most", int),
    "atr_bars": ("Bars of the ATR", int),
}
OPEN = "windows_rule_open"
"""Whether the dialog is open: a run of the whole page must not shut it."""
HELP = {item.name: item.metadata["help"] for item in fields(Limits)}


def draw(store: LabelStore, annotator: str) -> None:
    """Draw the rule in force and the way to change it."""
    rule = ruling.current_rule(store)
    with st.expander(f"The rule ({rule.rule_version})", icon=":material/rule:"):
        st.markdown(rule.text_md)
        st.markdown(limits_text(rule.params))
        st.button(
            "Change the rule…", key="windows_rule_edit", icon=":material/edit:", on_click=_open
        )
    if st.session_state.get(OPEN):
        edit(store, annotator)


def _open() -> None:
    st.session_state[OPEN] = True


def _close() -> None:
    st.session_state[OPEN] = False


def limits_text(params: dict[str, Any]) -> str:
    """Return what spans are held against, one limit a line."""
    if not params:
        return ":small[:gray[No limit is checked.]]"
    lines = [f"- {HELP[name]}: **{_shown(value)}**" for name, value in params.items()]
    return "\n".join(["Checked on every span:", *lines])


def _shown(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return ", ".join(value) if isinstance(value, list | tuple) else f"{value:g}"


@st.dialog("A new version of the rule", width="large", on_dismiss=_close)
def edit(store: LabelStore, annotator: str) -> None:
    """Edit words and limits, see what they would break, and put them in force."""
    old = ruling.current_rule(store)
    text = st.text_area("In words", old.text_md, height=220, key="rule_text")
    params = _limits_form(old.params)
    version = st.text_input("Version", next_version(old.rule_version), key="rule_version")
    rule = Rule(rule_version=version.strip(), text_md=text, params=params)
    try:
        found = ruling.impact(store, _bars(), check_rule(rule).limits)
    except MoolaError as error:
        st.error(str(error), icon=":material/error:")
        return
    st.markdown(f"{found} Nothing is deleted: those windows come back in the queue Stale.")
    if st.button("Put it in force", key="rule_save", type="primary"):
        _save(store, rule, annotator)


def _save(store: LabelStore, rule: Rule, annotator: str) -> None:
    with components.problems():
        found = ruling.publish(store, _bars(), rule, author=annotator, op_id=state.new_op())
        _close()
        again = components.counted(len(found.stale), "decision")
        state.say(f"Rule {rule.rule_version} is in force; {again} to look at again")
        st.rerun()


def _bars() -> BarStore:
    return cache.bar_store(state.workspace().bars_dir)


def _limits_form(params: dict[str, Any]) -> dict[str, Any]:
    """Draw one field a limit; an empty one is not checked."""
    chosen: dict[str, Any] = {}
    columns = st.columns(3)
    for place, (name, (label, kind)) in enumerate(NUMBERS.items()):
        value = params.get(name)
        with columns[place % 3]:
            chosen[name] = st.number_input(
                label,
                value=None if value is None else kind(value),
                step=1 if kind is int else 0.1,
                placeholder="not checked",
                help=HELP[name],
                key=f"rule_{name}",
            )
    chosen["same_direction"] = st.checkbox(
        "Direction must be that of the net move",
        bool(params.get("same_direction")),
        key="rule_same_direction",
    )
    chosen["types"] = st.multiselect(
        "Types that the rule knows", SPAN_TYPES, params.get("types") or [], key="rule_types"
    )
    return {name: value for name, value in chosen.items() if value not in (None, [])}
