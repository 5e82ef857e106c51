"""Stores as older versions of Moola left them: their tables, and rows that they wrote themselves.

``schema_1/`` holds the statements of schema 1 in both dialects and the rows of a store in which
every operation of that version was done, written down before schema 2 was thought of.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, MetaData, create_engine, text

HERE = Path(__file__).parent
NEWEST_SCHEMA_WRITTEN_DOWN = "1"


def rows(schema: str) -> dict[str, list[dict[str, Any]]]:
    return json.loads((HERE / f"schema_{schema}" / "rows.json").read_text(encoding="utf-8"))


def write(url: str, schema: str) -> None:
    """Make a store of an old schema at an empty place."""
    engine = create_engine(url)
    with engine.begin() as connection:
        for statement in _statements(engine, schema):
            connection.execute(text(statement))
        old = MetaData()
        old.reflect(connection)
        for table in old.sorted_tables:
            if found := rows(schema)[table.name]:
                connection.execute(table.insert(), found)
        if engine.dialect.name == "postgresql":  # as if its own sequence had numbered them
            connection.execute(text("SELECT setval('event_seq_seq', (SELECT max(seq) FROM event))"))
    engine.dispose()


def _statements(engine: Engine, schema: str) -> list[str]:
    script = (HERE / f"schema_{schema}" / f"{engine.dialect.name}.sql").read_text(encoding="utf-8")
    return [part for part in script.split(";\n\n") if part.strip()]
