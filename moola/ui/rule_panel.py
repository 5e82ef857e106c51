"""The written rule beside the chart, and the dialog that puts a new version in force."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

import streamlit as st

from moola.desk import rulebook
from moola.exceptions import MoolaError
from moola.rules import Limits, Rule, next_version
from moola.schema import SPAN_TYPES
from moola.store import LabelStore
from moola.ui import components, state

NUMBERS = {
    "move_atr_min": ("Least net move in ATR", float),
    "body_share_min": ("Least share of the body", float),
    "bars_min": ("Fewest bars", int),
    "bars_max": ("Most bars", int),
    "start_late_bars": ("Extreme after the first bar, at most (bars)", int),
    "end_late_bars": ("Bars after the furthest close, at most", int),
    "atr_bars": ("Bars of the ATR", int),
}
HELP = {item.name: item.metadata["help"] for item in fields(Limits)}


def draw(store: LabelStore, annotator: str) -> None:
    """Draw the rule in force and the way to change it."""
    rule = rulebook.current_rule(store)
    with st.expander(f"The rule ({rule.rule_version})", icon=":material/rule:"):
        st.markdown(rule.text_md)
        st.markdown(limits_text(rule.params))
        if st.button("Change the rule…", key="windows_rule_edit", icon=":material/edit:"):
            edit(store, annotator)


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


@st.dialog("A new version of the rule", width="large")
def edit(store: LabelStore, annotator: str) -> None:
    """Edit words and limits, see what they would break, and put them in force."""
    old = rulebook.current_rule(store)
    text = st.text_area("In words", old.text_md, height=220, key="rule_text")
    params = _limits_form(old.params)
    version = st.text_input("Version", next_version(old.rule_version), key="rule_version")
    try:
        rule = Rule(rule_version=version.strip(), text_md=text, params=params)
        broken = rulebook.newly_broken(store, state.workspace().bars_dir, rule)
    except MoolaError as error:
        st.error(str(error), icon=":material/error:")
        return
    st.markdown(_consequence(len(broken)))
    if st.button("Put it in force", key="rule_save", type="primary"):
        _save(store, rule, annotator)


def _save(store: LabelStore, rule: Rule, annotator: str) -> None:
    with components.problems():
        n_broken = rulebook.write_rule(
            store, state.workspace().bars_dir, rule, author=annotator, op_id=state.new_op()
        )
        state.say(f"Rule {rule.rule_version} is in force; {_labels(n_broken)} to look at again")
        st.rerun()


def _consequence(n_broken: int) -> str:
    if not n_broken:
        return "No label breaks more of it than of the rule in force."
    return (
        f"**{_labels(n_broken)}** would break it and become stale: nothing is deleted, and only "
        "these come back, in the queue Stale."
    )


def _labels(number: int) -> str:
    return components.counted(number, "label")


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
