"""Opening databases: which are taken, how SQLite is set up, and that writers there never fail half-way."""

import stat
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine, text
from sqlalchemy.exc import DBAPIError

from service.store.engine import open_engine, to_json


@pytest.fixture
def sqlite_engine(sqlite_url: str) -> Iterator[Engine]:
    engine = open_engine(sqlite_url)
    yield engine
    engine.dispose()


def test_sqlite_is_set_up_to_survive_a_power_cut(sqlite_engine: Engine) -> None:
    with sqlite_engine.connect() as conn:
        pragmas = {
            name: conn.exec_driver_sql(f"PRAGMA {name}").scalar()
            for name in ("journal_mode", "synchronous", "foreign_keys", "busy_timeout")
        }
    assert pragmas == {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1, "busy_timeout": 10_000}


def test_a_process_that_hangs_in_a_transaction_does_not_hold_its_locks_for_ever(
    fresh_postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("service.store.engine._BOUNDS", {"idle_in_transaction_session_timeout": 100})
    opened = open_engine(fresh_postgres_url)
    with opened.connect() as hung, opened.connect() as other:
        for conn in (hung, other):
            conn.execute(text("LOCK TABLE intake"))
        hung.invalidate()
    opened.dispose()


def test_the_server_asks_machines_that_say_nothing_whether_they_are_there(fresh_postgres_url: str) -> None:
    opened = open_engine(fresh_postgres_url)
    with opened.connect() as conn:
        idle, interval, count, unanswered = (
            int(conn.execute(text(f"SELECT setting FROM pg_settings WHERE name = 'tcp_{name}'")).scalar_one())
            for name in ("keepalives_idle", "keepalives_interval", "keepalives_count", "user_timeout")
        )
    opened.dispose()
    assert idle + interval * count <= 30
    assert 0 < unanswered <= 30_000


def test_the_sqlite_file_and_its_folder_are_private(tmp_path: Path) -> None:
    engine = open_engine(f"sqlite:///{tmp_path}/new/data.db")
    with engine.begin() as conn:
        conn.execute(text("CREATE TABLE x (y INTEGER)"))
        modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "new").iterdir()}
    engine.dispose()
    assert stat.S_IMODE((tmp_path / "new").stat().st_mode) == 0o700
    assert set(modes.values()) == {0o600}
    assert set(modes) >= {"data.db", "data.db-wal"}


def test_a_writer_that_reads_first_waits_for_its_turn(sqlite_engine: Engine) -> None:
    """With a lock taken at the first write, one of two such writers would fail at once, busy time-out or not."""
    with sqlite_engine.begin() as conn:
        conn.execute(text("CREATE TABLE counter (n INTEGER)"))
        conn.execute(text("INSERT INTO counter VALUES (0)"))

    def count_up() -> None:
        for _ in range(20):
            with sqlite_engine.begin() as conn:
                n = conn.execute(text("SELECT n FROM counter")).scalar_one()
                conn.execute(text("UPDATE counter SET n = :n"), {"n": n + 1})

    threads = [threading.Thread(target=count_up) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with sqlite_engine.connect() as conn:
        assert conn.execute(text("SELECT n FROM counter")).scalar_one() == 80


def test_a_reader_waits_for_no_writer_and_sees_one_state(sqlite_engine: Engine) -> None:
    with sqlite_engine.begin() as conn:
        conn.execute(text("CREATE TABLE counter (n INTEGER)"))
    with sqlite_engine.begin() as writer, sqlite_engine.connect() as reader:
        writer.execute(text("INSERT INTO counter VALUES (1)"))
        assert reader.execute(text("SELECT count(*) FROM counter")).scalar_one() == 0
        writer.commit()
        assert reader.execute(text("SELECT count(*) FROM counter")).scalar_one() == 0


def test_a_failed_transaction_leaves_nothing(engine: Engine) -> None:
    with engine.connect() as conn:
        conn.execute(text("DELETE FROM alembic_version"))
        with pytest.raises(DBAPIError):
            conn.execute(text("SELECT nonsense"))
    with engine.connect() as conn:
        assert conn.execute(text("SELECT count(*) FROM alembic_version")).scalar_one() == 1


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("mysql://root:hunter2@db/x", "mysql databases are not supported"),
        ("sqlite://", "SQLite needs a file"),
        ("sqlite:///:memory:", "SQLite needs a file"),
        ("hunter2", "not a URL"),
        ("", "not a URL"),
    ],
)
def test_other_databases_are_refused_without_repeating_a_password(url: str, message: str) -> None:
    with pytest.raises(ValueError, match=message) as refused:
        open_engine(url)
    assert "hunter2" not in str(refused.value)


@pytest.mark.parametrize("scheme", ["postgres", "postgresql", "postgresql+psycopg", "postgresql+psycopg2"])
def test_every_way_to_write_a_postgresql_url_is_taken(scheme: str) -> None:
    engine = open_engine(f"{scheme}://user@nowhere/name")
    assert (engine.dialect.name, engine.driver) == ("postgresql", "psycopg")
    engine.dispose()


def test_errors_hide_the_values_of_a_statement(engine: Engine) -> None:
    with engine.connect() as conn, pytest.raises(Exception, match="hidden") as refused:
        conn.execute(text("SELECT * FROM nowhere WHERE a = :secret"), {"secret": "hunter2"})
    assert "hunter2" not in str(refused.value)


def test_json_holds_only_what_both_databases_take() -> None:
    odd = {"nul\x00": "a\x00b", "half": "\ud800", "number": float("inf"), 5: (1, {"x"}), "path": Path("/etc")}
    assert to_json(odd) == '{"nul\ufffd":"a\ufffdb","half":"?","number":null,"5":[1,["x"]],"path":"/etc"}'
