"""Connections: secrets are stored encrypted, names are unique, and only the file changes what it declares."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import Connection, Engine, text

from connectors.base import Auth
from service.keyring import Keyring, WrongKey
from service.store.connections import (
    IsDeclared,
    NameTaken,
    NoSuchConnection,
    auth_of,
    change_auth,
    change_limits,
    create_connection,
    declare,
    delete_connection,
    get_connection,
    list_connections,
)
from service.store.engine import open_engine
from service.store.limits import Limits, limits_by_connection
from service.store.occurrence import Occurrence
from service.store.pulls import Schedule, due_pulls, note_success, set_pull
from service.store.writer import Writer

KEYRING = Keyring(b"the master key of this test")
SIGNED = Auth("signature", ("hunter2", "hunter3"), tolerance=60)
BY_THE_SETTINGS = Limits()
BASIC = Auth("basic", ("hunter2",), username="ann")


@dataclass(frozen=True)
class Wanted:
    name: str
    connector: str = "generic"
    auth: Auth = SIGNED
    limits: Limits = BY_THE_SETTINGS


def test_a_connection_comes_back_as_it_went_in_and_shows_no_secret(engine: Engine) -> None:
    with engine.begin() as conn:
        create_connection(conn, KEYRING, "prod", "sentry", SIGNED)
    with engine.connect() as conn:
        stored = get_connection(conn, "prod")
        raw = str(conn.execute(text("SELECT * FROM connection")).all())
    assert stored is not None
    assert (stored.connector, stored.auth_scheme, stored.declared) == ("sentry", "signature", False)
    assert auth_of(KEYRING, stored) == SIGNED
    assert "hunter" not in raw
    with pytest.raises(WrongKey):
        auth_of(Keyring(b"another master key"), stored)


def test_a_name_is_taken_once(engine: Engine) -> None:
    with engine.begin() as conn:
        create_connection(conn, KEYRING, "prod", "sentry", SIGNED)
        with pytest.raises(NameTaken):
            create_connection(conn, KEYRING, "prod", "generic", BASIC)
        assert [one.connector for one in list_connections(conn)] == ["sentry"]


def test_secrets_rotate_and_connections_go(engine: Engine) -> None:
    with engine.begin() as conn:
        create_connection(conn, KEYRING, "prod", "sentry", SIGNED)
        change_auth(conn, KEYRING, "prod", BASIC)
        stored = get_connection(conn, "prod")
        assert stored is not None
        assert (stored.auth_scheme, auth_of(KEYRING, stored)) == ("basic", BASIC)
        delete_connection(conn, "prod")
        assert get_connection(conn, "prod") is None
        with pytest.raises(NoSuchConnection):
            delete_connection(conn, "prod")
        with pytest.raises(NoSuchConnection):
            change_auth(conn, KEYRING, "prod", BASIC)


def test_declared_connections_follow_the_file_and_nothing_else(engine: Engine) -> None:
    with engine.begin() as conn:
        create_connection(conn, KEYRING, "by-hand", "generic", SIGNED)
        declare(conn, KEYRING, [Wanted("a"), Wanted("b")])
        before = get_connection(conn, "a")
        declare(conn, KEYRING, [Wanted("a"), Wanted("c", "sentry", BASIC)])
        assert [one.name for one in list_connections(conn)] == ["a", "by-hand", "c"]
        assert get_connection(conn, "a") == before
        declare(conn, KEYRING, [Wanted("a", "sentry", BASIC)])
        after = get_connection(conn, "a")
        assert after is not None
        assert (after.connector, auth_of(KEYRING, after)) == ("sentry", BASIC)
        for refused in (lambda: delete_connection(conn, "a"), lambda: change_auth(conn, KEYRING, "a", SIGNED)):
            with pytest.raises(IsDeclared):
                refused()
        with pytest.raises(NameTaken, match="made by hand"):
            declare(conn, KEYRING, [Wanted("by-hand")])


def test_processes_that_start_at_once_declare_the_same_file(fresh_postgres_url: str) -> None:
    engine = open_engine(fresh_postgres_url)

    def start() -> None:
        with engine.begin() as conn:
            declare(conn, KEYRING, [Wanted("a")])

    with ThreadPoolExecutor(1) as pool, engine.connect() as first:
        declare(first, KEYRING, [Wanted("a")])
        other = pool.submit(start)
        while not other.done() and not is_waited_for(first):
            pass
        first.commit()
        other.result(30)
    engine.dispose()


def is_waited_for(conn: Connection) -> bool:
    return conn.execute(text("SELECT count(*) > 0 FROM pg_locks WHERE NOT granted")).scalar_one()


def test_a_file_sets_secrets_right_after_the_key_was_lost(engine: Engine) -> None:
    other = Keyring(b"another master key")
    with engine.begin() as conn:
        declare(conn, KEYRING, [Wanted("a")])
        declare(conn, other, [Wanted("a")])
        stored = get_connection(conn, "a")
    assert stored is not None
    assert auth_of(other, stored) == SIGNED


def test_the_last_delivery_is_noted_with_its_events(
    engine: Engine, writer: Writer, occur: Callable[..., Occurrence]
) -> None:
    with engine.begin() as conn:
        create_connection(conn, KEYRING, "sentry", "sentry", SIGNED)
        create_connection(conn, KEYRING, "silent", "sentry", SIGNED)
    writer.submit([occur(connection="sentry")]).result(20)
    with engine.connect() as conn:
        assert [one.last_delivery_at is not None for one in list_connections(conn)] == [True, False]


def test_limits_come_and_go_with_the_connection(engine: Engine) -> None:
    with engine.begin() as conn:
        declare(conn, KEYRING, [Wanted("a", limits=Limits(rate=5)), Wanted("b")])
        assert limits_by_connection(conn) == {"a": Limits(rate=5)}
        declare(conn, KEYRING, [Wanted("b", limits=Limits(events_per_day=7))])
        assert limits_by_connection(conn) == {"b": Limits(events_per_day=7)}
        with pytest.raises(IsDeclared):
            change_limits(conn, "b", Limits())
        create_connection(conn, KEYRING, "c", "sentry", SIGNED)
        change_limits(conn, "c", Limits(rate=0))
        assert limits_by_connection(conn)["c"].over(Limits(9, 9, 9)) == Limits(0, 9, 9)
        delete_connection(conn, "c")
        assert "c" not in limits_by_connection(conn)


def test_a_clock_that_ran_ahead_puts_no_pull_off(engine: Engine) -> None:
    now, minute = datetime.now(UTC), timedelta(minutes=1)
    wrong = now + timedelta(days=3)
    with engine.begin() as conn:
        create_connection(conn, KEYRING, "a", "generic", SIGNED)
        set_pull(conn, KEYRING, "a", Schedule({}, 60), wrong)
        note_success(conn, "a", wrong, wrong + minute)
        assert [pull.connection for pull in due_pulls(conn, now, 9)] == ["a"]
        note_success(conn, "a", now, now + minute)
        assert due_pulls(conn, now, 9) == []
