"""Count in the database, where 20,000 windows need not be read for it."""

from __future__ import annotations

from sqlalchemy import Connection, exists, func, select

from moola.store.bar_rows import LAST, as_dicts
from moola.store.tables import STATE_TABLES, events, proposals, reviews, windows


def count_states(connection: Connection, annotator: str) -> dict[str, int]:
    """Return how many windows a layer has in each state; the database does the counting."""
    decided = select(reviews.c.state, func.count().label("n")).where(
        reviews.c.annotator == annotator, reviews.c.state.is_not(None)
    )
    rows = as_dicts(connection.execute(decided.group_by(reviews.c.state)))
    counts = {row["state"]: row["n"] for row in rows}
    has_decision = exists().where(
        reviews.c.window_uid == windows.c.window_uid,
        reviews.c.annotator == annotator,
        reviews.c.state.is_not(None),
    )
    has_proposal = exists().where(
        proposals.c.series_id == windows.c.series_id,
        proposals.c.seq_start.between(windows.c.bar_start, windows.c.bar_start + LAST),
        proposals.c.seq_end <= windows.c.bar_start + LAST,
    )
    n_open = select(func.count()).select_from(windows).where(~has_decision)
    proposed = connection.scalar(n_open.where(has_proposal)) or 0
    unseen = (connection.scalar(n_open) or 0) - proposed
    return counts | {"proposed": proposed, "unseen": unseen}


def count_rows(connection: Connection) -> dict[str, int]:
    """Return how many rows each table holds, the log of events first."""
    return {
        table.name: connection.scalar(select(func.count()).select_from(table)) or 0
        for table in (events, *STATE_TABLES.values())
    }
