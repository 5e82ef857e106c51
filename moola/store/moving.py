"""Where the window of a one-window series went when its bars were found in a feed.

The log keeps what was decided before the move in the bars of the old series. A `Move` reads it in
those of the feed, so that undo, redo and operations that are sent again go on across it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy import Connection, select

from moola.store.changes import Row, RowChange, as_event
from moola.store.tables import events, reviews, spans, windows
from moola.windows import window_uid

BAR_COLUMNS = (
    "seq_start", "seq_end", "start_lo", "start_hi", "end_lo", "end_hi", "pre_seq_start",
)  # fmt: skip
"""Columns of a span that count bars of its series."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Move:
    """One window's way from a series of its own to bar ``shift`` of a feed."""

    series_id: str
    to_series_id: str
    shift: int
    proposals: Mapping[str, str]
    """The ids of its proposals before and after, since they are made of series and bars."""

    @property
    def uid(self) -> str:
        """Id of the window before."""
        return window_uid(self.series_id, 0)

    @property
    def to_uid(self) -> str:
        """Id of the window now."""
        return window_uid(self.to_series_id, self.shift)

    def span(self, row: Row) -> Row:
        """Return a span of the old series as the feed has it."""
        shifted = {
            name: row[name] + self.shift for name in BAR_COLUMNS if row.get(name) is not None
        }
        proposal = self.proposals.get(row["proposal_id"], row["proposal_id"])
        return row | shifted | {"series_id": self.to_series_id, "proposal_id": proposal}

    def change(self, change: RowChange) -> RowChange:
        """Return what a decision made before the move changed, as if it were made after it."""
        return RowChange(
            change.table, self._row(change.table, change.before),
            self._row(change.table, change.after),
        )  # fmt: skip

    def _row(self, table: str, row: Row | None) -> Row | None:
        if row is None:
            return None
        if table == spans.name and row["series_id"] == self.series_id:
            return self.span(row)
        if table == reviews.name and row["window_uid"] == self.uid:
            return row | {"window_uid": self.to_uid}
        return row


def standing_move(
    connection: Connection, uid: str | None, *, after_seq: int = 0
) -> tuple[str, Move] | None:
    """Return the operation that moved a window and its move, if it was not taken back since."""
    undone = select(events.c.undoes).where(events.c.undoes.is_not(None))
    query = (
        select(events)
        .where(events.c.window_uid == uid, events.c.kind == "rehome", events.c.seq > after_seq)
        .where(events.c.op_id.not_in(undone))
        .order_by(events.c.seq.desc())
        .limit(1)
    )
    found = connection.execute(query).mappings().one_or_none()
    if found is None:
        return None
    event = as_event(found)
    args = {name: event.payload["args"][name] for name in ("series_id", "to_series_id", "shift")}
    return event.op_id, Move(**args, proposals=event.payload["answer"]["proposals"])


def now_at(connection: Connection, uid: str) -> str:
    """Return the id that a window has now: its own, unless it was moved to a feed."""
    query = select(windows.c.window_uid).where(windows.c.window_uid == uid)
    if connection.execute(query).scalar_one_or_none() is not None:
        return uid
    found = standing_move(connection, uid)
    return uid if found is None else found[1].to_uid
