"""The Windows page's parts: open a window, draw it, decide about it.

Callbacks write to the store at once and leave a message; the page then draws what the store holds.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any, Literal

import streamlit as st

from moola.exceptions import StoreError
from moola.schema import WINDOW_LENGTH, SpanType
from moola.store import LabelStore, Series, WindowRow, WindowView
from moola.ui import cache, components, span_chart, state

CHART = "windows_chart"
DRAFT = "proposal-"
Decision = Literal["accept", "reject", "flag"]
DECIDED = {"accept": "Accepted", "reject": "Rejected", "flag": "Flagged"}


def _store() -> LabelStore:
    return cache.store(state.workspace().store_url)


def open_window(store: LabelStore, queue: Sequence[str]) -> WindowView | None:
    """Return the window to show: the one in the address, the chosen one, or the queue's first."""
    st.session_state["windows_queue"] = list(queue)
    linked = st.query_params.get("window")
    if linked and linked != st.session_state.get("windows_linked"):
        with components.problems():
            state.go_to(store.resolve(linked))
    if state.current_window() is None:
        state.go_to(state.neighbour(0))
    uid = state.current_window()
    if uid is None:
        return None
    st.session_state["windows_linked"] = st.query_params["window"] = uid
    return store.window(uid)


def step(direction: int) -> None:
    """Go to the next or previous window of the queue without a decision."""
    state.clear_notice()
    state.go_to(state.neighbour(direction))


def decide(view: WindowView, decision: Decision, op: str, reason: str = "no_expansion") -> None:
    """Write a decision about `view` and go on to the next window of the queue."""
    store, uid = _store(), view.window_uid
    after = state.neighbour(1)
    with state.reporting():
        rev = state.latest_rev(uid, view.rev)
        if decision == "accept":
            done = store.accept(uid, rev=rev, op_id=op)
        elif decision == "flag":
            done = store.flag(uid, rev=rev, op_id=op)
        else:
            done = store.reject(uid, reason=reason, rev=rev, op_id=op)  # type: ignore[arg-type]
        state.wrote(uid, done.rev)
        text = f"{DECIDED[decision]} {name_of(done)}"
        state.say(text + (f" ({reason.replace('_', ' ')})" if decision == "reject" else ""))
        state.go_to(after)


def reject_for_reason(view: WindowView, op: str) -> None:
    """Reject with the reason picked in the menu."""
    decide(view, "reject", op, st.session_state["windows_reason"])


def undo(op: str) -> None:
    """Take back the last change and show the window it was made in."""
    with state.reporting():
        view = _store().undo(op_id=op)
        if view is None:
            state.say("There is nothing to undo")
            return
        state.wrote(view.window_uid, view.rev)
        state.go_to(view.window_uid)
        state.say(f"Undone in {name_of(view)}")


def edit_span(view: WindowView, event: dict[str, Any]) -> None:
    """Save a drag: a known span moves, a proposal or an empty stretch becomes a new span."""
    st.session_state["windows_ack"] = event.get("op")
    if event.get("id") != view.window_uid:
        return
    key = event.get("key")
    known = next((span for span in view.spans if span.span_id == key), None)
    with state.reporting():
        done = _store().save_span(
            view.window_uid,
            int(event["start"]),
            int(event["end"]),
            rev=state.latest_rev(view.window_uid, int(event["rev"])),
            op_id=str(event["op"]),
            span_id=known.span_id if known else None,
            type=known.type if known else _draft_type(view, key),
        )
        _show_saved(view, done, f"Saved span {event['start']} – {event['end']}")


def set_type(view: WindowView, span_type: SpanType, op: str) -> None:
    """Give the active span its type; a proposal becomes a span by that."""
    rev = state.latest_rev(view.window_uid, view.rev)
    active = active_span(view)
    with state.reporting():
        if active is None:
            raise StoreError("Draw a span first: the type belongs to a span. Found none here.")
        if active.draft:
            done = _store().save_span(
                view.window_uid, active.start, active.end, rev=rev, op_id=op, type=span_type
            )
        else:
            done = _store().set_type(view.window_uid, active.key, span_type, rev=rev, op_id=op)
        _show_saved(view, done, f"Saved type {span_type}")


def delete_span(view: WindowView, op: str) -> None:
    """Remove the active span."""
    active = active_span(view)
    if active is None or active.draft:
        return
    with state.reporting():
        rev = state.latest_rev(view.window_uid, view.rev)
        done = _store().delete_span(view.window_uid, active.key, rev=rev, op_id=op)
        _show_saved(view, done, f"Removed span {active.start} – {active.end}")


def save_note(view: WindowView, op: str) -> None:
    """Save the note as soon as the field is left."""
    with state.reporting():
        note = st.session_state[f"windows_note_{view.window_uid}"]
        rev = state.latest_rev(view.window_uid, view.rev)
        done = _store().set_note(view.window_uid, note, rev=rev, op_id=op)
        state.wrote(done.window_uid, done.rev)
        state.say("Saved note")


def _draft_type(view: WindowView, key: str | None) -> SpanType | None:
    return next((p.type for p in view.proposals if f"{DRAFT}{p.proposal_id}" == key), None)


def _show_saved(before: WindowView, after: WindowView, text: str) -> None:
    """Confirm a span edit and keep the edited span active."""
    state.wrote(after.window_uid, after.rev)
    state.say(f"{text} in {name_of(after)}")
    st.session_state["windows_adding"] = False
    known = {span.span_id for span in before.spans}
    new = [span.span_id for span in after.spans if span.span_id not in known]
    if new:
        st.session_state["windows_span"] = new[0]


def choose_span(key: str | None) -> None:
    """Make another span of the window the editable one."""
    st.session_state["windows_span"] = key


def chart_spans(view: WindowView) -> tuple[span_chart.ChartSpan, ...]:
    """Return what Accept would verify: the labelled spans, and in an open window its proposals.

    A proposed window may already hold spans, drawn through a window that overlaps it.
    """
    drafts = tuple(
        span_chart.ChartSpan(
            key=f"{DRAFT}{p.proposal_id}", start=p.start, end=p.end, type=p.type, draft=True
        )
        for p in view.proposals
        if view.state == "proposed" or (view.state != "rejected" and not view.spans)
    )
    spans = tuple(
        span_chart.ChartSpan(key=s.span_id, start=s.start, end=s.end, type=s.type)
        for s in view.spans
    )
    return drafts + spans


def active_span(view: WindowView) -> span_chart.ChartSpan | None:
    """Return the span that edits apply to: the chosen one, else the first."""
    spans = chart_spans(view)
    chosen = st.session_state.get("windows_span")
    return next((span for span in spans if span.key == chosen), spans[0] if spans else None)


def draw_chart(
    view: WindowView, bars: cache.SeriesBars, series: Series, *, model: span_chart.Outline | None
) -> None:
    """Draw the window with its spans, its proposals and what a model decoded."""
    active = active_span(view)
    drawn = {(span.start, span.end) for span in chart_spans(view)}
    proposals = [
        span_chart.Outline(start=p.start, end=p.end, name="proposal")
        for p in view.proposals
        if (p.start, p.end) not in drawn
    ]
    data = span_chart.ChartData(
        id=view.window_uid,
        label=f"{name_of(view)}, {WINDOW_LENGTH} bars of {series.symbol}",
        bars=span_chart.price_columns(bars.ohlc),
        times=None if bars.times is None else bars.times.tolist(),
        tick=series.tick_size,
        spans=chart_spans(view),
        active=active.key if active else None,
        refs=(*proposals, *([model] if model else [])),
        cut=tuple(_cut(span.start, span.end) for span in view.cut_spans),
        editable=True,
        adding=bool(st.session_state.get("windows_adding")),
        rev=view.rev,
        ack=st.session_state.get("windows_ack"),
    )
    span_chart.mount(
        data,
        key=CHART,
        on_edit=partial(edit_span, view),
        on_pick=lambda event: choose_span(event.get("key")),
    )


def _cut(start: int, end: int) -> dict[str, int]:
    return {"start": max(0, start), "end": min(WINDOW_LENGTH - 1, end)}


def name_of(window: WindowRow) -> str:
    """Return how a reader calls a window: its alias, or its time, or its place in the series."""
    if window.alias:
        return window.alias
    if window.start_ts:
        return f"{window.start_ts:%-d %b %Y %H:%M}"
    return f"{window.series_id} bar {window.bar_start:,}"
