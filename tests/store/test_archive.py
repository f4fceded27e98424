"""Export, import and move: everything of worth arrives, once, and nothing that grants access leaves."""

import json
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from postgres_server import PostgresServer
from sqlalchemy import Connection, Engine, select, text
from templates import copy_database

from connectors.base import Auth
from service.domain import Answer
from service.keyring import Keyring
from service.store import access, connections
from service.store.activity import note_activity
from service.store.analyses import add_analysis
from service.store.archive import export_lines, take_time
from service.store.archive_intake import NotAnArchive, Taken, import_lines
from service.store.engine import migrate, open_engine
from service.store.failures import get_failure
from service.store.handling import snooze
from service.store.moving import NotMoved, move_all
from service.store.occurrence import Occurrence
from service.store.record import Record
from service.store.reviews import review
from service.store.tables import Failure
from service.store.writer import Writer

SECRET = "the-secret-of-the-sender"
HASH = "argon2-hash-of-a-password"


def fill(engine: Engine, occur: Callable[..., Occurrence], answered: Callable[..., Answer]) -> Engine:
    """A database with some of everything that is exported, and with what must not be."""
    writer = Writer(engine)
    writer.start()
    stored = writer.submit(
        [
            occur(fingerprint="known", rule="1", grouping_key="g", attributes={"deep": [1.5, None]}),
            occur(
                fingerprint="known", rule="1", minute=1, text="Zugriff verweigert \u2603\U0001f511", service_name="shop"
            ),
            occur(fingerprint="asked", connection="loki"),
            occur(fingerprint="nobody", state="resolved"),
        ]
    ).result(20)
    writer.stop()
    known, asked = str(stored[0].failure_id), str(stored[2].failure_id)
    with engine.begin() as conn:
        add_analysis(conn, asked, answered("a-model-said"))
        mine = answered("mine", title="Bob lacks a grant")
        first = found(conn, known)
        answer = str(first.current_analysis_id)
        review(conn, answer, "ana", "correct", expected_version=first.version, corrected=mine, note="see\nhere")
        snooze(conn, asked, "ana", expected_version=found(conn, asked).version, until=None, wake_on_event=True)
        note_activity(conn, "ana", "key made", "ci")
        connections.create_connection(conn, Keyring(b"k" * 32), "sentry", "sentry", Auth("signature", (SECRET,)))
        access.create_api_key(conn, "ci", ["read"])
        account = access.create_account(conn, "ana@example.com", HASH, "admin")
        access.open_session(conn, account.id, timedelta(hours=1))
    return engine


def found(conn: Connection, failure_id: str) -> Failure:
    failure = get_failure(conn, failure_id)
    assert failure is not None
    return failure


@pytest.fixture
def filled(engine: Engine, occur: Callable[..., Occurrence], answered: Callable[..., Answer]) -> Engine:
    return fill(engine, occur, answered)


@pytest.fixture
def empty(tmp_path: Path) -> Iterator[Engine]:
    """Another database, without a row."""
    opened = open_engine(copy_database(tmp_path / "empty.db"))
    yield opened
    opened.dispose()


def export(engine: Engine, *, with_events: bool = True) -> list[bytes]:
    return list(export_lines(engine, with_events=with_events))


def take(engine: Engine, lines: list[bytes]) -> tuple[Taken, dict[int, str]]:
    reports: dict[int, str] = {}
    return import_lines(engine, lines, reports.__setitem__), reports


def rows(lines: list[bytes]) -> list[dict[str, Any]]:
    return [json.loads(line) for line in lines]


def changed(line: bytes, **fields: Any) -> bytes:
    return json.dumps({**json.loads(line), **fields}).encode()


def place(lines: list[bytes], kind: str) -> int:
    """The index of the first line of a kind."""
    return next(number for number, row in enumerate(rows(lines)) if row.get("kind") == kind)


@pytest.mark.parametrize("with_events", [True, False])
def test_what_was_exported_and_imported_is_exported_the_same(filled: Engine, empty: Engine, with_events: bool) -> None:
    first = export(filled, with_events=with_events)
    taken, reports = take(empty, first)
    assert (reports, taken.left_out) == ({}, 0)
    assert rows(export(empty, with_events=with_events)) == rows(first)
    assert sum(taken.added.values()) == len(first) - 2
    kinds = {row.get("kind") for row in rows(first)} - {None}
    assert kinds == set(taken.added) - (set() if with_events else {"event"})


def test_importing_again_adds_nothing(filled: Engine, empty: Engine) -> None:
    lines = export(filled)
    for engine in (filled, empty, empty):
        taken, reports = take(engine, lines)
        assert reports == {}
    assert (sum(taken.added.values()), sum(taken.there.values())) == (0, len(lines) - 2)
    assert rows(export(empty)) == rows(lines)


def test_an_import_without_events_leaves_those_that_are_there(filled: Engine) -> None:
    before = export(filled)
    assert take(filled, export(filled, with_events=False))[1] == {}
    assert export(filled) == before


def test_nothing_that_grants_access_is_exported(filled: Engine) -> None:
    told = b"\n".join(export(filled)).decode()
    for secret in (SECRET, HASH, "argon2", "wd_", "digest", "gAAAA", "key made"):
        assert secret not in told
    with filled.connect() as conn:
        for table in ("connection", "api_key", "account", "session"):
            for (key,) in conn.execute(select(Record.metadata.tables[table].c.id)):
                assert key not in told


def test_what_differs_stays_as_it_is_here_and_is_told_by_its_line(filled: Engine) -> None:
    lines = export(filled)
    at = place(lines, "failure")
    taken, reports = take(filled, [*lines[:at], changed(lines[at], event_count=99), *lines[at + 1 :]])
    assert list(reports) == [at + 1]
    assert "event_count" in reports[at + 1]
    assert "empty database" in reports[at + 1]
    assert taken.left_out == 1
    assert export(filled) == lines


def test_the_same_denial_under_another_id_is_told_with_all_that_belongs_to_it(filled: Engine) -> None:
    lines = export(filled)
    at = place(lines, "failure")
    mine = json.loads(lines[at])["id"].encode()
    renamed = [line.replace(mine, b"00000000-0000-7000-8000-000000000000") for line in lines]
    _, reports = take(filled, renamed)
    assert "fingerprint" in reports[at + 1]
    assert "is not here" in reports[place(lines, "excerpt") + 1]
    assert export(filled) == lines


BROKEN = {
    b"{": "not a line",
    b"\xff": "not a line",
    b"[" * 100_000: "not a line",
    b"[]": "no kind",
    b'{"kind": "account", "id": "a"}': "no kind",
    b'{"kind": "review", "id": "a"}': "review.failure_id",
    b'{"kind": "sighting", "failure_id": "a", "zork": 1}': "zork",
}
UNSHOWABLE: list[tuple[str, dict[str, Any], str]] = [
    ("failure", {"status": "zork"}, "refuses"),
    ("failure", {"cause": "zork"}, "cause may not be"),
    ("failure", {"event_count": 2**70}, "refuses"),
    ("failure", {"last_seen": "yesterday"}, "failure.last_seen"),
    ("failure", {"last_seen": "2026-01-01T00:00:00"}, "which zone"),
    ("analysis", {"answer": {"title": "damaged"}}, "answer."),
    ("review", {"decision": "zork"}, "refuses"),
]


def test_a_line_that_is_no_row_is_told_and_the_rest_imported(filled: Engine, empty: Engine) -> None:
    lines = export(filled)
    taken, reports = take(empty, [lines[0], *BROKEN, *lines[1:]])
    assert list(reports) == list(range(2, 2 + len(BROKEN)))
    for why, told in zip(reports.values(), BROKEN.values(), strict=True):
        assert told in why
    assert sum(taken.added.values()) == len(lines) - 2


def test_a_row_that_pages_could_not_show_is_left_out(filled: Engine) -> None:
    lines = export(filled)
    unique = {"failure": "fingerprint", "analysis": "producer_name", "review": "note"}
    bad = [
        changed(lines[place(lines, kind)], **{"id": f"bad-{number}", unique[kind]: f"bad-{number}", **fields})
        for number, (kind, fields, _) in enumerate(UNSHOWABLE)
    ]
    taken, reports = take(filled, [lines[0], *bad, lines[-1]])
    assert sum(taken.added.values()) == 0
    for number, (_, _, told) in enumerate(UNSHOWABLE):
        assert told in reports[number + 2]
    assert export(filled) == lines


def test_a_file_that_was_cut_or_has_lost_a_line_is_told(filled: Engine, empty: Engine) -> None:
    lines = export(filled)
    assert "export it again" in take(empty, lines[:-1])[1][len(lines) - 1]
    without = place(lines, "activity")
    assert "lost lines" in take(empty, lines[:without] + lines[without + 1 :])[1][len(lines) - 1]


@pytest.mark.parametrize("first", [[], [b""], [b"{}"], [b"[1]"], [b'{"whydenied": "export", "format": 2}']])
def test_another_file_is_refused_as_a_whole(empty: Engine, first: list[bytes]) -> None:
    with pytest.raises(NotAnArchive):
        take(empty, first)


@pytest.fixture
def postgres(fresh_postgres_url: str) -> Iterator[Engine]:
    opened = open_engine(fresh_postgres_url)
    yield opened
    opened.dispose()


def contents(engine: Engine) -> dict[str, list[tuple[Any, ...]]]:
    """Every row of every table."""
    with engine.connect() as conn:
        tables = Record.metadata.sorted_tables
        return {
            table.name: [tuple(row) for row in conn.execute(select(table).order_by(*table.primary_key))]
            for table in tables
        }


def test_everything_moves_to_postgresql_with_secrets_still_encrypted(
    empty: Engine, postgres: Engine, occur: Callable[..., Occurrence], answered: Callable[..., Answer]
) -> None:
    source, moved = fill(empty, occur, answered), {}
    move_all(source, postgres, moved.__setitem__)
    assert contents(postgres) == contents(source)
    assert moved == {name: len(table) for name, table in contents(source).items()}
    assert moved["connection"] == moved["account"] == moved["api_key"] == moved["session"] == 1
    with postgres.connect() as conn:
        [connection] = connections.list_connections(conn)
        assert SECRET not in connection.auth
        assert connections.auth_of(Keyring(b"k" * 32), connection).secrets == (SECRET,)
        assert access.find_account(conn, "ana@example.com") is not None


def test_a_move_or_an_export_may_count_a_large_table_and_wait_for_a_slow_disk(postgres: Engine) -> None:
    bounds = text(
        "SELECT sum(setting::int) FROM pg_settings WHERE name ~ '^(statement|idle_in_transaction).*_timeout$'"
    )
    with postgres.begin() as conn:
        assert conn.execute(bounds).scalar_one() == 90_000
        take_time(conn)
        assert conn.execute(bounds).scalar_one() == 0
    with postgres.connect() as conn:
        assert conn.execute(bounds).scalar_one() == 90_000


def test_a_move_into_a_filled_database_changes_nothing(
    empty: Engine, postgres: Engine, occur: Callable[..., Occurrence], answered: Callable[..., Answer]
) -> None:
    with postgres.begin() as conn:
        access.create_account(conn, "there@example.com", HASH, "admin")
    before = contents(postgres)
    with pytest.raises(NotMoved, match="account"):
        move_all(fill(empty, occur, answered), postgres, lambda *_: None)
    assert contents(postgres) == before


def test_a_move_that_the_target_refuses_half_way_leaves_it_empty(
    empty: Engine, postgres: Engine, occur: Callable[..., Occurrence], answered: Callable[..., Answer]
) -> None:
    source = fill(empty, occur, answered)
    with source.begin() as conn:
        conn.exec_driver_sql("UPDATE event SET http_status = 99999999999")
    with pytest.raises(NotMoved, match="refused"):
        move_all(source, postgres, lambda *_: None)
    assert not any(contents(postgres).values())


def test_a_dump_of_postgresql_is_restored_as_documented(
    postgres: Engine,
    postgres_server: PostgresServer,
    empty_postgres_url: str,
    occur: Callable[..., Occurrence],
    answered: Callable[..., Answer],
    tmp_path: Path,
) -> None:
    fill(postgres, occur, answered)
    url = postgres.url.set(drivername="postgresql").render_as_string()
    postgres_server.run_client("pg_dump", "--format=custom", f"--file={tmp_path}/why.dump", url)
    postgres_server.run_client("pg_restore", "--no-owner", f"--dbname={empty_postgres_url}", f"{tmp_path}/why.dump")
    restored = open_engine(empty_postgres_url)
    migrate(restored)
    assert contents(restored) == contents(postgres)
    restored.dispose()
