"""The half of the label store that people's decisions go through."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection

from moola.exceptions import ConflictError, MoolaError, StoreError
from moola.schema import RejectReason, SpanType
from moola.store import applying, people
from moola.store.engine import reading, writing
from moola.store.reader import LOCAL, StoreReader
from moola.store.records import Answer, Decision, DecisionKind, Event, WindowView
from moola.store.trouble import BROKEN_RULES, broken_rule


class DecisionStore(StoreReader):
    """Decisions, one at a time or many in a transaction; every one of them can be undone."""

    def apply(
        self,
        decisions: Sequence[Decision],
        *,
        annotator: str,
        layer: str | None = None,
        client_id: str | None = None,
        together: bool = False,
    ) -> list[Answer]:
        """Carry out a person's decisions in their order, in one transaction.

        One that conflicts or is refused leaves no trace, and those after it go on; with `together`
        all are written or none. What was answered ``done`` is on the disk.
        """
        people.check_name(annotator)
        layer = people.check_layer(layer or annotator, annotator)
        answers: list[Answer] = []
        with writing(self._engine) as connection:
            whole = connection.begin_nested()
            for decision in decisions:
                answers.append(
                    _answer(connection, decision, annotator, layer=layer, client_id=client_id)
                )
            failed = next((item for item in answers if item.status != "done"), None)
            if together and failed is not None:
                whole.rollback()
                return [_not_alone(item, failed) for item in answers]
            whole.commit()
        return answers

    def save_span(
        self,
        window_uid: str,
        start: int,
        end: int,
        *,
        rev: int,
        op_id: str,
        span_id: str | None = None,
        annotator: str = LOCAL,
        **values: Any,
    ) -> WindowView:
        """Draw a span at bars ``start..end`` of the window, or move the one with `span_id`.

        ``values`` are any of `moola.store.records.SPAN_FIELDS`; None says nothing.
        """
        given = {name: value for name, value in values.items() if value is not None}
        args = {"start": start, "end": end, **given}
        if span_id is not None:
            args["span_id"] = span_id
        return self._decide("save_span", window_uid, rev, op_id, annotator, args)

    def set_type(
        self,
        window_uid: str,
        span_id: str,
        type: SpanType,
        *,
        rev: int,
        op_id: str,
        annotator: str = LOCAL,
    ) -> WindowView:
        """Give a span of the window its type."""
        args = {"span_id": span_id, "type": type}
        return self._decide("set_span", window_uid, rev, op_id, annotator, args)

    def delete_span(
        self, window_uid: str, span_id: str, *, rev: int, op_id: str, annotator: str = LOCAL
    ) -> WindowView:
        """Delete a span of the window; without any span left the window is undecided again."""
        args = {"span_id": span_id}
        return self._decide("delete_span", window_uid, rev, op_id, annotator, args)

    def accept(
        self, window_uid: str, *, rev: int, op_id: str, annotator: str = LOCAL
    ) -> WindowView:
        """Take the window as drawn; the proposals of a proposed window become spans."""
        return self._decide("accept", window_uid, rev, op_id, annotator, {})

    def reject(
        self,
        window_uid: str,
        *,
        rev: int,
        op_id: str,
        reason: RejectReason = "no_expansion",
        annotator: str = LOCAL,
    ) -> WindowView:
        """Say that there is nothing to learn here, and why; spans inside the view are deleted."""
        return self._decide("reject", window_uid, rev, op_id, annotator, {"reason": reason})

    def flag(self, window_uid: str, *, rev: int, op_id: str, annotator: str = LOCAL) -> WindowView:
        """Keep the window for a second look."""
        return self._decide("flag", window_uid, rev, op_id, annotator, {})

    def set_note(
        self, window_uid: str, note: str, *, rev: int, op_id: str, annotator: str = LOCAL
    ) -> WindowView:
        """Write the window's note; the decision stays."""
        return self._decide("set_note", window_uid, rev, op_id, annotator, {"note": note})

    def undo(self, *, op_id: str, annotator: str = LOCAL) -> WindowView | None:
        """Take back this person's newest decision that still stands; None if there is none.

        Again and again it walks back through all of them, across windows and restarts.
        """
        return self._carry_out(Decision(op_id=op_id, kind="undo"), annotator)

    def newest_to_undo(self, annotator: str = LOCAL) -> Event | None:
        """Return what `undo` would take back, None if there is nothing."""
        with reading(self._engine) as connection:
            return applying.newest_to_undo(connection, annotator)

    def redo(self, *, op_id: str, annotator: str = LOCAL) -> WindowView | None:
        """Take this person's newest undo back, unless he has decided anything since."""
        return self._carry_out(Decision(op_id=op_id, kind="redo"), annotator)

    def _decide(
        self,
        kind: DecisionKind,
        window_uid: str,
        rev: int,
        op_id: str,
        annotator: str,
        args: Mapping[str, Any],
    ) -> WindowView:
        decision = Decision(op_id=op_id, kind=kind, window_uid=window_uid, rev=rev, args=args)
        view = self._carry_out(decision, annotator)
        if view is None:
            raise StoreError(f"A window should have the id {window_uid!r}. Found none.")
        return view

    def _carry_out(self, decision: Decision, annotator: str) -> WindowView | None:
        with writing(self._engine) as connection:
            _, view = applying.carry_out(connection, decision, annotator=annotator, layer=annotator)
            return view


def _answer(
    connection: Connection,
    decision: Decision,
    annotator: str,
    *,
    layer: str,
    client_id: str | None,
) -> Answer:
    """Carry out one decision, or say why not; what it wrote before it failed is taken back."""
    before = connection.begin_nested()
    try:
        rev, view = applying.carry_out(
            connection, decision, annotator=annotator, layer=layer, client_id=client_id
        )
    except (MoolaError, *BROKEN_RULES) as error:
        # a row that only the database refuses must not stop a client that would send it for ever
        before.rollback()
        return Answer(
            op_id=decision.op_id,
            status="conflict" if isinstance(error, ConflictError) else "refused",
            message=str(error if isinstance(error, MoolaError) else broken_rule(error)),
            view=applying.window_or_none(connection, decision.window_uid, layer),
        )
    before.commit()
    nothing = f"There is nothing to {decision.kind}." if view is None else None
    return Answer(op_id=decision.op_id, status="done", message=nothing, rev=rev, view=view)


def _not_alone(answer: Answer, failed: Answer) -> Answer:
    if answer is failed or answer.status != "done":
        return answer
    message = (
        f"Nothing was written, since another decision of the same step failed: {failed.message}"
    )
    return Answer(op_id=answer.op_id, status=failed.status, message=message)
