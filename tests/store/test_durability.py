"""Nothing acknowledged is lost, whatever dies: the process, the database, or the connection between them."""

import random
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from postgres_server import PostgresServer
from sqlalchemy import Engine, delete, event, func, select, text

from service.store import writer as writer_module
from service.store.engine import open_engine
from service.store.failures import FailureFilter, list_failures
from service.store.occurrence import Occurrence
from service.store.tables import events, failures
from service.store.writer import StoreUnavailable, Writer

Occur = Callable[..., Occurrence]
_CUT = """SELECT pg_terminate_backend(pid) FROM pg_stat_activity
WHERE pid <> pg_backend_pid() AND datname = current_database()"""
_SCRIPT = Path(__file__).parents[1] / "support" / "writer_process.py"


@pytest.fixture
def sqlite_engine(sqlite_url: str) -> Iterator[Engine]:
    engine = open_engine(sqlite_url, busy_timeout=0.05)
    yield engine
    engine.dispose()


@pytest.fixture
def sqlite_writer(sqlite_engine: Engine) -> Iterator[Writer]:
    writer = Writer(sqlite_engine)
    writer.start()
    yield writer
    writer.stop()


def start_process(url: str, seed: int, count: int) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, str(_SCRIPT), url, str(seed), str(count)], stdout=subprocess.PIPE, text=True
    )


def assert_consistent(engine: Engine) -> set[str]:
    """Every event is there once, every count is the number of events; returns the events' ids."""
    with engine.connect() as conn:
        ids = list(conn.execute(select(events.c.source_id)).scalars())
        counted = dict(conn.execute(select(failures.c.id, failures.c.event_count)).all())
        kept = dict(conn.execute(select(events.c.failure_id, func.count()).group_by(events.c.failure_id)).all())
    assert len(ids) == len(set(ids))
    assert counted == kept
    return set(ids)


def test_what_was_acknowledged_before_a_kill_is_there_once(engine: Engine, database_url: str) -> None:
    acknowledged: set[str] = set()
    for _ in range(2):
        process = start_process(database_url, seed=1, count=100_000)
        assert process.stdout is not None
        for _ in range(random.randint(1, 400)):
            acknowledged.add(process.stdout.readline().split()[0])
        process.send_signal(signal.SIGKILL)
        lines = process.stdout.read().splitlines(keepends=True)
        acknowledged.update(line.split()[0] for line in lines if line.endswith("\n"))
        process.wait(60)
        process.stdout.close()
    assert acknowledged <= assert_consistent(engine)


def test_two_writer_processes_count_right_and_never_lock_each_other_out(engine: Engine, database_url: str) -> None:
    processes = [start_process(database_url, seed, 600) for seed in (1, 2)]
    told = [process.communicate(timeout=90)[0].split("\n") for process in processes]
    assert [process.returncode for process in processes] == [0, 0]
    new = [line.split()[0] for lines in told for line in lines if line.endswith("new")]
    assert sorted(new) == sorted(f"e{number}" for number in range(600))
    assert assert_consistent(engine) == set(new)
    if engine.dialect.name == "postgresql":
        with engine.connect() as conn:
            query = text("SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()")
            assert conn.execute(query).scalar_one() == 0


def test_a_failure_deleted_by_somebody_else_is_made_again(engine: Engine, occur: Occur) -> None:
    writer = Writer(engine)
    writer.start()
    writer.submit([occur()]).result(20)
    with engine.begin() as conn:
        conn.execute(delete(failures))
    [again] = writer.submit([occur(rule="v1")]).result(20)
    assert again.new_failure
    assert again.analysis_id
    writer.stop()
    assert len(assert_consistent(engine)) == 1


def test_a_locked_sqlite_file_refuses_and_recovers(sqlite_url: str, sqlite_writer: Writer, occur: Occur) -> None:
    other = sqlite3.connect(sqlite_url.removeprefix("sqlite:///"), isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    refused = occur()
    with pytest.raises(StoreUnavailable, match="locked"):
        sqlite_writer.submit([refused]).result(20)
    other.execute("ROLLBACK")
    other.close()
    assert not sqlite_writer.submit([refused]).result(20)[0].duplicate


@pytest.mark.parametrize(
    ("trouble", "cure"), [("max_page_count=1", "max_page_count=99999"), ("query_only=1", "query_only=0")]
)
def test_a_full_or_read_only_sqlite_file_refuses_and_recovers(
    sqlite_engine: Engine, sqlite_writer: Writer, occur: Occur, trouble: str, cure: str
) -> None:
    pragma = [trouble]

    def limit(dbapi_connection: sqlite3.Connection, _: Any) -> None:
        dbapi_connection.execute(f"PRAGMA {pragma[0]}")

    event.listen(sqlite_engine, "connect", limit)
    sqlite_engine.dispose()
    with pytest.raises(StoreUnavailable, match=r"full|readonly"):
        sqlite_writer.submit([occur(text="x" * 1_000_000)]).result(20)
    pragma[0] = cure
    assert sqlite_writer.submit([occur()]).result(20)
    assert_consistent(sqlite_engine)


@contextmanager
def blocked(engine: Engine) -> Iterator[None]:
    """Somebody holds a lock that every writer needs."""
    with engine.begin() as other:
        if engine.dialect.name == "postgresql":
            other.execute(text("LOCK TABLE event IN ACCESS EXCLUSIVE MODE"))
        yield


def test_a_stalled_database_refuses_instead_of_hanging(
    database_url: str, engine: Engine, occur: Occur, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writer_module, "_STALLED_AFTER", 0.0)
    impatient = open_engine(database_url, busy_timeout=1.0)
    writer = Writer(impatient)
    writer.start()
    with blocked(engine):
        waits = writer.submit([occur()])
        while not writer.is_stalled:
            assert not waits.done()
        with pytest.raises(StoreUnavailable, match="ten seconds"):
            writer.submit([occur()])
        with pytest.raises(StoreUnavailable):
            waits.result(60)
    assert not writer.is_stalled
    assert writer.submit([occur("after")]).result(60)
    writer.stop()
    impatient.dispose()
    assert assert_consistent(engine) == {"after"}


def test_a_cut_postgresql_connection_goes_unnoticed(fresh_postgres_url: str, occur: Occur) -> None:
    engine = open_engine(fresh_postgres_url)
    writer = Writer(engine)
    writer.start()
    for _ in range(3):
        assert writer.submit([occur(rule="v1")]).result(20)
        with engine.begin() as conn:
            conn.execute(text(_CUT))
    writer.stop()
    assert len(assert_consistent(engine)) == 3
    engine.dispose()


def test_a_postgresql_server_that_goes_away_and_comes_back(
    fresh_postgres_url: str, postgres_server: PostgresServer, occur: Occur
) -> None:
    engine = open_engine(fresh_postgres_url)
    writer = Writer(engine)
    writer.start()
    writer.submit([occur("before")]).result(20)
    postgres_server.stop()
    try:
        refused = [writer.submit([occur(f"during-{n}")]) for n in range(3)]
        for future in refused:
            with pytest.raises(StoreUnavailable):
                future.result(20)
    finally:
        postgres_server.start()
    assert not writer.submit([occur("during-0")]).result(20)[0].duplicate
    writer.stop()
    assert assert_consistent(engine) == {"before", "during-0"}
    with engine.connect() as conn:
        assert len(list_failures(conn, FailureFilter(), None, 10).items) == 1
    engine.dispose()
