"""Tables of the label store; rules that a row can break alone are constraints of the database."""

from __future__ import annotations

from sqlalchemy import (
    DDL,
    Boolean,
    CheckConstraint,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
    event,
)

from moola.schema import REJECT_REASONS, REVIEW_STATES, SPAN_TYPES, WINDOW_LENGTH

SCHEMA_VERSION = 1
DERIVED_STATES = ("unseen", "proposed")
STORED_STATES = tuple(state for state in REVIEW_STATES if state not in DERIVED_STATES)

metadata = MetaData()


def _one_of(column: str, values: tuple[str, ...]) -> CheckConstraint:
    listed = ", ".join(f"'{value}'" for value in values)
    return CheckConstraint(f"{column} IS NULL OR {column} IN ({listed})", name=f"known_{column}")


def _span_checks() -> tuple[CheckConstraint, ...]:
    return (
        CheckConstraint("seq_start >= 0", name="starts_in_series"),
        CheckConstraint(
            f"seq_end - seq_start BETWEEN 0 AND {WINDOW_LENGTH - 1}", name="fits_a_window"
        ),
        _one_of("type", SPAN_TYPES),
        _one_of("direction", ("up", "down")),
    )


store_meta = Table("store_meta", metadata, Column("schema_version", Integer, primary_key=True))

series = Table(
    "series",
    metadata,
    Column("series_id", String(200), primary_key=True),
    Column("kind", String(10), CheckConstraint("kind IN ('feed', 'window')"), nullable=False),
    Column("symbol", String(200), nullable=False),
    Column("bar", String(20), nullable=False),
    Column("tick_size", Float),
    Column("content_hash", String(64), nullable=False),
    Column("n_bars", Integer, nullable=False),
    # Moments are ISO 8601 text in UTC: SQLite would return them without their zone.
    Column("start_ts", String(40)),
    Column("end_ts", String(40)),
    Column("source", Text, nullable=False),
)

window = Table(
    "window",
    metadata,
    Column("window_uid", String(16), primary_key=True),
    Column("series_id", ForeignKey("series.series_id"), nullable=False),
    Column("bar_start", Integer, CheckConstraint("bar_start >= 0"), nullable=False),
    Column("n_bars", Integer, nullable=False),
    Column("start_ts", String(40)),
    UniqueConstraint("series_id", "bar_start", "n_bars"),
)

window_alias = Table(
    "window_alias",
    metadata,
    Column("alias", String(200), primary_key=True),
    Column("window_uid", ForeignKey("window.window_uid"), primary_key=True),
    Column("source", Text, nullable=False),
)

proposal = Table(
    "proposal",
    metadata,
    Column("proposal_id", String(16), primary_key=True),
    Column("window_uid", ForeignKey("window.window_uid"), nullable=False, index=True),
    Column("source", String(20), nullable=False),
    Column("seq_start", Integer, nullable=False),
    Column("seq_end", Integer, nullable=False),
    Column("direction", String(4)),
    Column("type", String(20), nullable=False),
    Column("score", Float, nullable=False),
    *_span_checks(),
)

span = Table(
    "span",
    metadata,
    Column("span_id", String(32), primary_key=True),
    Column("series_id", ForeignKey("series.series_id"), nullable=False),
    Column("annotator", String(100), nullable=False),
    Column("seq_start", Integer, nullable=False),
    Column("seq_end", Integer, nullable=False),
    Column("direction", String(4)),  # NULL: the sign of the net move
    Column("type", String(20), nullable=False),
    Column("origin", String(10), nullable=False),
    Column("deleted", Boolean, nullable=False),
    Column("rev", Integer, nullable=False),
    Column("updated_at", String(40), nullable=False),
    *_span_checks(),
    _one_of("origin", ("human", "accepted", "edited", "import")),
    Index("span_by_place", "series_id", "annotator", "seq_start"),
)

review = Table(
    "review",
    metadata,
    Column("window_uid", ForeignKey("window.window_uid"), primary_key=True),
    Column("annotator", String(100), primary_key=True),
    Column("state", String(10)),  # NULL: a note without a decision, or a decision undone
    Column("reason", String(20)),
    Column("note", Text, nullable=False),
    Column("rev", Integer, nullable=False),
    Column("updated_at", String(40), nullable=False),
    _one_of("state", STORED_STATES),
    _one_of("reason", REJECT_REASONS),
    CheckConstraint(
        "(COALESCE(state, '') = 'rejected') = (reason IS NOT NULL)", name="rejected_has_a_reason"
    ),
)

# Named event_log because "event" is sqlalchemy's own word.
event_log = Table(
    "event",
    metadata,
    Column("seq", Integer, primary_key=True, autoincrement=True),
    Column("op_id", String(100), nullable=False, unique=True),
    Column("ts_utc", String(40), nullable=False),
    Column("annotator", String(100), nullable=False),
    Column("kind", String(20), nullable=False),
    Column("window_uid", String(16), index=True),
    Column("undoes", Integer, unique=True),
    Column("changes_json", Text, nullable=False),
)

STATE_TABLES = {
    table.name: table for table in (series, window, window_alias, proposal, span, review)
}
"""Tables that replaying the events rebuilds, parents before children."""

for _verb in ("UPDATE", "DELETE"):
    event.listen(
        event_log,
        "after_create",
        DDL(
            f"CREATE TRIGGER event_no_{_verb.lower()} BEFORE {_verb} ON event "
            "BEGIN SELECT RAISE(ABORT, 'events are append-only'); END"
        ).execute_if(dialect="sqlite"),
    )
