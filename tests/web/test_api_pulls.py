"""The settings of pulls: given by REST, command or file; checked; their secrets never shown again."""

from collections.abc import Callable
from pathlib import Path

import httpx
import pytest
from api_client import connect
from service_site import RULES, Site
from typer.testing import CliRunner

from connectors import discover
from service.app import create_app
from service.cli import build_app
from service.declared import DeclarationError, load_declared
from service.keyring import Keyring
from service.settings import Settings
from service.store.connections import get_connection
from service.store.engine import open_engine
from service.store.pulls import get_pull, pull_settings

SECRET = "a-token-nobody-may-read"


@pytest.fixture
def github(api_site: Site) -> str:
    name = "pull-github"
    with api_site.services.engine.connect() as conn:
        is_there = get_connection(conn, name) is not None
    if not is_there:
        connect(api_site, name, "github")
    return f"/api/v1/connections/{name}/pull"


def test_settings_are_given_and_the_secret_is_never_shown_again(
    api_site: Site, admin: httpx.Client, github: str
) -> None:
    assert admin.get(github).json()["configured"] is False
    given = admin.put(github, json={"settings": {"token": SECRET, "repository": "acme/site", "every": "120"}})
    view = admin.get(github).json()
    assert given.json() == view
    assert SECRET not in admin.get(github).text + admin.get("/api/v1/connections").text
    assert (view["configured"], view["secrets"], view["every"]) == (True, ["token"], 120)
    assert view["settings"] == {"repository": "acme/site", "every": "120", "url": "https://api.github.com"}
    assert view["next_at"] is not None
    with api_site.services.engine.connect() as conn:
        row = get_connection(conn, "pull-github")
    assert row is not None
    assert SECRET not in (row.pull or "")
    assert api_site.services.connections.get("pull-github").puller is not None  # type: ignore[union-attr]


def test_a_secret_stays_but_not_for_another_address(admin: httpx.Client, github: str) -> None:
    admin.put(github, json={"settings": {"token": SECRET}})
    kept = admin.put(github, json={"settings": {"repository": "acme/site"}})
    assert (kept.status_code, kept.json()["secrets"]) == (200, ["token"])
    moved = admin.put(github, json={"settings": {"url": "https://collector.example"}})
    assert (moved.status_code, moved.json()["detail"][:16]) == (422, "Token is missing")


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({}, "Token is missing: A fine-grained"),
        ({"token": SECRET, "colour": "red"}, "Colour is no setting of github"),
        ({"token": SECRET, "url": "http://files.example"}, "Url must be an https address"),
        ({"token": SECRET, "url": "https://user:pw@files.example"}, "Url must be an https address"),
        ({"token": SECRET, "repository": "acme/site", "every": "1"}, "Every must be 0 or 15 to 86400"),
        ({"token": f"{SECRET}\u00e9"}, "Token is no value that a source"),
    ],
)
def test_settings_that_cannot_work_are_refused(
    admin: httpx.Client, github: str, settings: dict[str, str], told: str
) -> None:
    admin.delete(github)
    reply = admin.put(github, json={"settings": settings})
    assert (reply.status_code, reply.json()["type"]) == (422, "urn:whydenied:problem:invalid-pull")
    assert reply.json()["detail"].startswith(told)
    assert SECRET not in reply.text


def test_settings_are_taken_away(admin: httpx.Client, github: str) -> None:
    admin.put(github, json={"settings": {"token": SECRET}})
    assert admin.delete(github).status_code == 204
    assert admin.get(github).json()["configured"] is False


def test_a_source_without_pulls_says_so(api_site: Site, admin: httpx.Client) -> None:
    connect(api_site, "pull-generic")
    reply = admin.get("/api/v1/connections/pull-generic/pull")
    assert (reply.status_code, reply.json()["type"]) == (409, "urn:whydenied:problem:no-pulls")
    assert admin.get("/api/v1/connections/nobody/pull").status_code == 404


def test_the_file_declares_pulls_and_goes_on_where_nothing_changed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GITHUB_READER", SECRET)
    file = tmp_path / "connections.yaml"
    file.write_text(
        "connections:\n  - {name: ci, connector: github, auth: {scheme: none},\n"
        "     pull: {token: {env: GITHUB_READER}, repository: acme/site, every: 60}}\n"
    )
    (tmp_path / "rules").mkdir()
    (tmp_path / "rules" / "demo.yaml").write_text(RULES)
    seen = []
    for _ in range(2):
        app = create_app(Settings(data_dir=tmp_path, connections=file, rules_dir=tmp_path / "rules"))
        services = app.state.services
        with services.engine.connect() as conn:
            row, state = get_connection(conn, "ci"), get_pull(conn, "ci")
        services.engine.dispose()
        assert row is not None
        assert state is not None
        assert (pull_settings(services.keyring, row) or {})["token"] == SECRET
        seen.append(state.next_at)
    assert seen[0] == seen[1]


def test_what_the_file_declares_wrongly_is_named(tmp_path: Path) -> None:
    file = tmp_path / "connections.yaml"
    file.write_text("connections:\n  - {name: ci, connector: github, auth: {scheme: none}, pull: {tokn: abc}}\n")
    with pytest.raises(DeclarationError, match=r"ci: tokn is no setting of github; known are token"):
        load_declared(file, discover())


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sqlite_url: str) -> Callable[..., str]:
    monkeypatch.setenv("WHYDENIED_DATA_DIR", str(tmp_path))
    monkeypatch.setenv("WHYDENIED_DATABASE_URL", sqlite_url)

    def invoke(*arguments: str, code: int = 0) -> str:
        done = CliRunner().invoke(build_app(), list(arguments))
        assert done.exit_code == code, done.output
        return done.output

    return invoke


def test_the_command_gives_shows_and_takes_away(run: Callable[..., str], tmp_path: Path, sqlite_url: str) -> None:
    (tmp_path / "token").write_text(f"{SECRET}\n")
    run("connect", "ci", "--connector", "github")
    assert "nothing is asked" in run("connections", "pull", "ci")
    told = run("connections", "pull", "ci", "--set", f"token=@{tmp_path / 'token'}", "--set", "repository=acme/site")
    assert SECRET not in told
    assert "token\tset\t" in told
    engine = open_engine(sqlite_url)
    with engine.connect() as conn:
        row = get_connection(conn, "ci")
    engine.dispose()
    assert row is not None
    assert (pull_settings(Keyring.load(tmp_path, None), row) or {})["token"] == SECRET
    assert "no setting of github" in run("connections", "pull", "ci", "--set", "colour=red", code=1)
    assert "key=value" in run("connections", "pull", "ci", "--set", "token", code=2)
    assert "nothing is asked" in run("connections", "pull", "ci", "--off")
