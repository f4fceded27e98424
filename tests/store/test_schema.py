"""The schema: found without a configuration file, the same from migrations and tables, safe to bring up at once."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Column, Engine, Integer, Table, text
from typer import Typer
from typer.testing import CliRunner

from service.cli.migrate import register
from service.store import schema
from service.store.engine import migrate, open_engine
from service.store.record import Record

_MIGRATE = "import sys; from service.store.engine import migrate, open_engine; migrate(open_engine(sys.argv[1]))"


@pytest.fixture
def own_engine(database_url: str, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Engine]:
    """A migrated database that no other test uses."""
    if database_url.startswith("postgresql"):
        database_url = request.getfixturevalue("empty_postgres_url")
    engine = open_engine(database_url)
    migrate(engine)
    yield engine
    engine.dispose()


def test_tables_and_migrations_agree(engine: Engine) -> None:
    assert schema.drift(engine) == []


def test_a_change_without_a_migration_is_told(own_engine: Engine) -> None:
    with own_engine.begin() as conn:
        conn.execute(text("ALTER TABLE failure ADD COLUMN surprise INTEGER"))
    assert "surprise" in str(schema.drift(own_engine))


def test_migrating_twice_changes_nothing(engine: Engine) -> None:
    migrate(engine)
    assert schema.drift(engine) == []


def test_a_database_that_was_never_migrated_says_so(tmp_path: Path) -> None:
    engine = open_engine(f"sqlite:///{tmp_path}/new.db")
    assert "revision none" in schema.drift(engine)[0]
    engine.dispose()


def test_the_schema_of_a_newer_release_is_refused(own_engine: Engine) -> None:
    with own_engine.begin() as conn:
        conn.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(schema.NewerSchema, match="run a newer release"):
        migrate(own_engine)


def test_every_constraint_has_a_name_short_enough_for_postgresql() -> None:
    for table in Record.metadata.tables.values():
        names = [constraint.name for constraint in table.constraints] + [index.name for index in table.indexes]
        assert all(name and len(str(name)) <= 63 for name in names), table.name


def test_migrations_are_numbered_and_each_follows_the_one_before() -> None:
    files = sorted((Path(schema.__file__).parent / "migrations" / "versions").glob("*.py"))
    for number, file in enumerate(files, start=1):
        assert file.name.startswith(f"{number:04}_")
        before = repr(f"{number - 1:04}") if number > 1 else "None"
        assert f"revision = '{number:04}'\ndown_revision = {before}\n" in file.read_text()


def test_several_processes_may_migrate_a_new_sqlite_file_at_once(tmp_path: Path) -> None:
    _migrate_at_once(f"sqlite:///{tmp_path}/new.db")


def test_several_processes_may_migrate_a_new_postgresql_database_at_once(empty_postgres_url: str) -> None:
    _migrate_at_once(empty_postgres_url)


def _migrate_at_once(url: str) -> None:
    processes = [subprocess.Popen([sys.executable, "-c", _MIGRATE, url]) for _ in range(2)]
    assert [process.wait(60) for process in processes] == [0, 0]
    engine = open_engine(url)
    assert schema.drift(engine) == []
    engine.dispose()


def test_the_command_line_checks_migrations_without_touching_a_database(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    app = Typer()
    register(app)
    done = CliRunner().invoke(app, ["--check"])
    assert (done.exit_code, done.output) == (0, "Tables and migrations agree.\n")
    surprise = Table("surprise", Record.metadata, Column("id", Integer))
    try:
        told = CliRunner().invoke(app, ["--check"])
    finally:
        Record.metadata.remove(surprise)
    assert told.exit_code == 1
    assert "surprise" in told.output
    assert list(tmp_path.iterdir()) == []
