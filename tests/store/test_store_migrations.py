"""A store of an older schema is upgraded whole, or left as it was."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import create_engine, inspect, text

from moola.exceptions import StoreError
from moola.store import LabelStore, migrations, place, tables
from tests.store import old_stores, postgres
from tests.store.store_desk import Desk

OLD_SCHEMAS = [str(number) for number in range(1, int(tables.SCHEMA_VERSION))]


@pytest.fixture(params=OLD_SCHEMAS)
def old_url(request: pytest.FixtureRequest, store_url: str) -> str:
    old_stores.write(store_url, request.param)
    return store_url


def all_rows(url: str) -> dict[str, list[dict[str, Any]]]:
    """Return what a database holds, by table, whatever its schema."""
    database = create_engine(url)
    with database.connect() as connection:
        found = {}
        for name in inspect(connection).get_table_names():
            quoted = database.dialect.identifier_preparer.quote(name)
            rows = connection.execute(text(f"SELECT * FROM {quoted}")).mappings()
            found[name] = sorted((dict(row) for row in rows), key=repr)
    database.dispose()
    return found


def shape(url: str) -> dict[str, Any]:
    """Return everything that tells one schema from another: columns, rules, keys and indexes."""
    database = create_engine(url)
    found = {}
    with database.connect() as connection:
        inspector = inspect(connection)
        for name in inspector.get_table_names():
            found[name] = {
                "columns": {
                    column["name"]: (str(column["type"]), column["nullable"], column["default"])
                    for column in inspector.get_columns(name)
                },
                "key": inspector.get_pk_constraint(name)["constrained_columns"],
                "foreign": sorted(map(_foreign, inspector.get_foreign_keys(name))),
                "unique": sorted(
                    item["column_names"] for item in inspector.get_unique_constraints(name)
                ),
                "indexes": sorted(
                    (str(item["name"]), item["column_names"])
                    for item in inspector.get_indexes(name)
                ),
                "rules": _rules(connection, inspector, name),
            }
        found["triggers"] = _triggers(connection)
    database.dispose()
    return found


def _foreign(key: Any) -> tuple[Any, ...]:
    return key["constrained_columns"], key["referred_table"], key["referred_columns"]


def _rules(connection: Any, inspector: Any, name: str) -> list[str]:
    if connection.dialect.name == "postgresql":
        return sorted(item["sqltext"] for item in inspector.get_check_constraints(name))
    # SQLite tells of named rules only; its own record of the table holds them all
    query = text("SELECT sql FROM sqlite_master WHERE type = 'table' AND name = :name")
    lines = connection.execute(query, {"name": name}).scalar_one().splitlines()
    return sorted(line.strip(" \t,") for line in lines if "CHECK" in line)


def _triggers(connection: Any) -> list[tuple[str, str]]:
    query = {
        "sqlite": "SELECT name, sql FROM sqlite_master WHERE type = 'trigger' ORDER BY name",
        "postgresql": "SELECT tgname, replace(pg_get_triggerdef(oid), current_schema(), '') "
        "FROM pg_trigger WHERE NOT tgisinternal AND tgrelid = 'event'::regclass ORDER BY tgname",
    }[connection.dialect.name]
    return [tuple(row) for row in connection.execute(text(query))]


def test_every_schema_that_was_ever_released_is_written_down() -> None:
    written = [schema for schema in OLD_SCHEMAS if (old_stores.HERE / f"schema_{schema}").is_dir()]
    assert written == OLD_SCHEMAS
    scripts = migrations.scripts()
    revisions = [script.revision for script in scripts.walk_revisions()]
    assert sorted(revisions, key=int) == [*OLD_SCHEMAS, tables.SCHEMA_VERSION]


def test_an_old_store_keeps_every_row_and_its_log_still_proves_them(old_url: str) -> None:
    before = all_rows(old_url)
    store = LabelStore.open(old_url)
    assert store.find_damage() == [], "the chain holds and replays to what is stored"
    after = all_rows(old_url)
    for name, old_rows in before.items():
        if name != "meta":
            kept = [{key: row[key] for key in old_rows[0]} for row in after[name]]
            assert sorted(kept, key=repr) == old_rows, name
    assert after["meta"] == [{"key": "schema", "value": tables.SCHEMA_VERSION}]
    store.close()


def test_an_upgraded_store_has_the_very_schema_of_a_new_one(
    old_url: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    LabelStore.open(old_url).close()
    is_file = old_url.startswith("sqlite")
    new_url = f"sqlite:///{tmp_path / 'new.db'}" if is_file else postgres.server().new_url()
    LabelStore.open(new_url).close()
    assert shape(old_url) == shape(new_url)


def test_work_goes_on_in_an_upgraded_store(old_url: str) -> None:
    desk = Desk(old_url)
    desk.op = (f"after-{number}" for number in range(100)).__next__
    undone = [desk.undo() for _ in range(40)]
    assert undone[-1] is None, "what was done before the upgrade can be undone after it"
    assert sum(view is not None for view in undone) > 5
    (uid,) = desk.add_windows(600)
    desk.draw(uid, 50, 65)
    assert desk.store.find_damage() == []
    desk.store.close()


def test_an_upgrade_makes_a_backup_first(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'moola.db'}"
    old_stores.write(url, "1")
    before = all_rows(url)
    LabelStore.open(url).close()
    plain, kept = sorted(place.backups(tmp_path / "moola.db"), key=lambda item: item.why)
    assert (plain.why, kept.why) == ("", "schema-1")
    assert all_rows(f"sqlite:///{kept.path}") == before


def test_an_upgrade_that_fails_leaves_the_store_as_it_was(
    old_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = all_rows(old_url), shape(old_url)
    real = migrations.upgrade

    def upgrade_and_stumble(*args: Any) -> None:
        real(*args)
        raise StoreError("The power should stay on. Found it off.")

    with monkeypatch.context() as patch:
        patch.setattr(migrations, "upgrade", upgrade_and_stumble)
        with pytest.raises(StoreError, match="power"):
            LabelStore.open(old_url)
    assert (all_rows(old_url), shape(old_url)) == before
    store = LabelStore.open(old_url)
    assert store.find_damage() == []
    store.close()


def test_an_upgrade_without_room_for_its_backup_is_not_begun(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'moola.db'}"
    old_stores.write(url, "1")
    (tmp_path / "backups").write_text("a file where the folder should be")
    before = all_rows(url)
    with pytest.raises((StoreError, OSError)):
        LabelStore.open(url)
    assert all_rows(url) == before


def test_two_that_open_an_old_store_at_once_upgrade_it_once(old_url: str) -> None:
    errors: list[Exception] = []

    def open_store() -> None:
        try:
            LabelStore.open(old_url).close()
        except Exception as error:
            errors.append(error)

    threads = [threading.Thread(target=open_store) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert LabelStore.open(old_url).find_damage() == []


# what cannot be upgraded


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        ("UPDATE meta SET value = '99'", r"Found 99; a newer Moola wrote it: update this one"),
        ("UPDATE meta SET value = 'banana'", r"Found banana; no Moola has written such a schema"),
        ("UPDATE meta SET value = '0'", r"Found 0; no Moola has written such a schema"),
        ("DELETE FROM meta", r"Found none; no Moola has written such a schema"),
        ("DROP TABLE review", r"every table of its schema, .* Found it without review\. "),
        ("ALTER TABLE span DROP COLUMN origin", r"Found it without span\.origin\."),
        ("DROP TABLE meta", r"should be a label store\. Found a database without the tables meta"),
    ],
)
def test_a_store_that_cannot_be_used_is_refused_with_the_reason(
    desk: Desk, spoil: str, message: str
) -> None:
    desk.store.close()
    if desk.url.startswith("sqlite") and "DROP COLUMN" in spoil:
        pytest.skip("SQLite itself refuses to drop a column that a rule names")
    desk.edit(spoil)
    before = all_rows(desk.url)
    with pytest.raises(StoreError, match=message) as caught:
        LabelStore.open(desk.url)
    assert "\n" not in str(caught.value)
    assert all_rows(desk.url) == before
