"""The settings: what is in force, people, sessions and keys; and everybody's own account."""

import asyncio
import html
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest
from api_client import ADMIN_KEY, client
from service_site import EMAIL, PASSWORD, Site, running_site

from service.settings import Settings
from service.shown_settings import show_settings
from service.store.access import list_accounts
from service.store.ids import first_id_at
from service.store.tables import unparsed
from service.upkeep import delete_expired
from service.web.browser_words import browser_words

DOCUMENT = Path(__file__).parents[2] / "docs" / "configuration.md"


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    settings = {"admin_api_key": ADMIN_KEY, "retention_days": 30, "llm_budget_month": 20.0}
    with running_site(tmp_path_factory.mktemp("settings"), **settings) as running:
        running.add_account("vera@example.com", "viewer")
        yield running


@pytest.fixture(scope="module")
def admin(site: Site) -> httpx.Client:
    return site.browser()


@pytest.fixture
def viewer(site: Site) -> httpx.Client:
    return site.browser("vera@example.com")


def words(page: str) -> str:
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", page)).split())


def account_id(site: Site, email: str) -> str:
    with site.services.engine.connect() as conn:
        return next(one.id for one in list_accounts(conn) if one.username == email)


def latest_deed(admin: httpx.Client) -> tuple[str, str, str]:
    one = admin.get("/audit.json").json()["items"][0]
    return one["who"], one["action"], one["detail"]


def test_what_is_in_force_is_shown_with_where_it_was_set_and_without_secrets(admin: httpx.Client, site: Site) -> None:
    old = first_id_at(datetime.now(UTC) - timedelta(days=31))
    row = {"connection": "c", "received_at": datetime.now(UTC), "reason": "r", "headers": {}, "body": ""}
    with site.services.engine.begin() as conn:
        conn.execute(unparsed.insert(), {"id": old, **row})
    asyncio.run(delete_expired(site.services.engine, 30))
    page = words(admin.get("/settings").text)
    assert "Events are deleted after 30 days" in page
    assert "1 record older than 30 days" in page
    assert "This month $0.0000 of $20.00" in page
    found = admin.get("/settings.json").json()
    sources = {one["name"]: (one["value"], one["source"]) for one in found["settings"]}
    assert sources["WHYDENIED_ADMIN_API_KEY"] == ("set, not shown", "environment")
    assert sources["WHYDENIED_SESSION_HOURS"] == ("12", "default")
    assert found["budgets"]["month"]["budget"] == 20.0
    assert ADMIN_KEY not in str(found)


def test_every_documented_setting_is_shown_and_none_with_its_credentials(tmp_path: Path) -> None:
    file = tmp_path / "key"
    file.write_text("a-secret-of-the-provider")
    shown = show_settings(
        Settings(
            llm_api_key_file=file,
            database_url="postgresql://app:hidden-word@db.example/why?sslpassword=hidden-word",
            llm_base_url="https://user:hidden-word@gateway.example/v1",
        )
    )
    documented = set(re.findall(r"^\| `(WHYDENIED_\w+)` \|", DOCUMENT.read_text(), re.MULTILINE))
    assert {one.name for one in shown} == {name for name in documented if not name.endswith("_FILE")}
    by_name = {one.name: one for one in shown}
    assert by_name["WHYDENIED_LLM_API_KEY"].source == f"file {file} (WHYDENIED_LLM_API_KEY_FILE)"
    assert by_name["WHYDENIED_DATABASE_URL"].value == "postgresql://app@db.example/why?…"
    assert "hidden-word" not in str(shown)
    assert "a-secret-of-the-provider" not in str(shown)


@pytest.mark.parametrize(
    ("user_agent", "told"),
    [
        ("Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 Chrome/126.0 Safari/537.36", "Chrome 126 on Linux"),
        (
            "Mozilla/5.0 (Windows NT 10.0) AppleWebKit/537.36 Chrome/126.0 Safari/537.36 Edg/126.0",
            "Edge 126 on Windows",
        ),
        (
            "Mozilla/5.0 (Macintosh; Intel Mac OS X 10.15; rv:128.0) Gecko/20100101 Firefox/128.0",
            "Firefox 128 on macOS",
        ),
        ("Mozilla/5.0 (iPhone; CPU like Mac OS X) Version/17.5 Mobile/15E148 Safari/604.1", "Safari 17 on iPhone"),
        ("x" * 100, "x" * 60),
        (None, "not kept"),
    ],
)
def test_a_browser_is_named_as_people_name_it(user_agent: str | None, told: str) -> None:
    assert browser_words(user_agent) == told


@pytest.mark.parametrize(
    "path", ["/settings", "/settings.json", "/settings/accounts", "/settings/sessions", "/settings/keys"]
)
def test_settings_are_for_admins(viewer: httpx.Client, path: str) -> None:
    assert viewer.get(path).status_code == 403
    assert 'href="/settings"' not in viewer.get("/account").text


def test_an_account_is_made_with_a_password_shown_once(admin: httpx.Client, site: Site) -> None:
    page = admin.post("/settings/accounts", data={"email": "New@example.com", "role": "reviewer"}).text
    password = re.search(r'<code id="made-password">([^<]+)</code>', page)
    assert password
    entered = site.browser(None).post("/login", data={"email": "new@example.com", "password": password[1]})
    assert entered.status_code == 303
    assert password[1] not in admin.get("/settings/accounts").text
    again = admin.post("/settings/accounts", data={"email": "new@example.com", "role": "viewer"})
    assert (again.status_code, "There is an account new@example.com already." in again.text) == (409, True)
    wrong = admin.post("/settings/accounts", data={"email": "nobody", "role": "viewer"})
    assert (wrong.status_code, 'id="error-email"' in wrong.text) == (422, True)


def test_roles_and_locks_hold_at_once_and_somebody_stays_an_admin(
    admin: httpx.Client, viewer: httpx.Client, site: Site
) -> None:
    address = f"/settings/accounts/{account_id(site, 'vera@example.com')}"
    assert admin.post(address, data={"role": "reviewer"}).headers["location"] == "/settings/accounts?done=changed"
    assert latest_deed(admin) == (EMAIL, "changed the account", "vera@example.com: reviewer")
    assert admin.post(address, data={"do": "lock"}).status_code == 303
    assert viewer.get("/account").status_code == 303
    assert "locked out" in admin.get("/settings/accounts").text
    assert admin.post(address, data={"do": "unlock"}).status_code == 303
    assert admin.post(address, data={"role": "viewer"}).status_code == 303
    own = f"/settings/accounts/{account_id(site, EMAIL)}"
    for change in ({"role": "viewer"}, {"do": "lock"}):
        refused = admin.post(own, data=change)
        assert (refused.status_code, "This is the only admin" in refused.text) == (409, True)
    assert admin.post(address, data={"role": "root"}).status_code == 422


def test_a_session_shows_its_browser_and_can_be_ended(viewer: httpx.Client, site: Site, admin: httpx.Client) -> None:
    other = site.browser(None)
    other.headers["user-agent"] = "Netscape <4>"
    other.post("/login", data={"email": "vera@example.com", "password": PASSWORD})
    listed = viewer.get("/account.json").json()["sessions"]
    assert listed[0] | {"user_agent": "Netscape <4>", "address": "127.0.0.1", "current": False} == listed[0]
    assert "Netscape &lt;4&gt;" in viewer.get("/account").text
    assert admin.get("/explain").status_code == 200
    everybody = admin.get("/api/v1/sessions").json()
    foreign = next(one["id"] for one in everybody if one["email"] == EMAIL)
    assert viewer.post("/account/sessions/end", data={"session": foreign}).status_code == 404
    assert viewer.post("/account/sessions/end", data={"session": listed[0]["id"]}).status_code == 303
    assert other.get("/account").status_code == 303
    assert viewer.get("/account").status_code == 200
    own = next(one["id"] for one in viewer.get("/api/v1/sessions").json() if one["current"])
    assert admin.post("/settings/sessions/end", data={"session": own}).status_code == 303
    assert latest_deed(admin) == (EMAIL, "ended a session", f"vera@example.com: {own}")
    assert viewer.get("/account").status_code == 303


def test_all_other_browsers_can_be_signed_out_at_once(viewer: httpx.Client, site: Site) -> None:
    other = site.browser("vera@example.com")
    assert viewer.post("/account/sessions/others").status_code == 303
    assert (viewer.get("/account").status_code, other.get("/account").status_code) == (200, 303)


def test_a_new_password_needs_the_old_one_and_ends_every_other_session(site: Site) -> None:
    site.add_account("paul@example.com", "viewer")
    paul, other = site.browser("paul@example.com"), site.browser("paul@example.com")
    for fields, field in (({"old": "wrong", "new": PASSWORD}, "old"), ({"old": PASSWORD, "new": "short"}, "new")):
        refused = paul.post("/account/password", data=fields)
        assert (refused.status_code, f'id="error-{field}"' in refused.text) == (422, True)
    before = dict(paul.cookies)
    assert paul.post("/account/password", data={"old": PASSWORD, "new": "a new long word"}).status_code == 303
    assert (paul.get("/account").status_code, other.get("/account").status_code) == (200, 303)
    other.cookies.clear()
    other.cookies.update(before)
    assert other.get("/account").status_code == 303, "the session from before the change still opens"
    entered = site.browser(None).post("/login", data={"email": "paul@example.com", "password": "a new long word"})
    assert entered.status_code == 303


def test_a_key_is_made_with_scope_and_end_shown_once_used_and_revoked(admin: httpx.Client, site: Site) -> None:
    form = {"name": "nightly report", "scope-read": "yes", "days": "30"}
    page = admin.post("/settings/keys", data=form).text
    made = re.search(r'<code id="made-key">(wd_[^<]+)</code>', page)
    assert made
    assert made[1] not in admin.get("/settings/keys").text
    with client(site, made[1]) as program:
        assert program.get("/api/v1/status").status_code == 200
        assert program.post("/api/v1/events", json={"text": "x"}).status_code == 403
        assert program.get("/api/v1/sessions").json() == []
        row = next(one for one in admin.get("/api/v1/api-keys").json() if one["name"] == "nightly report")
        assert (row["scopes"], bool(row["expires_at"]), bool(row["last_used_at"])) == (["read"], True, True)
        assert "nightly report" in words(admin.get("/settings/keys").text)
        assert admin.post("/settings/keys/revoke", data={"key": row["id"]}).status_code == 303
        assert program.get("/api/v1/status").status_code == 401
    assert latest_deed(admin)[:2] == (EMAIL, "revoked the API key")
    assert "revoked" in words(admin.get("/settings/keys").text)


@pytest.mark.parametrize(
    ("fields", "field"),
    [({"name": ""}, "name"), ({"scope-read": ""}, "scopes"), ({"days": "soon"}, "days")],
)
def test_a_key_that_cannot_be_is_refused_at_its_field(admin: httpx.Client, fields: dict[str, str], field: str) -> None:
    refused = admin.post("/settings/keys", data={"name": "k", "scope-read": "yes", "days": "", **fields})
    assert (refused.status_code, f'id="error-{field}"' in refused.text) == (422, True)


def test_programs_manage_people_by_rest(site: Site) -> None:
    with client(site) as admin:
        made = admin.post("/api/v1/accounts", json={"email": "rest@example.com", "role": "viewer"}).json()
        person = site.browser(None)
        assert (
            person.post("/login", data={"email": "rest@example.com", "password": made["password"]}).status_code == 303
        )
        path = f"/api/v1/accounts/{made['id']}"
        assert admin.patch(path, json={"role": "reviewer"}).json()["password"] is None
        assert [one["role"] for one in admin.get("/api/v1/accounts").json() if one["id"] == made["id"]] == ["reviewer"]
        assert admin.delete(f"{path}/sessions").status_code == 204
        assert person.get("/account").status_code == 303
        assert admin.patch(path, json={"new_password": True}).json()["password"] not in (None, made["password"])
        own = account_id(site, EMAIL)
        refused = admin.patch(f"/api/v1/accounts/{own}", json={"disabled": True})
        assert (refused.status_code, refused.json()["type"]) == (409, "urn:whydenied:problem:last-admin")
        assert admin.patch("/api/v1/accounts/nobody", json={}).json()["type"] == "urn:whydenied:problem:no-such-account"


@pytest.mark.parametrize(
    ("twin", "target"),
    [
        ("/settings/accounts.json", "/api/v1/accounts"),
        ("/settings/sessions.json", "/api/v1/sessions"),
        ("/settings/keys.json", "/api/v1/api-keys"),
    ],
)
def test_a_list_has_its_twin_in_the_api(admin: httpx.Client, twin: str, target: str) -> None:
    assert admin.get(twin).headers["location"] == target
    assert isinstance(admin.get(target).json(), list)
