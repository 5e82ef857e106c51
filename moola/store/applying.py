"""Carry out what a person decides: each decision once, checked against what he saw."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from sqlalchemy import Connection

from moola.exceptions import ConflictError, SchemaError
from moola.schema import REJECT_REASONS, RejectReason, check_span
from moola.store import changes, decisions, moving, queries, undoing
from moola.store.changes import Operation
from moola.store.records import SPAN_FIELDS, Decision, Event, WindowView
from moola.store.span_rows import bars_of_window

DECISION_KINDS = (
    "save_span", "set_span", "set_type", "delete_span", "accept", "adopt", "reject", "set_reason",
    "flag", "defer", "set_note",
)  # fmt: skip
"""Operations on a window, which undo can take back; ``set_type`` stands in older logs alone."""

Work = Callable[[Operation, WindowView, Mapping[str, Any]], None]


def carry_out(
    connection: Connection,
    decision: Decision,
    *,
    annotator: str,
    layer: str,
    client_id: str | None = None,
) -> tuple[int | None, WindowView | None]:
    """Do one decision, unless it was done; return the revision it made and the window as it is.

    Raises
    ------
    ConflictError
        If the window is not as the person saw it.
    StoreError, SchemaError
        If it cannot be done at all. Nothing may be kept of the transaction then.
    """
    if decision.kind in ("undo", "redo"):
        return _go_back_or_forth(connection, decision, annotator=annotator, client_id=client_id)
    uid = decision.window_uid
    if decision.kind not in _WORK or uid is None:
        raise SchemaError(
            f"A decision should be one of {', '.join([*_WORK, 'undo', 'redo'])} about a window. "
            f"Found {decision.kind!r} about {uid!r}."
        )
    args = {"window_uid": uid, **decision.args}
    event = changes.find_event(connection, decision.op_id, kind=decision.kind, args=args)
    uid = moving.now_at(connection, uid)
    if event is not None:
        return revision_of(event), queries.load_view(connection, uid, layer_of(event))
    operation = Operation(
        connection,
        decision.op_id,
        annotator,
        decision.kind,
        layer=layer,
        seconds=decision.seconds,
        mode=decision.mode,
    )
    view = decisions.open_window(operation, uid, rev=_seen_revision(connection, decision, uid))
    _WORK[decision.kind](operation, view, decision.args)
    after = queries.load_view(connection, uid, layer)
    changes.append_event(
        operation, args=args, window_uid=uid, answer={"rev": after.rev}, client_id=client_id
    )
    return after.rev, after


def window_or_none(connection: Connection, uid: str | None, layer: str) -> WindowView | None:
    """Return the window as it stands, or None if there is none of that id."""
    uids = [moving.now_at(connection, uid)] if uid else []
    views = queries.load_views(connection, layer, uids=uids) if uids else []
    return views[0] if views else None


def revision_of(event: Event) -> int | None:
    """Return the revision of its window that an event made."""
    if event.payload["answer"] is not None:
        return event.payload["answer"].get("rev")
    made = [  # events of the first schema carry no answer
        change.after["rev"]
        for change in changes.changes_of(event)
        if change.table == "review" and change.after
        if change.after["window_uid"] == event.window_uid
    ]
    return made[-1] if made else None


def layer_of(event: Event) -> str:
    """Return whose rows an event wrote."""
    return event.payload.get("layer", event.annotator)


def _seen_revision(connection: Connection, decision: Decision, uid: str) -> int:
    if decision.after is not None:
        before = changes.event_of(connection, decision.after)
        rev = revision_of(before) if before else None
        about = moving.now_at(connection, str(before.window_uid)) if before else None
        if about != uid or rev is None:
            raise ConflictError(
                "A decision that builds on another should come after it. Found that the one "
                "before was not taken."
            )
        return rev
    if decision.rev is None:
        raise SchemaError("A decision should name the revision of the window it was made on.")
    return decision.rev


def _go_back_or_forth(
    connection: Connection, decision: Decision, *, annotator: str, client_id: str | None
) -> tuple[int | None, WindowView | None]:
    """Undo the person's newest standing decision, or redo the newest undone one.

    A redo is an event that takes an undo back, and may be undone again: both go on without limit.
    Finding nothing is an event too: sent again, it must not take back what came after it.
    """
    kind = decision.kind
    event = changes.find_event(connection, decision.op_id, kind=kind, args={})
    if event is not None:
        uid = event.window_uid and moving.now_at(connection, event.window_uid)
        return revision_of(event), window_or_none(connection, uid, layer_of(event))
    newest = newest_to_undo if kind == "undo" else newest_to_redo
    target = newest(connection, annotator)
    layer = layer_of(target) if target else annotator
    operation = Operation(connection, decision.op_id, annotator, kind, layer=layer)
    uid = view = None
    if target is not None:
        undoing.take_back(operation, target)
        uid = moving.now_at(connection, str(target.window_uid))
        view = queries.load_view(connection, uid, layer)
    rev = view.rev if view else None
    changes.append_event(
        operation, args={}, window_uid=uid, answer={"rev": rev}, client_id=client_id
    )
    return rev, view


def newest_to_undo(connection: Connection, annotator: str) -> Event | None:
    """Return the person's newest decision, or redone one, that still stands."""
    return changes.newest_standing(connection, annotator, [*DECISION_KINDS, "redo"])


def newest_to_redo(connection: Connection, annotator: str) -> Event | None:
    """Return the person's newest undo that still stands, unless he has decided anything since."""
    decided = changes.newest_event(connection, annotator, DECISION_KINDS)
    return changes.newest_standing(
        connection, annotator, ["undo"], after_seq=decided.seq if decided else 0
    )


def _save_span(op: Operation, view: WindowView, args: Mapping[str, Any]) -> None:
    _check_args(args, needed=("start", "end"), known=("span_id", "new", *SPAN_FIELDS))
    start, end = bars_of_window(args["start"], args["end"])
    check_span(start, end)
    values = _values(args)
    span_id = args.get("span_id")
    if span_id is None or args.get("new"):
        decisions.draw_span(op, view, start, end, span_id=_new_id(span_id), values=values)
    else:
        decisions.move_span(op, view, str(span_id), start, end, values)


def _set_span(op: Operation, view: WindowView, args: Mapping[str, Any]) -> None:
    _check_args(args, needed=("span_id",), known=SPAN_FIELDS)
    decisions.set_span(op, view, str(args["span_id"]), _values(args))


def _delete_span(op: Operation, view: WindowView, args: Mapping[str, Any]) -> None:
    _check_args(args, needed=("span_id",))
    decisions.delete_span(op, view, str(args["span_id"]))


def _accept(op: Operation, view: WindowView, args: Mapping[str, Any]) -> None:
    _check_args(args)
    decisions.accept(op, view)


def _adopt(op: Operation, view: WindowView, args: Mapping[str, Any]) -> None:
    _check_args(args, needed=("layer",))
    decisions.adopt(op, view, str(args["layer"]))


def _reject(op: Operation, view: WindowView, args: Mapping[str, Any]) -> None:
    _check_args(args, known=("reason", "note"))
    decisions.reject(op, view, _reason(args.get("reason", "no_expansion")), note=_note(args))


def _set_reason(op: Operation, view: WindowView, args: Mapping[str, Any]) -> None:
    _check_args(args, needed=("reason",), known=("note",))
    decisions.set_reason(op, view, _reason(args["reason"]), note=_note(args))


def _flag(op: Operation, view: WindowView, args: Mapping[str, Any]) -> None:
    _check_args(args)
    decisions.decide(op, view, "flagged")


def _defer(op: Operation, view: WindowView, args: Mapping[str, Any]) -> None:
    _check_args(args)
    decisions.decide(op, view, "deferred")


def _set_note(op: Operation, view: WindowView, args: Mapping[str, Any]) -> None:
    _check_args(args, needed=("note",))
    decisions.set_note(op, view, _note(args) or "")


_WORK: dict[str, Work] = {
    "save_span": _save_span,
    "set_span": _set_span,
    "delete_span": _delete_span,
    "accept": _accept,
    "adopt": _adopt,
    "reject": _reject,
    "set_reason": _set_reason,
    "flag": _flag,
    "defer": _defer,
    "set_note": _set_note,
}


def _check_args(
    args: Mapping[str, Any], *, needed: tuple[str, ...] = (), known: tuple[str, ...] = ()
) -> None:
    missing = [name for name in needed if name not in args]
    unknown = sorted(set(args) - {*needed, *known})
    if missing or unknown:
        raise SchemaError(
            f"A decision should carry {', '.join(needed) or 'no more than its window'}. "
            f"Found {'no ' + ', '.join(missing) if missing else ', '.join(unknown)}."
        )


def _values(args: Mapping[str, Any]) -> dict[str, Any]:
    return {name: args[name] for name in SPAN_FIELDS if name in args}


def _reason(reason: Any) -> RejectReason:
    for known in REJECT_REASONS:
        if reason == known:
            return known
    raise SchemaError(f"The reason should be one of {', '.join(REJECT_REASONS)}. Found {reason!r}.")


def _note(args: Mapping[str, Any]) -> str | None:
    note = args.get("note")
    if note is not None and not isinstance(note, str):
        raise SchemaError(f"A note should be text. Found {note!r}.")
    return note


def _new_id(span_id: Any) -> str | None:
    """Return the id that a client made for a new span, so that it can go on editing at once."""
    if span_id is None:
        return None
    text = str(span_id)
    if len(text) != 16 or not set(text) <= set("0123456789abcdef"):
        raise SchemaError(f"The id of a new span should be 16 hexadecimal digits. Found {text!r}.")
    return text
