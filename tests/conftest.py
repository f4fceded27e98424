"""What every test may use: a fresh, migrated database on SQLite and on a real PostgreSQL.

`database_url` and `engine` run a test once per kind of database. Tests whose server is not installed are left out and
the summary says so; with WHYDENIED_TEST_ALL=1 that is an error.
"""

import os
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import psycopg
import pytest
import structlog
from argon2 import PasswordHasher
from postgres_server import HOW_TO_INSTALL, PostgresServer, find_binaries
from private_server import missing_fixtures
from sqlalchemy import Engine
from templates import copy_database

from service.store.engine import migrate, open_engine
from service.store.record import Record
from service.web import passwords

_HAS_POSTGRES = find_binaries() is not None
_MISSING = missing_fixtures() | ({} if _HAS_POSTGRES else {"postgres_server": HOW_TO_INSTALL})
_NUMBERS = count()
_LONGEST = (
    *("test_worker_killed", "test_api_contract", "test_browser_look", "test_browser_review", "test_browser_hostile"),
    *("test_browser_sources", "test_browser_accounts", "test_demo", "test_chaos", "test_compose", "test_carriers"),
    *("test_planted_secrets", "test_packs", "test_worker", "test_asking", "test_aws_layers", "test_durability"),
    *("test_rabbitmq", "test_elastalert", "test_daemons", "test_ingest_crash", "test_api_process", "test_prompts"),
)
_EMPTY = f"""
DO $$ DECLARE name text; BEGIN
  PERFORM pg_terminate_backend(pid) FROM pg_stat_activity
    WHERE datname = current_database() AND pid <> pg_backend_pid();
  FOR name IN SELECT nspname FROM pg_namespace WHERE nspname !~ '^pg_' AND nspname <> 'information_schema'
    AND nspname <> 'public' LOOP EXECUTE format('DROP SCHEMA %I CASCADE', name); END LOOP;
  {" ".join(f"DELETE FROM {table.name};" for table in reversed(Record.metadata.sorted_tables))}
END $$
"""


def pytest_configure(config: pytest.Config) -> None:
    _make_cheap()
    if os.environ.get("WHYDENIED_TEST_ALL") == "1" and _MISSING:
        pytest.exit(f"the whole suite needs more than is here: {_MISSING}", returncode=4)


def _make_cheap() -> None:
    """Logs without local variables, which take seconds to print, and hashes of passwords at a token cost."""
    renderers = [structlog.processors.format_exc_info, structlog.processors.JSONRenderer()]
    structlog.configure(processors=[structlog.processors.add_log_level, *renderers])
    passwords._HASHER = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Files that take long come first, so that no worker is left with one of them when the others are done."""
    places = {stem: place for place, stem in enumerate(_LONGEST)}
    items.sort(key=lambda item: places.get(item.path.stem, len(places)))
    if _MISSING:
        left_out = [item for item in items if not _MISSING.keys().isdisjoint(getattr(item, "fixturenames", ()))]
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if item not in left_out]


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    for fixture, what_to_do in _MISSING.items():
        terminalreporter.section(f"NOT TESTED ON {fixture.replace('_', ' ').upper()}", sep="!", red=True, bold=True)
        terminalreporter.line(f"Tests that need it were left out; {what_to_do}.")


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[PostgresServer]:
    """A private PostgreSQL server; one per session, and per worker of a parallel run."""
    server = PostgresServer()
    yield server
    server.close()


@pytest.fixture(scope="session")
def postgres_url(postgres_server: PostgresServer) -> str:
    """The address of the private server's own database."""
    return postgres_server.url()


@pytest.fixture(scope="session")
def migrated_postgres_url(postgres_server: PostgresServer) -> str:
    """A migrated database on the private server, which tests share one after the other."""
    _on_server(postgres_server.url(), "CREATE DATABASE migrated")
    engine = open_engine(postgres_server.url("migrated"))
    migrate(engine)
    engine.dispose()
    return postgres_server.url("migrated")


@pytest.fixture
def sqlite_url(tmp_path: Path) -> str:
    """A fresh, migrated SQLite database."""
    return copy_database(tmp_path / "whydenied.db")


@pytest.fixture
def empty_postgres_url(postgres_server: PostgresServer) -> Iterator[str]:
    """A new PostgreSQL database without any table; making one takes most of a second."""
    name = f"test_{next(_NUMBERS)}"
    _on_server(postgres_server.url(), f"CREATE DATABASE {name}")
    yield postgres_server.url(name)
    _on_server(postgres_server.url(), f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def fresh_postgres_url(migrated_postgres_url: str) -> str:
    """A migrated PostgreSQL database without any row. A test may add schemas, but not change these tables."""
    _on_server(migrated_postgres_url, _EMPTY)
    return migrated_postgres_url


@pytest.fixture(params=["sqlite", "postgresql"] if _HAS_POSTGRES else ["sqlite"])
def database_url(request: pytest.FixtureRequest) -> str:
    """A fresh, migrated database, of either kind."""
    url: str = request.getfixturevalue("sqlite_url" if request.param == "sqlite" else "fresh_postgres_url")
    return url


@pytest.fixture
def engine(database_url: str) -> Iterator[Engine]:
    """An engine on `database_url`."""
    opened = open_engine(database_url)
    yield opened
    opened.dispose()


def _on_server(url: str, statement: str) -> None:
    with psycopg.connect(url, autocommit=True) as conn:
        conn.execute(statement)
