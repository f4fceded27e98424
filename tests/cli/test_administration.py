"""The commands of whoever runs the service: accounts, keys, connections, and what stops a start."""

import os
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from typer.testing import CliRunner

from connectors.base import Auth
from service.cli import build_app
from service.keyring import Keyring
from service.store import access
from service.store.activity import list_everything
from service.store.connections import auth_of, get_connection
from service.store.engine import open_engine
from service.web.passwords import is_password

Run = Callable[..., str]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sqlite_url: str) -> Run:
    """Runs one command on a fresh database; gives what it printed, and fails on another exit code than `code`."""
    for name in [name for name in os.environ if name.startswith("WHYDENIED_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("WHYDENIED_DATA_DIR", str(tmp_path))
    monkeypatch.setenv("WHYDENIED_DATABASE_URL", sqlite_url)

    def invoke(*arguments: str, code: int = 0, stdin: str = "") -> str:
        done = CliRunner().invoke(build_app(), list(arguments), input=stdin)
        assert done.exit_code == code, done.output
        assert "Traceback" not in done.output
        return done.output

    return invoke


def value(output: str, name: str) -> str:
    return next(line.rsplit(None, 1)[1] for line in output.splitlines() if line.startswith(name))


def test_an_account_gets_a_password_that_works(run: Run, sqlite_url: str) -> None:
    password = value(run("accounts", "add", "--email", "Ana@Example.com", "--role", "admin"), "password")
    engine = open_engine(sqlite_url)
    with engine.connect() as conn:
        account = access.find_account(conn, "ana@example.com")
    engine.dispose()
    assert account is not None
    assert account.role == "admin"
    assert is_password(password, account.password_hash)
    assert run("accounts", "list") == "ana@example.com\tadmin\n"
    assert "already" in run("accounts", "add", "--email", "ana@example.com", code=1)


def test_a_password_can_be_piped_in_and_a_weak_one_is_refused(run: Run) -> None:
    output = run("accounts", "add", "--email", "b@example.com", "--password-stdin", stdin="a long enough one\n")
    assert "password" not in output
    weak = run("accounts", "add", "--email", "c@example.com", "--password-stdin", stdin="short\n", code=2)
    assert "12 characters" in weak


def test_the_only_admin_cannot_be_locked_out(run: Run) -> None:
    run("accounts", "add", "--email", "a@example.com", "--role", "admin")
    assert "only admin" in run("accounts", "change", "--email", "a@example.com", "--disable", code=1)
    run("accounts", "add", "--email", "b@example.com", "--role", "admin")
    run("accounts", "change", "--email", "a@example.com", "--disable")
    assert "a@example.com\tadmin\tdisabled" in run("accounts", "list")
    assert "no account" in run("accounts", "change", "--email", "nobody@example.com", "--disable", code=1)


def test_a_key_is_made_listed_without_its_secret_and_revoked(run: Run) -> None:
    made = run("keys", "add", "ci", "--scope", "ingest", "--scope", "read")
    token, key_id = value(made, "key"), value(made, "id")
    assert token.startswith("wd_")
    listed = run("keys", "list")
    assert key_id in listed
    assert "ingest,read\tlive" in listed
    assert token not in listed
    run("keys", "revoke", key_id)
    assert "revoked" in run("keys", "list")
    assert "no live key" in run("keys", "revoke", key_id, code=1)


def test_connecting_prints_the_address_and_a_secret_that_is_kept_encrypted(
    run: Run, tmp_path: Path, sqlite_url: str
) -> None:
    output = run("connect", "jobs", "--connector", "generic", "--scheme", "bearer")
    secret = value(output, "secret")
    assert value(output, "address") == "http://localhost:8000/ingest/jobs"
    assert f"-H 'Authorization: Bearer {secret}'" in output
    auth = stored_auth(sqlite_url, tmp_path, "jobs", hidden=secret)
    assert auth == Auth("bearer", (secret,))
    assert run("connections", "list") == "jobs\tgeneric\tbearer\tnothing yet\n"
    run("connections", "remove", "jobs")
    assert "no connection" in run("connections", "remove", "jobs", code=1)


def test_a_secret_that_the_vendor_makes_is_given_afterwards(run: Run, tmp_path: Path, sqlite_url: str) -> None:
    assert "whydenied connections secret sentry-prod" in run("connect", "sentry-prod", "--connector", "sentry")
    assert stored_auth(sqlite_url, tmp_path, "sentry-prod") == Auth("signature")
    run("connections", "secret", "sentry-prod", "--secret", "made-by-sentry")
    auth = stored_auth(sqlite_url, tmp_path, "sentry-prod", hidden="made-by-sentry")
    assert auth == Auth("signature", ("made-by-sentry",))
    assert "no connection" in run("connections", "secret", "other", "--secret", "x", code=1)


def stored_auth(url: str, folder: Path, name: str, hidden: str = "nothing") -> Auth:
    engine = open_engine(url)
    with engine.connect() as conn:
        row = get_connection(conn, name)
    engine.dispose()
    assert row is not None
    assert hidden not in row.auth
    return auth_of(Keyring.load(folder, None), row)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("x", "--connector", "pigeon"), "the connector 'pigeon' is not known; known are airflow, alertmanager"),
        (("x", "--connector", "alertmanager", "--scheme", "signature"), "alertmanager takes the schemes bearer"),
        (("x", "--connector", "generic", "--scheme", "basic"), "needs a username"),
        (("x", "--connector", "generic", "--scheme", "header"), "needs the name of the header"),
        (("api", "--connector", "generic"), "is no name for a connection"),
        (("Not A Name", "--connector", "generic"), "is no name for a connection"),
    ],
)
def test_a_connection_that_cannot_work_is_refused_in_words(run: Run, arguments: tuple[str, ...], message: str) -> None:
    assert message in run("connect", *arguments, code=2)


def test_a_secret_that_exists_already_is_taken_and_not_printed_again(run: Run) -> None:
    output = run("connect", "hooks", "--connector", "generic", "--scheme", "url-token", "--secret", "given-by-vendor")
    assert value(output, "address").endswith("/ingest/hooks?token=given-by-vendor")
    assert "shown this once" not in output


@pytest.mark.parametrize(
    ("name", "setting", "message"),
    [
        ("WHYDENIED_LOG_LEVEL", "loud", "WHYDENIED_LOG_LEVEL: Input should be"),
        ("WHYDENIED_RULES_DIR", "/nowhere", "no rule files"),
        ("WHYDENIED_DATABASE_URL", "postgresql://nobody@127.0.0.1:1/x", "the database cannot be opened"),
        ("WHYDENIED_CONNECTIONS", "/nowhere.yaml", "cannot read /nowhere.yaml"),
        ("WHYDENIED_SECRET_KEY", "short", "WHYDENIED_SECRET_KEY must have 32 characters or more"),
    ],
)
def test_a_start_that_cannot_succeed_says_why_and_exits_2(
    run: Run, monkeypatch: pytest.MonkeyPatch, name: str, setting: str, message: str
) -> None:
    monkeypatch.setenv(name, setting)
    monkeypatch.setenv("WHYDENIED_WORKER", "false")
    assert message in run("serve", "--port", "0", code=2)


def test_migrating_twice_is_harmless_and_tells_no_password(run: Run) -> None:
    assert run("migrate") == run("migrate")
    assert "is up to date" in run("migrate")


def test_a_connection_is_tried_without_a_running_service(run: Run) -> None:
    run("connect", "tried", "--connector", "generic")
    assert "accepted, read, stored and answered by its rule" in run("connections", "test", "tried")
    run("connect", "signed-elsewhere", "--connector", "sentry")
    assert "Give the secret that Sentry made first" in run("connections", "test", "signed-elsewhere", code=1)
    assert "no connection of this name" in run("connections", "test", "nobody", code=1)


def test_people_are_signed_out_and_every_change_is_in_the_audit_log(run: Run, sqlite_url: str) -> None:
    run("accounts", "add", "--email", "ana@example.com", "--role", "admin")
    engine = open_engine(sqlite_url)
    with engine.begin() as conn:
        account = access.find_account(conn, "ana@example.com")
        assert account is not None
        about = {"address": "10.0.0.7", "user_agent": "Browser\x1b[2J/1"}
        token = access.open_session(conn, account.id, timedelta(hours=1), **about)
    assert "ana@example.com\t10.0.0.7\t" in run("accounts", "sessions")
    assert "Browser[2J/1" in run("accounts", "sessions", "--email", "ana@example.com")
    assert "signed out of 1 browsers" in run("accounts", "sign-out", "--email", "ana@example.com")
    run("accounts", "change", "--email", "ana@example.com", "--new-password")
    key = value(run("keys", "add", "ci", "--scope", "read"), "id")
    run("keys", "revoke", key)
    run("connect", "shop", "--connector", "generic")
    run("connections", "secret", "shop", "--secret", "a-new-secret-of-it")
    run("connections", "remove", "shop")
    with engine.connect() as conn:
        assert access.find_session(conn, token) is None
        deeds = [(one.who, one.action) for one in list_everything(conn, None, 50).items]  # type: ignore[union-attr]
    engine.dispose()
    assert {who for who, _ in deeds} == {"command line"}
    assert [action for _, action in reversed(deeds)] == [
        "made the account",
        "ended sessions",
        "changed the account",
        "made the API key",
        "revoked the API key",
        "made the connection",
        "gave the secret of",
        "removed the connection",
    ]
