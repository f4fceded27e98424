"""While a new release is rolled out, the previous one goes on writing: each migration leaves it what it needs."""

from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from alembic import command
from sqlalchemy import Engine, inspect, text

from service.store import schema
from service.store.engine import open_engine

REVISIONS = sorted(path.name[:4] for path in (Path(schema.__file__).parent / "migrations/versions").glob("0*.py"))
Shape = dict[str, dict[str, Any]]


def shape_of(engine: Engine) -> Shape:
    """Each table's columns as type and whether they must be given, its unique columns, and its checks."""
    inspector = inspect(engine)
    return {
        table: {
            "columns": {
                one["name"]: (str(one["type"]), not one["nullable"] and one["default"] is None)
                for one in inspector.get_columns(table)
            },
            "unique": {tuple(one["column_names"]) for one in inspector.get_unique_constraints(table)},
            "checks": {one["sqltext"] for one in inspector.get_check_constraints(table)},
        }
        for table in inspector.get_table_names()
    }


@pytest.fixture(scope="module")
def shapes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Shape]]:
    """The tables after each migration."""
    engine = open_engine(f"sqlite:///{tmp_path_factory.mktemp('rolling')}/steps.db")
    found = {}
    for revision in REVISIONS:
        with engine.begin() as conn:
            command.upgrade(schema._config(conn), revision)
        found[revision] = shape_of(engine)
    yield found
    engine.dispose()


@pytest.mark.parametrize(("before", "after"), list(pairwise(REVISIONS)))
def test_what_the_previous_release_writes_still_fits(shapes: dict[str, Shape], before: str, after: str) -> None:
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


def test_a_running_process_stays_ready_on_a_newer_schema(engine: Engine) -> None:
    with engine.connect() as conn:
        assert schema.is_current(conn)
        conn.execute(text("UPDATE alembic_version SET version_num = '9999'"))
        assert schema.is_current(conn)
        conn.execute(text("UPDATE alembic_version SET version_num = '0001'"))
        assert not schema.is_current(conn)
        conn.rollback()
