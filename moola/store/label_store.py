"""The label store: every decision of a person, kept as it is made and never lost.

A write is one transaction: the rows it changes and the event that names them. The same ``op_id``
twice writes once. ``rev`` is the revision of the window that the writer has seen; if somebody else
has written since, `ConflictError` says what is there now.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Self

from sqlalchemy import Engine, select

from moola.exceptions import (
    ConflictError,
    ImportRefused,
    RefusedRow,
    SchemaError,
    StoreError,
)
from moola.schema import (
    REJECT_REASONS,
    REVIEW_STATES,
    RejectReason,
    ReviewState,
    SpanType,
    check_span,
    check_type,
)
from moola.store import reading, steps, tables
from moola.store.changes import Changes, Row, from_json
from moola.store.engine import open_engine, writing
from moola.store.records import (
    Event,
    ImportedWindow,
    ImportSummary,
    ProposedWindow,
    ProposeSummary,
    Series,
    WindowRow,
    WindowView,
)

LOCAL = "local"
"""The annotator of an app that one person uses."""


class LabelStore:
    """Labels in one database; safe to share between threads and between processes."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    @classmethod
    def open(cls, url: str) -> Self:
        """Open the store at an SQLAlchemy URL, made anew if nothing is there."""
        return cls(open_engine(url))

    def close(self) -> None:
        """Close all connections."""
        self._engine.dispose()

    def series(self) -> list[Series]:
        """Return all series, by symbol."""
        with self._engine.connect() as connection:
            return reading.read_series(connection)

    def get_series(self, series_id: str) -> Series:
        """Return one series by id."""
        return self.find_series(series_id)

    def find_series(self, name: str) -> Series:
        """Return the series with that id, or the one series of that symbol."""
        known = self.series()
        found = [item for item in known if item.series_id == name]
        found = found or [item for item in known if item.symbol == name and item.kind == "feed"]
        if len(found) == 1:
            return found[0]
        listed = ", ".join(s.series_id for s in (found or known) if s.kind == "feed")
        what = f"{len(found)} of that symbol" if found else "none"
        raise StoreError(
            f"{name!r} should be the id of a series. Found {what}; "
            + (f"there are {listed}." if listed else "import bars first.")
        )

    def windows(
        self,
        *,
        states: Sequence[ReviewState] | None = None,
        types: Sequence[SpanType] | None = None,
        series_id: str | None = None,
        uids: Sequence[str] | None = None,
        annotator: str = LOCAL,
    ) -> list[WindowRow]:
        """Return the queue in order of series and time; every filter given must hold."""
        with self._engine.connect() as connection:
            rows = reading.read_rows(connection, annotator, series_id=series_id)
        chosen = None if uids is None else set(uids)
        return [
            row
            for row in rows
            if (states is None or row.state in states)
            and (types is None or any(name in types for name in row.types))
            and (chosen is None or row.window_uid in chosen)
        ]

    def window(self, window_uid: str, *, annotator: str = LOCAL) -> WindowView:
        """Return everything about one window."""
        with self._engine.connect() as connection:
            return reading.read_window(connection, window_uid, annotator)

    def resolve(self, name: str) -> str:
        """Return the window_uid of an id or an alias."""
        with self._engine.connect() as connection:
            return reading.resolve(connection, name)

    def events(self, *, window_uid: str | None = None, limit: int = 100) -> list[Event]:
        """Return the newest events first."""
        with self._engine.connect() as connection:
            return list(reading.read_events(connection, window_uid=window_uid, limit=limit))

    def counts(self, *, annotator: str = LOCAL) -> dict[ReviewState, int]:
        """Return how many windows are in each state."""
        counted = Counter(row.state for row in self.windows(annotator=annotator))
        return {state: counted[state] for state in REVIEW_STATES}

    def add_series(self, series: Series, *, op_id: str, annotator: str = LOCAL) -> Series:
        """Add a series; one that is already there stays as it is."""

        def act(changes: Changes) -> None:
            steps.put_series(changes, series)

        self._write("add_series", act, op_id=op_id, annotator=annotator)
        return series

    def import_labels(
        self,
        windows: Sequence[ImportedWindow],
        *,
        op_id: str,
        source: str,
        series: Sequence[Series] = (),
        annotator: str = LOCAL,
    ) -> ImportSummary:
        """Import verified windows with their spans, all or nothing.

        A window that a person has already decided keeps his decision.

        Raises
        ------
        ImportRefused
            If an imported span overlaps a different one of the same bars.
        """
        added: Counter[str] = Counter()

        def act(changes: Changes) -> None:
            for item in series:
                steps.put_series(changes, item)
            refused: list[RefusedRow] = []
            for window in windows:
                added["windows"] += steps.put_window(
                    changes,
                    window.series_id,
                    window.bar_start,
                    start_ts=window.start_ts,
                    aliases=window.aliases,
                    source=source,
                )
                n_spans, bad = steps.import_spans(changes, window, annotator)
                added["spans"] += n_spans
                refused += bad
                steps.verify_undecided(changes, window, annotator)
            if refused:
                raise ImportRefused(
                    f"{source} should not contradict the labels of the store. Found "
                    f"{len(refused)} rows that do, the first is {refused[0]}",
                    refused,
                )

        wrote = self._write("import", act, op_id=op_id, annotator=annotator)
        return ImportSummary(
            n_windows=added["windows"], n_spans=added["spans"], already_there=not wrote
        )

    def propose(
        self,
        series_id: str,
        proposals: Sequence[ProposedWindow],
        *,
        op_id: str,
        source: str = "rule",
        annotator: str = LOCAL,
    ) -> ProposeSummary:
        """Add proposals with their windows; spans already labelled or proposed are left out."""
        counted: Counter[str] = Counter()

        def act(changes: Changes) -> None:
            known = {row["proposal_id"] for row in steps.all_rows(changes, tables.proposal)}
            spans = reading.live_spans(changes.connection, annotator, series_id=series_id)
            for item in proposals:
                name = steps.proposal_id(source, series_id, item)
                if name in known:
                    counted["known"] += 1
                elif any(steps.overlap(span, item.seq_start, item.seq_end) for span in spans):
                    counted["labelled"] += 1
                else:
                    counted["new"] += 1
                    steps.put_proposal(changes, name, series_id, item, source)

        self._write("propose", act, op_id=op_id, annotator=annotator)
        return ProposeSummary(
            n_new=counted["new"], n_known=counted["known"], n_labelled=counted["labelled"]
        )

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
        """Draw a span (no `span_id`) or move one; bars count from the window's bar 0.

        A drawn span takes `type`, or the type of the window's first proposal, else
        ``consolidation``. The window's state becomes ``edited``.
        """
        check_span(start, end)

        def act(changes: Changes, view: WindowView) -> None:
            place = (view.bar_start + start, view.bar_start + end)
            if span_id is None:
                proposed = view.proposals[0].type if view.proposals else "consolidation"
                row = steps.new_span(view, *place, type=type or proposed, origin="human")
            else:
                row = steps.span_row(changes, view, span_id)
                row |= {"seq_start": place[0], "seq_end": place[1], "origin": "edited"}
                row["type"] = type or row["type"]
            steps.put_span(changes, row, view)
            steps.put_review(changes, view, state="edited")

        return self._edit("save_span", window_uid, act, rev=rev, op_id=op_id, annotator=annotator)

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
        """Change the type of a span."""
        check_type(type)

        def act(changes: Changes, view: WindowView) -> None:
            steps.put_span(changes, steps.span_row(changes, view, span_id) | {"type": type}, view)
            steps.put_review(changes, view, state="edited")

        return self._edit("set_type", window_uid, act, rev=rev, op_id=op_id, annotator=annotator)

    def delete_span(
        self, window_uid: str, span_id: str, *, rev: int, op_id: str, annotator: str = LOCAL
    ) -> WindowView:
        """Remove a span; a window left without any goes back to undecided."""

        def act(changes: Changes, view: WindowView) -> None:
            steps.put_span(
                changes, steps.span_row(changes, view, span_id) | {"deleted": True}, view
            )
            steps.put_review(changes, view, state="edited" if len(view.spans) > 1 else None)

        return self._edit("delete_span", window_uid, act, rev=rev, op_id=op_id, annotator=annotator)

    def accept(
        self, window_uid: str, *, rev: int, op_id: str, annotator: str = LOCAL
    ) -> WindowView:
        """Verify what is drawn: the window's spans, or without any its proposals.

        Raises
        ------
        StoreError
            If nothing is drawn; "no expansion here" is a rejection.
        """

        def act(changes: Changes, view: WindowView) -> None:
            if not view.spans and not view.proposals:
                raise StoreError(
                    "Accept should find a span in the window. Found none: draw one, or reject."
                )
            for item in () if view.spans else view.proposals:
                row = steps.new_span(
                    view,
                    view.bar_start + item.start,
                    view.bar_start + item.end,
                    type=item.type,
                    origin="accepted",
                )
                steps.put_span(changes, row | {"direction": item.direction}, view)
            steps.put_review(changes, view, state="verified")

        return self._edit("accept", window_uid, act, rev=rev, op_id=op_id, annotator=annotator)

    def reject(
        self,
        window_uid: str,
        *,
        reason: RejectReason = "no_expansion",
        rev: int,
        op_id: str,
        annotator: str = LOCAL,
    ) -> WindowView:
        """Reject the window; spans inside it are removed, and undo brings them back."""
        if reason not in REJECT_REASONS:
            raise SchemaError(
                f"The reason should be one of {', '.join(REJECT_REASONS)}. Found {reason!r}."
            )

        def act(changes: Changes, view: WindowView) -> None:
            for span in view.spans:
                row = steps.span_row(changes, view, span.span_id)
                steps.put_span(changes, row | {"deleted": True}, view)
            steps.put_review(changes, view, state="rejected", reason=reason)

        return self._edit("reject", window_uid, act, rev=rev, op_id=op_id, annotator=annotator)

    def flag(self, window_uid: str, *, rev: int, op_id: str, annotator: str = LOCAL) -> WindowView:
        """Mark the window for a second look."""

        def act(changes: Changes, view: WindowView) -> None:
            steps.put_review(changes, view, state="flagged")

        return self._edit("flag", window_uid, act, rev=rev, op_id=op_id, annotator=annotator)

    def set_note(
        self, window_uid: str, note: str, *, rev: int, op_id: str, annotator: str = LOCAL
    ) -> WindowView:
        """Write a note; it decides nothing."""

        def act(changes: Changes, view: WindowView) -> None:
            row = steps.review_row(changes, view)
            changes.put(tables.review, row | {"note": note, "rev": row["rev"] + 1})

        return self._edit("set_note", window_uid, act, rev=rev, op_id=op_id, annotator=annotator)

    def undo(self, *, op_id: str, annotator: str = LOCAL) -> WindowView | None:
        """Take back the annotator's newest step that is not undone yet; None if there is none.

        Raises
        ------
        ConflictError
            If something of that step was changed afterwards, for example by an import.
        """
        with writing(self._engine) as connection:
            done = steps.event_by_op(connection, op_id)
            if done is None:
                step = steps.newest_step(connection, annotator)
                if step is None:
                    return None
                changes = Changes(connection)
                changes.take_back(from_json(step["changes_json"]), now=steps.now())
                target, undone = step["window_uid"], step["seq"]
                steps.append_event(
                    changes,
                    kind="undo",
                    op_id=op_id,
                    annotator=annotator,
                    window_uid=target,
                    undoes=undone,
                )
            else:
                target = done["window_uid"]
        return self.window(target, annotator=annotator)

    def history_json(self) -> list[str]:
        """Return every event's row changes in order, for `moola.store.changes.replay`."""
        log = tables.event_log
        with self._engine.connect() as connection:
            return list(connection.scalars(select(log.c.changes_json).order_by(log.c.seq)))

    def state_rows(self) -> dict[str, list[Row]]:
        """Return the rows of every state table as they stand."""
        with self._engine.connect() as connection:
            return {
                name: [dict(row) for row in connection.execute(select(table)).mappings()]
                for name, table in tables.STATE_TABLES.items()
            }

    def _edit(
        self,
        kind: str,
        window_uid: str,
        act: Callable[[Changes, WindowView], None],
        *,
        rev: int,
        op_id: str,
        annotator: str,
    ) -> WindowView:
        """Write one step on one window if the writer has seen its newest revision."""

        def checked(changes: Changes) -> None:
            view = reading.read_window(changes.connection, window_uid, annotator)
            if view.rev != rev:
                raise ConflictError(steps.conflict(view, rev))
            act(changes, view)
            steps.mark_stale(changes, view)

        self._write(kind, checked, op_id=op_id, annotator=annotator, window_uid=window_uid)
        return self.window(window_uid, annotator=annotator)

    def _write(
        self,
        kind: str,
        act: Callable[[Changes], None],
        *,
        op_id: str,
        annotator: str,
        window_uid: str | None = None,
    ) -> bool:
        """Do `act` and log it in one transaction; False if `op_id` was already done."""
        with writing(self._engine) as connection:
            if steps.event_by_op(connection, op_id) is not None:
                return False
            changes = Changes(connection)
            act(changes)
            steps.append_event(
                changes, kind=kind, op_id=op_id, annotator=annotator, window_uid=window_uid
            )
        return True
