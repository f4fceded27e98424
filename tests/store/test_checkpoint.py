"""SQLite's log of writes: it is copied beside the writer, begins anew in time, and waits for no reader."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine

from service.store.checkpoint import checkpoint, checkpoint_for_ever
from service.store.engine import open_engine


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "store.db"


@pytest.fixture
def sqlite(file: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Engine]:
    monkeypatch.setattr("service.store.checkpoint.LONG", 20)
    engine = open_engine(f"sqlite:///{file}")
    with engine.begin() as conn:
        conn.exec_driver_sql("CREATE TABLE word (text)")
    yield engine
    engine.dispose()


def write(engine: Engine, pages: int) -> None:
    with engine.begin() as conn:
        for _ in range(pages):
            conn.exec_driver_sql("INSERT INTO word VALUES (?)", ("x" * 16_000,))


def test_what_was_committed_is_in_the_file(sqlite: Engine, file: Path) -> None:
    write(sqlite, 10)
    before = file.stat().st_size
    checkpoint(sqlite)
    assert file.stat().st_size >= before + 10 * 16_000


def test_a_long_log_begins_anew(sqlite: Engine, file: Path) -> None:
    log = file.with_name("store.db-wal")
    write(sqlite, 40)
    checkpoint(sqlite)
    size = log.stat().st_size
    for _ in range(4):
        write(sqlite, 30)
        checkpoint(sqlite)
    assert log.stat().st_size == size


def test_a_reader_who_needs_the_log_is_not_waited_for(sqlite: Engine, file: Path) -> None:
    with sqlite.connect() as reader:
        assert reader.exec_driver_sql("SELECT count(*) FROM word").scalar() == 0
        write(sqlite, 40)
        checkpoint(sqlite)
        write(sqlite, 1)
        assert reader.exec_driver_sql("SELECT count(*) FROM word").scalar() == 0
    with sqlite.connect() as conn:
        assert conn.exec_driver_sql("PRAGMA busy_timeout").scalar() == 10_000
        assert conn.exec_driver_sql("SELECT count(*) FROM word").scalar() == 41


def test_another_database_needs_none() -> None:
    engine = open_engine("postgresql://nobody@127.0.0.1:1/none")
    asyncio.run(asyncio.wait_for(checkpoint_for_ever(engine), 10))
