"""While a new release is rolled out, the previous one goes on writing: each migration leaves it what it needs."""

from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from alembic import command
from postgres_server import PostgresServer
from sqlalchemy import Engine, inspect, text

from service.store import schema
from service.store.engine import open_engine

REVISIONS = sorted(path.name[:4] for path in (Path(schema.__file__).parent / "migrations/versions").glob("0*.py"))
Shape = dict[str, dict[str, Any]]


def shape_of(engine: Engine) -> Shape:
    """Each table's columns as type and whether they must be given, and what it demands of them."""
    inspector = inspect(engine)
    return {
        table: {
            "columns": {
                one["name"]: (str(one["type"]), not one["nullable"] and one["default"] is None)
                for one in inspector.get_columns(table)
            },
            "unique": {tuple(one["column_names"]) for one in inspector.get_unique_constraints(table)}
            | {tuple(one["column_names"]) for one in inspector.get_indexes(table) if one["unique"]},
            "foreign": {
                (*one["constrained_columns"], one["referred_table"]) for one in inspector.get_foreign_keys(table)
            },
            "checks": {one["sqltext"] for one in inspector.get_check_constraints(table)},
        }
        for table in inspector.get_table_names()
    }


def steps(engine: Engine) -> dict[str, Shape]:
    """The tables after each migration of an empty database."""
    found = {}
    for revision in REVISIONS:
        with engine.begin() as conn:
            command.upgrade(schema._config(conn), revision)
        found[revision] = shape_of(engine)
    engine.dispose()
    return found


@pytest.fixture(scope="module")
def on_sqlite(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Shape]:
    return steps(open_engine(f"sqlite:///{tmp_path_factory.mktemp('rolling')}/steps.db"))


@pytest.fixture(scope="module")
def on_postgresql(postgres_server: PostgresServer) -> dict[str, Shape]:
    postgres_server.run_client("createdb", f"--maintenance-db={postgres_server.url()}", "rolling")
    return steps(open_engine(postgres_server.url("rolling")))


def test_what_the_previous_release_writes_still_fits_on_sqlite(on_sqlite: dict[str, Shape]) -> None:
    for before, after in pairwise(REVISIONS):
        check_fit(on_sqlite, before, after)


def test_what_the_previous_release_writes_still_fits_on_postgresql(on_postgresql: dict[str, Shape]) -> None:
    for before, after in pairwise(REVISIONS):
        check_fit(on_postgresql, before, after)


def check_fit(shapes: dict[str, Shape], before: str, after: str) -> None:
    new = shapes[after]
    for table, old in shapes[before].items():
        assert table in new, f"{after} drops the table {table}"
        columns = new[table]["columns"]
        for name, (kind, was_needed) in old["columns"].items():
            assert name in columns, f"{after} drops {table}.{name}"
            assert columns[name][0] == kind, f"{after} changes the type of {table}.{name}"
            assert was_needed or not columns[name][1], f"{after} makes {table}.{name} mandatory"
        added = {name for name, (_, is_needed) in columns.items() if is_needed} - old["columns"].keys()
        assert not added, f"{after} adds mandatory columns to {table}: {added}"
        assert new[table]["unique"] <= old["unique"], f"{after} makes more of {table} unique"
        assert new[table]["checks"] <= old["checks"], f"{after} checks more of {table}"
        added_keys = {key for key in new[table]["foreign"] - old["foreign"] if set(key[:-1]) & old["columns"].keys()}
        assert not added_keys, f"{after} binds old columns of {table} to other tables: {added_keys}"


def test_a_running_process_stays_ready_on_a_newer_schema(engine: Engine) -> None:
    with engine.connect() as conn:
        assert schema.is_current(conn)
        conn.execute(text("UPDATE alembic_version SET version_num = '9999'"))
        assert schema.is_current(conn)
        conn.execute(text("UPDATE alembic_version SET version_num = '0001'"))
        assert not schema.is_current(conn)
        conn.rollback()
