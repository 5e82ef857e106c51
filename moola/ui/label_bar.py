"""Buttons, title and details around the window chart."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from typing import Literal

import streamlit as st

from moola.schema import REJECT_REASONS, SPAN_TYPES
from moola.store import Series, WindowView
from moola.ui import cache, components, labelling, state

COLD_HELP = (
    "This window was imported alone: there are no bars before it, so its features start cold "
    "at bar 0 instead of carrying over from earlier bars."
)


def title(view: WindowView, series: Series, bars: cache.SeriesBars) -> None:
    """Name, state and place of the window in one line."""
    chips = [components.badge(view.state, components.STATE_TONES[view.state])]
    if view.reason:
        chips.append(components.badge(view.reason.replace("_", " "), "none"))
    if series.kind == "window":
        chips.append(components.badge("cold", "warn"))
    facts = " · ".join(_facts(view, series, bars))
    st.markdown(
        f"**{labelling.name_of(view)}** {' '.join(chips)} :small[:gray[{facts}]]",
        help=COLD_HELP if series.kind == "window" else None,
    )


def _facts(view: WindowView, series: Series, bars: cache.SeriesBars) -> list[str]:
    facts = [series.symbol] if series.symbol else []
    if bars.times is None:
        facts.append("no time stamps")
    else:
        first, last = (datetime.fromtimestamp(int(bars.times[i]), UTC) for i in (0, -1))
        facts.append(f"{first:%a %-d %b %Y, %H:%M} – {last:%H:%M} UTC")
    if series.kind == "feed":
        facts.append(f"bars {view.bar_start:,} – {view.bar_start + len(bars.ohlc) - 1:,}")
    if view.updated_at is not None:
        facts.append(f"decided {view.updated_at:%-d %b %Y %H:%M} UTC")
    return facts


def actions(view: WindowView) -> None:
    """Step, decide and type, each with its key; the buttons never change places."""
    op, decide = state.new_op(), partial(labelling.decide, view)
    active = labelling.active_span(view)
    with st.container(horizontal=True, gap="xsmall", key="windows_actions"):
        _button("Previous", "Left", partial(labelling.step, -1))
        _button("Next", "Right", partial(labelling.step, 1))
        _button("Accept", "A", partial(decide, "accept", op), type="primary")
        _button("Reject", "X", partial(decide, "reject", op), help="No expansion here")
        st.menu_button(
            "Reject for…",
            REJECT_REASONS[1:],
            format_func=lambda reason: reason.replace("_", " "),
            key="windows_reason",
            on_click=labelling.reject_for_reason,
            args=(view, op),
        )
        _button("Flag", "F", partial(decide, "flag", op), help="Keep it for a second look")
        _button("Undo", "U", partial(labelling.undo, op), help="Take back the last change")
        st.space("stretch")
        for number, span_type in enumerate(SPAN_TYPES, start=1):
            is_set = active is not None and active.type == span_type
            _button(
                span_type.capitalize(),
                str(number),
                partial(labelling.set_type, view, span_type, op),
                icon=f":material/radio_button_{'checked' if is_set else 'unchecked'}:",
                help="The market before the expansion",
            )


def _button(
    label: str,
    shortcut: str,
    on_click: Callable[[], None],
    *,
    type: Literal["primary", "secondary"] = "secondary",
    icon: str | None = None,
    help: str | None = None,
) -> None:
    st.button(
        label,
        key=f"windows_{label.lower().replace(' ', '_')}",
        shortcut=shortcut,
        on_click=on_click,
        type=type,
        icon=icon,
        help=help,
    )


def details(view: WindowView) -> None:
    """The window's spans, drawing another one, and the note."""
    spans, active = labelling.chart_spans(view), labelling.active_span(view)
    op = state.new_op()
    with st.container(horizontal=True, gap="xsmall", vertical_alignment="bottom"):
        for number, span in enumerate(spans if len(spans) > 1 else ()):
            st.button(
                f"{span.start} – {span.end} {span.type or ''}",
                key=f"windows_span_{number}",
                icon=":material/check:" if active and span.key == active.key else None,
                on_click=labelling.choose_span,
                args=(span.key,),
            )
        if spans:
            st.toggle("Draw another span", key="windows_adding", help="The next drag draws it")
        if active and not active.draft:
            _button("Remove span", "D", partial(labelling.delete_span, view, op))
        st.text_input(
            "Note",
            value=view.note,
            key=f"windows_note_{view.window_uid}",
            placeholder="Note: anything worth remembering about this window",
            label_visibility="collapsed",
            on_change=labelling.save_note,
            args=(view, op),
        )
