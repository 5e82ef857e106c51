"""Judgements of several people: grades, uncertain edges, modes, rules, releases and leases.

Tables that only gain columns without a rule get them; ``span`` and ``review``, whose rules change,
are written anew, for SQLite can neither add nor drop a rule.
"""

from collections.abc import Callable

import sqlalchemy as sa
from alembic import op
from sqlalchemy import CheckConstraint as Check
from sqlalchemy import Column, Float, ForeignKey, Integer, String

revision = "2"
down_revision = "1"

STATES = "'verified', 'edited', 'rejected', 'flagged', 'deferred', 'stale'"
REASONS = (
    "'no_expansion', 'ambiguous_start', 'ambiguous_end', 'too_small', 'chop', 'news_spike', "
    "'gap_or_halt', 'roll', 'bad_bars', 'cut_by_view', 'duplicate', 'other'"
)
SPAN_RULES = (
    "seq_start >= 0",
    "seq_end - seq_start BETWEEN 0 AND 104",
    "(start_lo IS NULL) = (start_hi IS NULL)",
    "(end_lo IS NULL) = (end_hi IS NULL)",
    "start_lo >= 0 AND start_lo <= seq_start AND seq_start <= start_hi",
    "end_lo >= 0 AND end_lo <= seq_end AND seq_end <= end_hi",
    "pre_seq_start >= 0 AND pre_seq_start < seq_start",
    "grade IN ('A', 'B', 'C')",
    "confidence IN (1, 2, 3)",
    "type IN ('consolidation', 'retracement', 'reversal')",
    "direction IN ('up', 'down')",
    "origin IN ('human', 'accepted', 'edited', 'import')",
)
REVIEW_RULES = (
    "mode IN ('normal', 'blind', 'catch', 'repeat')",
    "seconds >= 0",
    f"state IN ({STATES})",
    f"reason IN ({REASONS})",
    "(COALESCE(state, '') = 'rejected') = (reason IS NOT NULL)",
    "rev >= 1",
)


def upgrade() -> None:
    """Turn the tables of schema 1 into those of schema 2."""
    for name, length in (("tz_exchange", 40), ("price_basis", 40), ("roll_rule", 200)):
        op.add_column("series", Column(name, String(length)))
    op.add_column("proposal", Column("rule_version", String(40)))
    op.add_column("proposal", Column("run_id", String(200)))
    op.add_column("proposal", Column("edge_entropy", Float))
    _make_new_tables()
    _write_anew("span", _make_span)
    op.create_index("span_by_bar", "span", ["series_id", "annotator", "seq_start"])
    _write_anew("review", _make_review)
    if op.get_context().dialect.name == "postgresql":
        _guard_events()


def _write_anew(name: str, make: Callable[[], None]) -> None:
    """Give a table that no other refers to its new form, with its rows."""
    columns = sa.inspect(op.get_bind()).get_columns(name)
    names = ", ".join(column["name"] for column in columns)
    op.execute(f"CREATE TEMPORARY TABLE {name}_before AS SELECT * FROM {name}")
    op.drop_table(name)
    make()
    op.execute(f"INSERT INTO {name} ({names}) SELECT {names} FROM {name}_before")
    op.execute(f"DROP TABLE {name}_before")


def _make_new_tables() -> None:
    op.create_table(
        "rule",
        Column("rule_version", String(40), primary_key=True),
        Column("text_md", String, nullable=False),
        Column("params_json", String, nullable=False),
        Column("author", String(80), nullable=False),
        Column("created_at", String(40), nullable=False),
    )
    op.create_table(
        "release",
        Column("release_id", String(64), primary_key=True),
        Column("name", String(80), nullable=False, unique=True),
        Column("event_seq", Integer, nullable=False),
        Column("manifest_json", String, nullable=False),
        Column("created_at", String(40), nullable=False),
    )
    op.create_table(
        "lease",
        Column("window_uid", String(16), ForeignKey("window.window_uid"), primary_key=True),
        Column("annotator", String(80), nullable=False),
        Column("client_id", String(80), nullable=False),
        Column("until_ts", String(40), nullable=False),
    )
    op.create_table(
        "preference",
        Column("annotator", String(80), primary_key=True),
        Column("name", String(80), primary_key=True),
        Column("value_json", String, nullable=False),
    )


def _make_span() -> None:
    op.create_table(
        "span",
        Column("span_id", String(20), primary_key=True),
        Column("series_id", String(200), ForeignKey("series.series_id"), nullable=False),
        Column("annotator", String(80), nullable=False),
        Column("seq_start", Integer, nullable=False),
        Column("seq_end", Integer, nullable=False),
        Column("type", String(20), nullable=False),
        Column("direction", String(4)),
        Column("origin", String(10), nullable=False),
        Column("proposal_id", String(16), ForeignKey("proposal.proposal_id")),
        Column("deleted_at", String(40)),
        Column("grade", String(1)),
        Column("confidence", Integer),
        Column("start_lo", Integer),
        Column("start_hi", Integer),
        Column("end_lo", Integer),
        Column("end_hi", Integer),
        Column("pre_seq_start", Integer),
        Column("rule_version", String(40), ForeignKey("rule.rule_version")),
        *map(Check, SPAN_RULES),
    )


def _make_review() -> None:
    op.create_table(
        "review",
        Column("window_uid", String(16), ForeignKey("window.window_uid"), primary_key=True),
        Column("annotator", String(80), primary_key=True),
        Column("state", String(10)),
        Column("reason", String(20)),
        Column("note", String, nullable=False),
        Column("rev", Integer, nullable=False),
        Column("updated_at", String(40), nullable=False),
        Column("seconds", Float),
        Column("mode", String(10), nullable=False, server_default="normal"),
        *map(Check, REVIEW_RULES),
    )


def _guard_events() -> None:
    """Schema 1 guarded the log in SQLite only."""
    op.execute(
        "CREATE OR REPLACE FUNCTION event_is_append_only() RETURNS trigger LANGUAGE plpgsql AS $$ "
        "BEGIN RAISE EXCEPTION 'events are append-only' "
        "USING ERRCODE = 'integrity_constraint_violation'; END $$"
    )
    op.execute(
        "CREATE TRIGGER event_no_change BEFORE UPDATE OR DELETE OR TRUNCATE ON event "
        "EXECUTE FUNCTION event_is_append_only()"
    )
