"""The label store: who labelled which bars how, with every step of it on record."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any

from moola.exceptions import SchemaError
from moola.proposals import ProposedSpan
from moola.schema import REJECT_REASONS, RejectReason, SpanType, check_span, check_type
from moola.store import changes, decisions, intake, queries
from moola.store.changes import Operation
from moola.store.engine import writing
from moola.store.reader import LOCAL, StoreReader
from moola.store.records import ImportedWindow, ImportSummary, ProposeSummary, Series, WindowView

DECISION_KINDS = ("save_span", "set_type", "delete_span", "accept", "reject", "flag", "set_note")
"""Operations of a person, which `LabelStore.undo` can take back."""


class LabelStore(StoreReader):
    """Series, windows, spans and decisions in one database.

    It holds nothing but an engine, so threads may share one. Every writing method takes an
    ``op_id``: the same one twice writes once and answers alike. Decisions take the window's ``rev``
    as it was read and raise `ConflictError` if the window has changed since.
    """

    def add_series(self, series: Series, *, op_id: str, annotator: str = LOCAL) -> Series:
        """Add a series; one with the same id and bars is there already."""
        answer, _ = self._write(
            "add_series",
            lambda op: {"series_id": intake.put_series(op, series).series_id},
            op_id=op_id,
            annotator=annotator,
            args={"series_id": series.series_id, "content_hash": series.content_hash},
        )
        return self.get_series(answer["series_id"])

    def import_labels(
        self, windows: Sequence[ImportedWindow], *, op_id: str, source: str, annotator: str = LOCAL
    ) -> ImportSummary:
        """Add the windows and spans of a label file, all or none of them."""
        answer, is_new = self._write(
            "import_labels",
            lambda op: asdict(intake.put_imported(op, windows, source=source)),
            op_id=op_id,
            annotator=annotator,
            args={"source": source, "n_windows": len(windows)},
        )
        known = {"repaired": tuple(answer["repaired"]), "already_there": not is_new}
        return ImportSummary(**{**answer, **known})

    def propose(
        self,
        series_id: str,
        proposals: Sequence[ProposedSpan],
        *,
        op_id: str,
        source: str = "rule",
        timestamps: Sequence[datetime] | None = None,
        annotator: str = LOCAL,
    ) -> ProposeSummary:
        """Add proposals and a window around each.

        ``timestamps`` are the times of the series' bars; without them new windows carry none.
        """
        owner = self.get_series(series_id)

        def time_of(bar: int) -> datetime | None:
            return None if timestamps is None else timestamps[bar]

        answer, _ = self._write(
            "propose",
            lambda op: asdict(
                intake.put_proposals(op, owner, proposals, source=source, time_of=time_of)
            ),
            op_id=op_id,
            annotator=annotator,
            args={"series_id": series_id, "source": source, "n_proposals": len(proposals)},
        )
        return ProposeSummary(**answer)

    def add_windows(
        self,
        series_id: str,
        bar_starts: Sequence[int],
        timestamps: Sequence[datetime],
        *,
        op_id: str,
        annotator: str = LOCAL,
    ) -> int:
        """Add windows that begin at these bars; return how many are new."""
        owner = self.get_series(series_id)
        answer, _ = self._write(
            "add_windows",
            lambda op: {
                "n_new": sum(
                    intake.put_window(op, owner, start, time)
                    for start, time in zip(bar_starts, timestamps, strict=True)
                )
            },
            op_id=op_id,
            annotator=annotator,
            args={"series_id": series_id, "n_windows": len(bar_starts)},
        )
        return answer["n_new"]

    def save_span(
        self,
        window_uid: str,
        start: int,
        end: int,
        *,
        rev: int,
        op_id: str,
        span_id: str | None = None,
        type: SpanType | None = None,
        annotator: str = LOCAL,
    ) -> WindowView:
        """Draw a span at bars ``start..end`` of the window, or move the one with `span_id`."""
        check_span(start, end)
        if type is not None:
            check_type(type)

        def work(op: Operation, view: WindowView) -> None:
            if span_id is None:
                decisions.draw_span(op, view, start, end, type=type)
            else:
                decisions.move_span(op, view, span_id, start, end, type=type)

        return self._decide(
            "save_span",
            work,
            window_uid=window_uid,
            rev=rev,
            op_id=op_id,
            annotator=annotator,
            start=start,
            end=end,
            span_id=span_id,
            type=type,
        )

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
        known = check_type(type)
        return self._decide(
            "set_type",
            lambda op, view: decisions.set_type(op, view, span_id, known),
            window_uid=window_uid,
            rev=rev,
            op_id=op_id,
            annotator=annotator,
            span_id=span_id,
            type=type,
        )

    def delete_span(
        self, window_uid: str, span_id: str, *, rev: int, op_id: str, annotator: str = LOCAL
    ) -> WindowView:
        """Delete a span of the window; without any span left the window is undecided again."""
        return self._decide(
            "delete_span",
            lambda op, view: decisions.delete_span(op, view, span_id),
            window_uid=window_uid,
            rev=rev,
            op_id=op_id,
            annotator=annotator,
            span_id=span_id,
        )

    def accept(
        self, window_uid: str, *, rev: int, op_id: str, annotator: str = LOCAL
    ) -> WindowView:
        """Take the window as drawn; the proposals of a proposed window become spans."""
        return self._decide(
            "accept",
            decisions.accept,
            window_uid=window_uid,
            rev=rev,
            op_id=op_id,
            annotator=annotator,
        )

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
        if reason not in REJECT_REASONS:
            raise SchemaError(
                f"The reason should be one of {', '.join(REJECT_REASONS)}. Found {reason!r}."
            )
        return self._decide(
            "reject",
            lambda op, view: decisions.reject(op, view, reason),
            window_uid=window_uid,
            rev=rev,
            op_id=op_id,
            annotator=annotator,
            reason=reason,
        )

    def flag(self, window_uid: str, *, rev: int, op_id: str, annotator: str = LOCAL) -> WindowView:
        """Keep the window for a second look."""
        return self._decide(
            "flag",
            lambda op, view: decisions.decide(op, view, "flagged"),
            window_uid=window_uid,
            rev=rev,
            op_id=op_id,
            annotator=annotator,
        )

    def set_note(
        self, window_uid: str, note: str, *, rev: int, op_id: str, annotator: str = LOCAL
    ) -> WindowView:
        """Write the window's note; the decision stays."""
        return self._decide(
            "set_note",
            lambda op, view: decisions.set_note(op, view, note),
            window_uid=window_uid,
            rev=rev,
            op_id=op_id,
            annotator=annotator,
            note=note,
        )

    def undo(self, *, op_id: str, annotator: str = LOCAL) -> WindowView | None:
        """Take back this person's newest decision that still stands; None if there is none.

        Again and again it walks back through all of them, across windows and restarts.
        """
        with writing(self._engine) as connection:
            event = changes.find_event(connection, op_id, kind="undo", args={})
            if event is None:
                event = changes.newest_standing(connection, annotator, DECISION_KINDS)
                if event is None:
                    return None
                op = Operation(connection, op_id, annotator, "undo")
                decisions.take_back(op, event)
                changes.append_event(op, args={}, window_uid=event.window_uid, undoes=event.op_id)
            return queries.load_view(connection, str(event.window_uid), annotator)

    def _decide(
        self,
        kind: str,
        work: Callable[[Operation, WindowView], None],
        *,
        window_uid: str,
        rev: int,
        op_id: str,
        annotator: str,
        **args: Any,
    ) -> WindowView:
        """Do one decision about a window, unless it was done, and return the window after it."""
        args = {"window_uid": window_uid, **args}
        with writing(self._engine) as connection:
            if changes.find_event(connection, op_id, kind=kind, args=args) is None:
                op = Operation(connection, op_id, annotator, kind)
                work(op, decisions.open_window(op, window_uid, rev=rev))
                changes.append_event(op, args=args, window_uid=window_uid)
            return queries.load_view(connection, window_uid, annotator)

    def _write(
        self,
        kind: str,
        work: Callable[[Operation], Mapping[str, Any]],
        *,
        op_id: str,
        annotator: str,
        args: Mapping[str, Any],
    ) -> tuple[Mapping[str, Any], bool]:
        """Do one operation, unless it was done; return its answer and whether it wrote a row."""
        with writing(self._engine) as connection:
            event = changes.find_event(connection, op_id, kind=kind, args=args)
            if event is not None:
                return event.payload["answer"], False
            op = Operation(connection, op_id, annotator, kind)
            answer = work(op)
            if op.changes:  # what changes nothing leaves no trace, and may be done again
                changes.append_event(op, args=args, answer=answer)
            return answer, bool(op.changes)
