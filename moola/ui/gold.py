"""What an adjudicator does to a disputed window, each act one event in the gold layer.

Callbacks write at once and leave a message; the page then draws what the store holds.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal
from uuid import uuid4

import numpy as np
import streamlit as st
from numpy.typing import NDArray

from moola import rules, second_look
from moola.desk import name_of
from moola.schema import Span, SpanType
from moola.second_look import GOLD, Marked
from moola.store import Decision, StoredSpan, WindowView
from moola.store.records import DecisionKind
from moola.ui import cache, state

WINDOW, QUEUE = "agreement_window", "agreement_queue"
SPAN, ADDING, ACK, REASON = (f"agreement_{name}" for name in ("span", "adding", "ack", "reason"))


def active_span(view: WindowView) -> StoredSpan | None:
    """Return the gold span that keys and buttons act on."""
    last = view.spans[-1] if view.spans else None
    return next((span for span in view.spans if span.span_id == st.session_state.get(SPAN)), last)


def choose_span(key: str | None) -> None:
    """Let keys and buttons act on a span."""
    st.session_state[SPAN] = key


def go_to(window_uid: str) -> None:
    """Show another window; a message belongs to the one it was made in."""
    state.clear_notice()
    _show(window_uid)


def step(direction: int) -> None:
    """Go to the next or previous window of the list without a decision."""
    ids, current = _queue()
    if ids:
        at = ids.index(current) if current in ids else 0
        go_to(ids[max(0, min(len(ids) - 1, at + direction))])


def take(view: WindowView, layer: str, letter: str) -> None:
    """Make one person's version gold and go on to the next window."""
    said = f"Took {letter}, which was {layer}, in {name_of(view)}"
    if _write(view, "adopt", {"layer": layer}, said=said):
        _go_on(view.window_uid)


def reject(view: WindowView) -> None:
    """Reject for the reason picked in the menu and go on to the next window."""
    reason = st.session_state[REASON]
    said = f"Rejected {name_of(view)} ({reason.replace('_', ' ')})"
    if _write(view, "reject", {"reason": reason}, said=said):
        _go_on(view.window_uid)


def edit(
    view: WindowView,
    versions: Sequence[Marked],
    ohlc: NDArray[np.float64],
    event: dict[str, Any],
) -> None:
    """Save a drag: a gold span moves, an empty stretch becomes a new one.

    A new span has the type of the version's span that it shares most bars with, and the direction
    of its own net move.
    """
    st.session_state[ACK] = event.get("op")
    if event.get("id") != view.window_uid:
        return
    start, end, op = int(event["start"]), int(event["end"]), str(event["op"])
    if event.get("key") in {span.span_id for span in view.spans}:
        args: dict[str, Any] = {"span_id": event["key"], "new": False}
    else:
        rises = rules.measure(ohlc, start, end).sign[0] > 0
        args = {
            "span_id": uuid4().hex[:16],
            "new": True,
            "type": _nearest(start, end, versions),
            "direction": "up" if rises else "down",
        }
    args |= {"start": start, "end": end}
    if _write(view, "save_span", args, op=op, said=f"Saved gold span {start} – {end}"):
        st.session_state.update({SPAN: args["span_id"], ADDING: False})


def set_type(view: WindowView, span_type: SpanType) -> None:
    """Give the active gold span its type."""
    if active := active_span(view):
        args = {"span_id": active.span_id, "type": span_type}
        _write(view, "set_span", args, said=f"Saved type {span_type}")


def delete(view: WindowView) -> None:
    """Remove the active gold span; without any the window is disputed again."""
    if active := active_span(view):
        said = f"Removed gold span {active.start} – {active.end}"
        _write(view, "delete_span", {"span_id": active.span_id}, said=said)


def undo() -> None:
    """Take back the adjudicator's newest change, if it was one of gold, and show its window."""
    store, person = cache.store(state.workspace().store_url), state.annotator()
    newest = store.newest_to_undo(person)
    if newest is None or newest.payload.get("layer") != GOLD:
        where = "" if newest is None else ": your newest change was made in the desk"
        state.say(f"There is nothing to undo here{where}")
        return
    undoing = Decision(op_id=state.new_op(), kind="undo")
    answer = store.apply([undoing], annotator=person, layer=GOLD)[0]
    if answer.status == "done" and answer.view:
        _show(answer.view.window_uid)
        state.say(f"Undone in {name_of(answer.view)}")
    else:
        state.say(answer.message or "Not undone", "conflict")


def _queue() -> tuple[list[str], str | None]:
    return st.session_state.get(QUEUE, []), st.session_state.get(WINDOW)


def _show(window_uid: str) -> None:
    st.session_state.update({WINDOW: window_uid, SPAN: None, ADDING: False})


def _go_on(window_uid: str) -> None:
    """Show the window after this one in the list as it was drawn."""
    ids, _ = _queue()
    at = ids.index(window_uid) if window_uid in ids else -1
    others = [*ids[at + 1 :], *ids[: max(at, 0)]]
    if others:
        _show(others[0])


def _write(
    view: WindowView,
    kind: DecisionKind,
    args: Mapping[str, Any],
    *,
    said: str,
    op: str | None = None,
) -> bool:
    """Write one decision to the gold layer; say what was saved, or why it was not."""
    store = cache.store_to_draw_in(state.workspace().store_url)
    decision = Decision(
        op_id=op or state.new_op(), kind=kind, window_uid=view.window_uid, rev=view.rev, args=args
    )
    answer = store.apply([decision], annotator=state.annotator(), layer=GOLD)[0]
    if answer.status == "done":
        state.say(said)
        return True
    tone: Literal["conflict", "error"] = "conflict" if answer.status == "conflict" else "error"
    state.say(answer.message or "Not saved.", tone)
    return False


def _nearest(start: int, end: int, spans: Sequence[Marked]) -> str:
    drawn = Span(start, end)
    nearest = max(spans, key=lambda span: second_look.iou(span, drawn), default=drawn)
    return nearest.type if second_look.iou(nearest, drawn) else drawn.type
