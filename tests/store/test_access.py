"""API keys, accounts and sessions: found while they last, and never stored in a form that opens anything."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import Connection, Engine, text, update

from service.keyring import Keyring
from service.store import access
from service.store.access_tables import ROLES, api_keys, sessions
from service.store.sessions import revoke_sessions

HOUR = timedelta(hours=1)


def test_a_key_is_found_by_its_token_and_stored_without_it(engine: Engine) -> None:
    with engine.begin() as conn:
        made, token = access.create_api_key(conn, "ci", ["read", "ingest"])
        stored = str(conn.execute(text("SELECT * FROM api_key")).all())
        found = access.find_api_key(conn, token)
    assert token.startswith(f"wd_{made.prefix}_")
    assert token.split("_")[2] not in stored
    assert found == made
    assert found.scopes == ["ingest", "read"]


def test_a_wrong_revoked_or_expired_key_is_not_found(engine: Engine) -> None:
    with engine.begin() as conn:
        _, expired = access.create_api_key(conn, "old", ["read"], lifetime=timedelta(seconds=-1))
        made, revoked = access.create_api_key(conn, "gone", ["read"], lifetime=HOUR)
        assert access.find_api_key(conn, revoked) is not None
        assert access.revoke_api_key(conn, made.id)
        assert not access.revoke_api_key(conn, made.id)
        wrong = revoked[:-1] + ("0" if revoked[-1] != "0" else "1")
        for token in (expired, revoked, wrong, "", "wd_", "\ud800"):
            assert access.find_api_key(conn, token) is None
        assert [key.name for key in access.list_api_keys(conn)] == ["gone", "old"]


@pytest.mark.parametrize("scopes", [[], ["write"], ["read", "Admin"]])
def test_a_key_has_known_scopes(engine: Engine, scopes: list[str]) -> None:
    with engine.begin() as conn, pytest.raises(ValueError, match="scope"):
        access.create_api_key(conn, "x", scopes)


def test_the_use_of_a_key_is_written_once_a_minute(engine: Engine) -> None:
    with engine.begin() as conn:
        _, token = access.create_api_key(conn, "ci", ["read"])

    def use() -> datetime | None:
        with engine.connect() as conn:
            key = access.find_api_key(conn, token)
        assert key is not None
        access.note_use(engine, key)
        with engine.connect() as conn:
            [after] = access.list_api_keys(conn)
        return after.last_used_at

    first = use()
    assert first is not None
    assert use() == first
    with engine.begin() as conn:
        conn.execute(update(api_keys).values(last_used_at=first - HOUR))
    assert (use() or first) > first - HOUR


def test_a_preset_key_replaces_the_one_before(engine: Engine) -> None:
    with engine.begin() as conn:
        for token in ("first-preset-key", "first-preset-key", "second-preset-key"):
            access.preset_api_key(conn, token)
        assert access.find_api_key(conn, "first-preset-key") is None
        found = access.find_api_key(conn, "second-preset-key")
        assert found is not None
        assert found.scopes == ["admin"]
        access.preset_api_key(conn, "first-preset-key")
        assert access.find_api_key(conn, "first-preset-key") is not None
        with pytest.raises(ValueError, match="shorter"):
            access.preset_api_key(conn, "short")


def test_the_set_up_token_is_one_for_all_processes_of_an_installation() -> None:
    token = access.setup_token(Keyring(b"one master key"))
    assert token == access.setup_token(Keyring(b"one master key")) != access.setup_token(Keyring(b"another"))
    assert len(token) == 24


def test_only_one_of_many_makes_the_first_account(engine: Engine) -> None:
    outcomes: list[str] = []

    def set_up(number: int) -> None:
        try:
            with engine.begin() as conn:
                access.create_first_account(conn, f"admin{number}", "hash")
            outcomes.append("made")
        except access.AlreadySetUp:
            outcomes.append("late")

    threads = [threading.Thread(target=set_up, args=(number,)) for number in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == ["late"] * 4 + ["made"]
    with engine.connect() as conn:
        [account] = access.list_accounts(conn)
    assert account.role == "admin"


def test_an_account_is_found_in_any_case_and_named_once(engine: Engine) -> None:
    with engine.begin() as conn:
        made = access.create_account(conn, " Änn@Example.com ", "hash", "reviewer")
        assert access.find_account(conn, "änn@example.COM") == made
        assert access.find_account(conn, "bob@example.com") is None
        with pytest.raises(access.NameTaken):
            access.create_account(conn, "ÄNN@example.com", "hash", "viewer")
        with pytest.raises(ValueError, match=", ".join(ROLES)):
            access.create_account(conn, "bob", "hash", "root")
        assert access.count_accounts(conn) == 1


def test_the_last_admin_stays(engine: Engine) -> None:
    with engine.begin() as conn:
        ann = access.create_account(conn, "ann", "hash", "admin")
        bob = access.create_account(conn, "bob", "hash", "viewer")
    for change in ({"role": "viewer"}, {"disabled": True}):
        with pytest.raises(access.LastAdmin), engine.begin() as conn:
            access.change_account(conn, ann.id, **change)
    with engine.begin() as conn:
        assert access.change_account(conn, bob.id, role="admin")
        assert access.change_account(conn, ann.id, role="viewer", password_hash="new")
        assert not access.change_account(conn, "nobody", role="viewer")
        assert access.change_account(conn, ann.id)
        found = access.find_account(conn, "ann")
    assert found is not None
    assert (found.role, found.password_hash) == ("viewer", "new")


def test_a_session_lasts_until_it_is_over_closed_or_its_account_is(engine: Engine) -> None:
    with _people(engine) as (conn, ann, bob):
        token = access.open_session(conn, ann, HOUR)
        session = access.find_session(conn, token)
        assert session is not None
        assert session.account_id == ann
        assert token not in str(conn.execute(text("SELECT * FROM session")).all())
        assert revoke_sessions(conn, ann) == 1
        over = access.open_session(conn, ann, -HOUR)
        changed = access.open_session(conn, ann, HOUR)
        kept = access.open_session(conn, bob, HOUR)
        access.change_account(conn, ann, password_hash="new")
        disabled = access.open_session(conn, ann, HOUR)
        access.change_account(conn, ann, disabled=True)
        for ended in (token, over, changed, disabled, "", "nonsense"):
            assert access.find_session(conn, ended) is None
        assert access.find_session(conn, kept) is not None
        assert access.find_account(conn, "ann") is None


@pytest.mark.parametrize(("lifetime", "lasts"), [(12, 4), (2, 2)])
def test_a_session_in_use_lasts_on_but_not_for_ever(engine: Engine, lifetime: int, lasts: int) -> None:
    with _people(engine) as (conn, ann, _):
        token = access.open_session(conn, ann, HOUR)
        conn.execute(update(sessions).values(last_seen_at=datetime.now(UTC) - HOUR))
    with engine.connect() as conn:
        opened = access.find_session(conn, token)
    assert opened
    access.note_seen(engine, opened, lifetime * HOUR, 4 * HOUR)
    with engine.connect() as conn:
        used = access.find_session(conn, token)
    assert used
    assert lasts * HOUR <= used.expires_at - opened.created_at < lasts * HOUR + timedelta(minutes=1)


def test_sessions_that_are_over_are_cleared_away(engine: Engine) -> None:
    with _people(engine) as (conn, ann, bob):
        access.open_session(conn, ann, HOUR)
        conn.execute(update(sessions).values(expires_at=datetime.now(UTC) - HOUR))
        access.open_session(conn, bob, HOUR)
        assert conn.execute(text("SELECT count(*) FROM session")).scalar_one() == 1


@contextmanager
def _people(engine: Engine) -> Iterator[tuple[Connection, str, str]]:
    with engine.begin() as conn:
        ann = access.create_account(conn, "ann", "hash", "viewer")
        bob = access.create_account(conn, "bob", "hash", "admin")
        yield conn, ann.id, bob.id
