"""The tables of the label store. Every value is text or a number, so that events can carry rows."""

from __future__ import annotations

from sqlalchemy import (
    DDL,
    CheckConstraint,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    UniqueConstraint,
    event,
)

from moola.schema import (
    CONFIDENCES,
    DECISIONS,
    GRADES,
    REJECT_REASONS,
    REVIEW_MODES,
    SPAN_TYPES,
    WINDOW_LENGTH,
)

SCHEMA_VERSION = "2"


def _one_of(column: str, values: tuple[str | int, ...]) -> CheckConstraint:
    return CheckConstraint(f"{column} IN ({', '.join(repr(value) for value in values)})")


metadata = MetaData()

meta = Table(
    "meta",
    metadata,
    Column("key", String(40), primary_key=True),
    Column("value", String(200), nullable=False),
)

series = Table(
    "series",
    metadata,
    Column("series_id", String(200), primary_key=True),
    Column("kind", String(10), nullable=False),
    Column("symbol", String(200), nullable=False),
    Column("bar", String(20)),
    Column("tick_size", Float),
    Column("content_hash", String(64), nullable=False),
    Column("n_bars", Integer, nullable=False),
    Column("start_ts", String(40)),  # ISO 8601 with offset: SQLite would drop the zone
    Column("end_ts", String(40)),
    Column("source", String(400), nullable=False),
    Column("tz_exchange", String(40)),
    Column("price_basis", String(40)),
    Column("roll_rule", String(200)),
    _one_of("kind", ("feed", "window")),
    CheckConstraint(f"n_bars >= {WINDOW_LENGTH}"),
)

windows = Table(
    "window",
    metadata,
    Column("window_uid", String(16), primary_key=True),
    Column("series_id", ForeignKey("series.series_id"), nullable=False),
    Column("bar_start", Integer, nullable=False),
    Column("n_bars", Integer, nullable=False),
    Column("start_ts", String(40)),
    UniqueConstraint("series_id", "bar_start", "n_bars"),
    CheckConstraint("bar_start >= 0"),
    CheckConstraint(f"n_bars = {WINDOW_LENGTH}"),
)

aliases = Table(
    "window_alias",
    metadata,
    Column("alias", String(200), primary_key=True),
    Column("source", String(400), primary_key=True),
    Column("window_uid", ForeignKey("window.window_uid"), nullable=False),
    Index("window_alias_by_window", "window_uid"),
)

rules = Table(
    "rule",
    metadata,
    Column("rule_version", String(40), primary_key=True),
    Column("text_md", String, nullable=False),
    Column("params_json", String, nullable=False),
    Column("author", String(80), nullable=False),
    Column("created_at", String(40), nullable=False),
)

proposals = Table(
    "proposal",
    metadata,
    Column("proposal_id", String(16), primary_key=True),
    Column("window_uid", ForeignKey("window.window_uid"), nullable=False),
    Column("series_id", ForeignKey("series.series_id"), nullable=False),
    Column("source", String(40), nullable=False),
    Column("seq_start", Integer, nullable=False),
    Column("seq_end", Integer, nullable=False),
    Column("direction", String(4)),
    Column("type", String(20), nullable=False),
    Column("score", Float, nullable=False),
    Column("rule_version", String(40)),  # of the rule that proposed it, which need not be stored
    Column("run_id", String(200)),
    Column("edge_entropy", Float),
    CheckConstraint("seq_start >= 0"),
    CheckConstraint(f"seq_end - seq_start BETWEEN 0 AND {WINDOW_LENGTH - 1}"),
    _one_of("type", SPAN_TYPES),
    _one_of("direction", ("up", "down")),
    Index("proposal_by_bar", "series_id", "seq_start"),
)

spans = Table(
    "span",
    metadata,
    Column("span_id", String(20), primary_key=True),
    Column("series_id", ForeignKey("series.series_id"), nullable=False),
    Column("annotator", String(80), nullable=False),
    Column("seq_start", Integer, nullable=False),
    Column("seq_end", Integer, nullable=False),
    Column("type", String(20), nullable=False),
    Column("direction", String(4)),
    Column("origin", String(10), nullable=False),
    Column("proposal_id", ForeignKey("proposal.proposal_id")),
    Column("deleted_at", String(40)),
    Column("grade", String(1)),
    Column("confidence", Integer),
    Column("start_lo", Integer),  # the edges' uncertainty in bars of the series, NULL without any
    Column("start_hi", Integer),
    Column("end_lo", Integer),
    Column("end_hi", Integer),
    Column("pre_seq_start", Integer),  # first bar of the state before; its last bar is seq_start
    Column("rule_version", ForeignKey("rule.rule_version")),
    CheckConstraint("seq_start >= 0"),
    CheckConstraint(f"seq_end - seq_start BETWEEN 0 AND {WINDOW_LENGTH - 1}"),
    CheckConstraint("(start_lo IS NULL) = (start_hi IS NULL)"),
    CheckConstraint("(end_lo IS NULL) = (end_hi IS NULL)"),
    CheckConstraint("start_lo >= 0 AND start_lo <= seq_start AND seq_start <= start_hi"),
    CheckConstraint("end_lo >= 0 AND end_lo <= seq_end AND seq_end <= end_hi"),
    CheckConstraint("pre_seq_start >= 0 AND pre_seq_start < seq_start"),
    _one_of("grade", GRADES),
    _one_of("confidence", CONFIDENCES),
    _one_of("type", SPAN_TYPES),
    _one_of("direction", ("up", "down")),
    _one_of("origin", ("human", "accepted", "edited", "import")),
    Index("span_by_bar", "series_id", "annotator", "seq_start"),
)

reviews = Table(
    "review",
    metadata,
    Column("window_uid", ForeignKey("window.window_uid"), primary_key=True),
    Column("annotator", String(80), primary_key=True),
    Column("state", String(10)),  # NULL: seen or noted, but not decided
    Column("reason", String(20)),
    Column("note", String, nullable=False),
    Column("rev", Integer, nullable=False),
    Column("updated_at", String(40), nullable=False),
    Column("seconds", Float),  # from the window's first frame to the decision
    Column("mode", String(10), nullable=False, default="normal", server_default="normal"),
    _one_of("mode", REVIEW_MODES),
    CheckConstraint("seconds >= 0"),
    _one_of("state", DECISIONS),
    _one_of("reason", REJECT_REASONS),
    CheckConstraint("(COALESCE(state, '') = 'rejected') = (reason IS NOT NULL)"),
    CheckConstraint("rev >= 1"),
)

releases = Table(
    "release",
    metadata,
    Column("release_id", String(64), primary_key=True),
    Column("name", String(80), nullable=False, unique=True),
    Column("event_seq", Integer, nullable=False),
    Column("manifest_json", String, nullable=False),
    Column("created_at", String(40), nullable=False),
)

leases = Table(
    "lease",
    metadata,
    Column("window_uid", ForeignKey("window.window_uid"), primary_key=True),
    Column("annotator", String(80), nullable=False),
    Column("client_id", String(80), nullable=False),
    Column("until_ts", String(40), nullable=False),
)
"""Who works on which window right now; it lapses by itself, so the log knows nothing of it."""

preferences = Table(
    "preference",
    metadata,
    Column("annotator", String(80), primary_key=True),
    Column("name", String(80), primary_key=True),
    Column("value_json", String, nullable=False),
)

events = Table(
    "event",
    metadata,
    Column("seq", Integer, primary_key=True, autoincrement=True),
    Column("op_id", String(200), nullable=False, unique=True),
    Column("ts", String(40), nullable=False),
    Column("annotator", String(80), nullable=False),
    Column("kind", String(20), nullable=False),
    Column("window_uid", String(16)),
    Column("undoes", String(200), unique=True),
    Column("payload", String, nullable=False),
    Column("prev_hash", String(64), nullable=False),
    Column("hash", String(64), nullable=False),
    Index("event_by_window", "window_uid"),
)

STATE_TABLES = {
    table.name: table
    for table in (series, windows, aliases, rules, proposals, spans, reviews, releases)
}
"""Tables that the events rebuild, parents before children."""

_APPEND_ONLY = "events are append-only"
_GUARD = {
    "sqlite": [
        f"CREATE TRIGGER event_no_{verb.lower()} BEFORE {verb} ON event "
        f"BEGIN SELECT RAISE(ABORT, '{_APPEND_ONLY}'); END"
        for verb in ("UPDATE", "DELETE")
    ],
    "postgresql": [
        "CREATE OR REPLACE FUNCTION event_is_append_only() RETURNS trigger LANGUAGE plpgsql AS $$ "
        f"BEGIN RAISE EXCEPTION '{_APPEND_ONLY}' USING ERRCODE = 'integrity_constraint_violation'; "
        "END $$",
        "CREATE TRIGGER event_no_change BEFORE UPDATE OR DELETE OR TRUNCATE ON event "
        "EXECUTE FUNCTION event_is_append_only()",
    ],
}
for _dialect, _statements in _GUARD.items():
    for _statement in _statements:
        event.listen(events, "after_create", DDL(_statement).execute_if(dialect=_dialect))
