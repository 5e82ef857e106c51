"""Bring a store of an older schema up to this one: Alembic's operations, one script a schema.

``meta.schema`` is the one record of a store's schema. Alembic would keep its own in a table
``alembic_version``; a second truth could differ from the first, and versions of Moola older than
the migrations read the first. So its revisions are named like the schemas, and this module walks
them itself, in the transaction of its caller: all scripts are done, or none.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from sqlalchemy import Connection, update

from moola.store import tables

if TYPE_CHECKING:
    from alembic.script import ScriptDirectory


def upgrade(connection: Connection, version: str) -> None:
    """Turn the tables of schema `version` into those of `tables.SCHEMA_VERSION`."""
    # loaded here, since a store is upgraded once and opened every day
    from alembic.migration import MigrationContext
    from alembic.operations import Operations

    logging.getLogger("alembic").setLevel(logging.WARNING)  # it tells of its own plug-ins
    newer = scripts().iterate_revisions(tables.SCHEMA_VERSION, version)
    with Operations.context(MigrationContext.configure(connection)):
        for script in reversed(list(newer)):
            script.module.upgrade()
    schema = update(tables.meta).where(tables.meta.c.key == "schema")
    connection.execute(schema.values(value=tables.SCHEMA_VERSION))


def scripts() -> ScriptDirectory:
    """Return the scripts of this package."""
    from alembic.config import Config
    from alembic.script import ScriptDirectory

    config = Config()
    config.set_main_option("script_location", "moola.store:migrations")
    config.set_main_option("path_separator", "os")
    return ScriptDirectory.from_config(config)
