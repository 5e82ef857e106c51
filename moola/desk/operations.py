"""Decisions as the browser sends them: checked, written through the store, answered."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import groupby
from typing import Any, get_args

from moola.desk import trials
from moola.desk.people import layer_of
from moola.exceptions import SchemaError
from moola.schema import REVIEW_MODES
from moola.store import Answer, Decision, LabelStore
from moola.store.records import DecisionKind

MOST_OPS = 200
KINDS: tuple[DecisionKind, ...] = get_args(DecisionKind)
MOST_SECONDS = 3600.0
"""Whoever looks longer has left the desk: the time says nothing about the window."""


def read_decisions(ops: object) -> list[Decision]:
    """Return the operations of a request; `SchemaError` names the first that is none."""
    if not isinstance(ops, list) or not 1 <= len(ops) <= MOST_OPS:
        raise SchemaError(
            f"A request should hold 1 to {MOST_OPS} operations in a list. Found {_short(ops)}."
        )
    return [_read(op) for op in ops]


def _read(op: object) -> Decision:
    if not isinstance(op, dict):
        raise SchemaError(f"An operation should be an object. Found {_short(op)}.")
    text = _named(op, "op_id", str)
    if not text or len(text) > 200:
        raise SchemaError(f"op_id should have 1 to 200 letters. Found {_short(text)}.")
    args = op.get("args") or {}
    if not isinstance(args, dict):
        raise SchemaError(f"args should be an object (operation {text}). Found {_short(args)}.")
    return Decision(
        op_id=text,
        kind=_one_of(op, "kind", KINDS),
        window_uid=_named(op, "window_uid", str, optional=True),
        rev=_named(op, "rev", int, optional=True),
        args=args,
        seconds=_seconds(op),
        mode=_one_of({"mode": op.get("mode") or "normal"}, "mode", REVIEW_MODES),
        after=_named(op, "after", str, optional=True),
    )


def _named(op: Mapping[str, Any], name: str, kind: type, *, optional: bool = False) -> Any:
    value = op.get(name)
    if value is None and optional:
        return None
    if not isinstance(value, kind) or isinstance(value, bool):
        raise SchemaError(
            f"{name} of an operation should be {kind.__name__}. Found {_short(value)}."
        )
    return value


def _one_of(op: Mapping[str, Any], name: str, known: tuple[Any, ...]) -> Any:
    value = op.get(name)
    if value not in known:
        raise SchemaError(
            f"{name} of an operation should be one of {', '.join(known)}. Found {_short(value)}."
        )
    return value


def _seconds(op: Mapping[str, Any]) -> float | None:
    value = op.get("seconds")
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not value >= 0:
        raise SchemaError(f"seconds of an operation should be 0 or more. Found {_short(value)}.")
    return min(float(value), MOST_SECONDS)


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def write(
    store: LabelStore,
    decisions: Sequence[Decision],
    *,
    annotator: str,
    layer: str | None,
    client_id: str | None,
    together: bool,
) -> list[Answer]:
    """Write decisions in their order, each into `layer` or the one that its mode belongs to."""

    def home(decision: Decision) -> str:
        return layer or layer_of(annotator, decision.mode)

    if together and len(homes := {home(decision) for decision in decisions}) > 1:
        raise SchemaError(
            "Operations that are written together should belong to one layer. "
            f"Found {', '.join(sorted(homes))}."
        )
    answers: list[Answer] = []
    for own, group in groupby(decisions, key=home):
        sent = list(group)
        steps = [step for decision in sent for step in _steps(store, decision, own)]
        done = store.apply(
            steps, annotator=annotator, layer=own, client_id=client_id, together=together
        )
        asked = {decision.op_id for decision in sent}
        answers += [answer for answer in done if answer.op_id in asked]
    return answers


def _steps(store: LabelStore, decision: Decision, layer: str) -> Iterator[Decision]:
    """Go through what a decision is written as: in a catch trial an accept keeps what was shown.

    The store knows the proposals where they belong, so those of a trial are drawn first.
    """
    if decision.mode != "catch" or decision.kind != "accept" or decision.window_uid is None:
        yield decision
        return
    view = store.window(decision.window_uid, annotator=layer)
    before, after = decision.rev, decision.after
    for number, lure in enumerate(trials.shifted(view.window_uid, _open(view))):
        op_id = f"{decision.op_id}-{number}"
        args = {
            "span_id": trials.lure_id(view.window_uid, number),
            "new": True,
            "start": lure.start,
            "end": lure.end,
            "type": lure.type,
            "direction": lure.direction,
        }
        yield replace(
            decision,
            op_id=op_id,
            kind="save_span",
            args=args,
            rev=before,
            after=after,
            seconds=None,
        )
        before, after = None, op_id
    yield replace(decision, rev=before, after=after)


def _open(view: Any) -> Any:
    return () if view.spans else view.proposals
