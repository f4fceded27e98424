"""`whydenied backup`, `retention`, `export`, `import` and `move`, on a database in use."""

import os
import sqlite3
import stat
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from service_site import make_answer
from sqlalchemy import select
from typer.testing import CliRunner

from connectors.base import ErrorEvent
from service.cli import build_app
from service.store.copying import copy_sqlite
from service.store.engine import migrate, open_engine
from service.store.ids import first_id_at
from service.store.occurrence import Occurrence
from service.store.tables import analyses, events, failures, unparsed
from service.store.writer import Writer

TEXT = "permission denied for table orders"


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., str]:
    for name in [name for name in os.environ if name.startswith("WHYDENIED_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("WHYDENIED_DATABASE_URL", f"sqlite:///{tmp_path}/why.db")
    monkeypatch.setenv("WHYDENIED_DATA_DIR", str(tmp_path))

    def invoke(*arguments: str, code: int = 0) -> str:
        done = CliRunner().invoke(build_app(), list(arguments))
        assert done.exit_code == code, done.output
        assert "Traceback" not in done.output
        return done.stdout + done.stderr

    return invoke


@pytest.fixture
def writer(tmp_path: Path):
    engine = open_engine(f"sqlite:///{tmp_path}/why.db")
    migrate(engine)
    writer = Writer(engine)
    writer.start()
    yield writer
    writer.stop()
    engine.dispose()


def store(writer: Writer, number: int) -> None:
    event = ErrorEvent(id=f"e{number}", text=TEXT, type="error", time=datetime.now(UTC))
    occurrence = Occurrence(
        connection="jobs",
        event=event,
        context={},
        fingerprint="f",
        fingerprint_version=1,
        answer=lambda analysis_id: make_answer(TEXT, {"id": analysis_id, "principal": None, "action": None}),
        rule_version="demo.table-denied@abc",
    )
    writer.submit([occurrence]).result(10)


def test_a_backup_of_a_database_in_use_is_whole_and_private(run, writer, tmp_path):
    for number in range(20):
        store(writer, number)
    copy = tmp_path / "copy.db"
    assert "keep the secret key" in run("backup", str(copy))
    store(writer, 20)
    assert stat.S_IMODE(copy.stat().st_mode) == 0o600
    found = sqlite3.connect(copy)
    assert found.execute("SELECT count(*) FROM event").fetchone() == (20,)
    assert found.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    found.close()


def test_a_backup_ends_although_somebody_writes_all_the_time(tmp_path):
    with closing(sqlite3.connect(tmp_path / "busy.db", isolation_level=None)) as source:
        source.execute("PRAGMA journal_mode=WAL")
        source.execute("CREATE TABLE filled (with_what)")
        source.execute("INSERT INTO filled VALUES (zeroblob(40000000))")
        with ThreadPoolExecutor(1) as pool:
            copying = pool.submit(copy_sqlite, tmp_path / "busy.db", tmp_path / "copy.db")
            deadline = time.monotonic() + 20
            while not copying.done() and time.monotonic() < deadline:
                source.execute("INSERT INTO filled VALUES (1)")
            assert copying.done()


def test_a_backup_is_restored_by_putting_it_in_place(run, writer, tmp_path, monkeypatch):
    store(writer, 1)
    run("accounts", "add", "--email", "ana@example.com")
    run("backup", str(tmp_path / "copy.db"))
    before = run("export", "-", "--events")
    (tmp_path / "copy.db").rename(tmp_path / "restored.db")
    monkeypatch.setenv("WHYDENIED_DATABASE_URL", f"sqlite:///{tmp_path}/restored.db")
    assert run("export", "-", "--events") == before
    assert "ana@example.com" in run("accounts", "list")


def test_a_backup_overwrites_nothing_and_leaves_no_half_file(run, writer, tmp_path):
    (tmp_path / "there").write_text("mine")
    assert "is there already" in run("backup", str(tmp_path / "there"), code=1)
    assert (tmp_path / "there").read_text() == "mine"
    assert "could not be written" in run("backup", str(tmp_path / "no" / "such" / "folder"), code=1)
    assert not list(tmp_path.glob(".*part"))


def test_without_a_sqlite_database_there_is_nothing_to_copy(run, monkeypatch, tmp_path):
    assert "no database" in run("backup", str(tmp_path / "copy"), code=1)
    monkeypatch.setenv("WHYDENIED_DATABASE_URL", "postgresql://localhost/why")
    assert "pg_dump" in run("backup", str(tmp_path / "copy"), code=2)


def test_retention_deletes_what_is_too_old_and_says_how_much(run, writer, tmp_path):
    store(writer, 1)
    now = datetime.now(UTC)
    old = {"connection": "jobs", "received_at": now, "reason": "r", "headers": {}, "body": ""}
    engine = open_engine(f"sqlite:///{tmp_path}/why.db")
    with engine.begin() as conn:
        conn.execute(unparsed.insert(), {"id": first_id_at(now - timedelta(days=40)), **old})
    assert run("retention", "--days", "30").startswith("1 records older than 30 days")
    with engine.connect() as conn:
        counted = [len(conn.execute(select(table.c.id)).all()) for table in (unparsed, events, failures, analyses)]
    engine.dispose()
    assert counted == [0, 1, 1, 1]


def test_retention_needs_a_number_of_days(run):
    assert "--days" in run("retention", code=2)


def test_an_export_is_private_and_overwrites_nothing(run, writer, tmp_path):
    store(writer, 1)
    file = tmp_path / "why.jsonl"
    assert "bytes" in run("export", str(file), "--events")
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert file.read_text() == run("export", "-", "--events")
    assert "is there already" in run("export", str(file), code=1)
    assert "could not be written" in run("export", str(tmp_path / "no" / "folder"), code=1)
    assert not list(tmp_path.glob(".*part"))


def test_an_import_says_what_was_added_and_what_is_in_the_way(run, writer, tmp_path, monkeypatch):
    store(writer, 1)
    file = tmp_path / "why.jsonl"
    run("export", str(file))
    monkeypatch.setenv("WHYDENIED_DATABASE_URL", f"sqlite:///{tmp_path}/other.db")
    assert "failure\t1 added\t0 were there" in run("import", str(file))
    assert "failure\t0 added\t1 were there" in run("import", str(file))
    database = sqlite3.connect(tmp_path / "other.db")
    assert database.execute("SELECT who, action FROM activity").fetchall() == [("command line", "imported")]
    database.close()
    file.write_text(file.read_text().replace('"event_count":1', '"event_count":7'))
    told = run("import", str(file), code=1)
    assert "line 2: failure" in told
    assert "event_count" in told
    assert "1 lines left out" in told


def test_what_is_no_export_is_refused_in_words(run, writer, tmp_path):
    (tmp_path / "other").write_text("hello\n")
    assert "first line" in run("import", str(tmp_path / "other"), code=2)
    assert "cannot be read" in run("import", str(tmp_path / "none"), code=2)


def test_a_move_goes_from_sqlite_to_postgresql(run, writer, fresh_postgres_url, tmp_path, monkeypatch):
    store(writer, 1)
    before = run("export", "-", "--events")
    assert "SQLite to PostgreSQL only" in run("move", "--to", f"sqlite:///{tmp_path}/new.db", code=2)
    assert "cannot be opened" in run("move", "--to", "postgresql://127.0.0.1:9/why", code=2)
    moved = run("move", "--to", fresh_postgres_url)
    assert "event\t1\n" in moved
    assert "keep the secret key" in moved
    assert "not empty" in run("move", "--to", fresh_postgres_url, code=1)
    monkeypatch.setenv("WHYDENIED_DATABASE_URL", fresh_postgres_url)
    assert run("export", "-", "--events") == before
