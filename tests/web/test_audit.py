"""Everything that changes state is in the audit log: every route that takes a change is called, and leaves a row."""

import html
import itertools
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest
from api_client import ADMIN_KEY, client, connect
from service_site import EMAIL, PASSWORD, Site, running_site

from connectors.base import Auth
from service.store.access import create_account, create_api_key
from service.store.access_tables import Session
from service.store.activity import list_everything
from service.store.failures import get_failure
from service.store.sessions import list_sessions
from service.web import find_pages, find_routers
from service.web.passwords import hash_password

RULE = Path(__file__).parents[2] / "rules" / "whydenied.yaml"
NUMBERS = itertools.count(1)

# Routes that take a POST and are in no audit log, each with why.
EXEMPT = {
    ("POST", "/api/v1/explain"): "answers and stores nothing",
    ("POST", "/explain"): "answers and stores nothing",
    ("POST", "/failures/{failure_id}/correct/check"): "answers and stores nothing",
    ("POST", "/api/v1/events"): "is an event, which is kept itself",
}


class World:
    """A service, who is signed in to it, and things to change."""

    def __init__(self, site: Site, api: httpx.Client) -> None:
        self.site = site
        self.before: set[str] = set()
        self.api = self.watched(api)
        self.browser = self.visitor()

    def rows(self) -> set[str]:
        """The ids of what stands in the audit log."""
        with self.site.services.engine.connect() as conn:
            return {one.id for one in list_everything(conn, None, 1_000).items}

    def watched(self, opened: httpx.Client) -> httpx.Client:
        """A client before each of whose requests the audit log is read, so that only the last one counts."""
        opened.event_hooks["request"].append(lambda _request: setattr(self, "before", self.rows()))
        return opened

    def visitor(self, email: str | None = EMAIL) -> httpx.Client:
        return self.watched(self.site.browser(email))

    def failure(self, state: str = "answered") -> str:
        number = next(NUMBERS)
        stored = self.site.seed(number, answer={} if state == "answered" else None)
        assert stored.failure_id
        if state != "answered":
            self.site.set_state(stored.failure_id, state)
        return stored.failure_id

    def version(self, failure_id: str) -> int:
        with self.site.services.engine.connect() as conn:
            failure = get_failure(conn, failure_id)
        assert failure
        return failure.version

    def seen(self, failure_id: str) -> dict[str, str]:
        analysis = self.api.get(f"/api/v1/failures/{failure_id}").json()["current_analysis_id"]
        return {"analysis": analysis, "version": str(self.version(failure_id))}

    def account(self) -> str:
        with self.site.services.engine.begin() as conn:
            return create_account(conn, f"p{next(NUMBERS)}@example.com", hash_password(PASSWORD), "viewer").id

    def person(self) -> httpx.Client:
        email = f"p{next(NUMBERS)}@example.com"
        self.site.add_account(email, "viewer")
        return self.visitor(email)

    def session(self) -> Session:
        self.person()
        with self.site.services.engine.connect() as conn:
            return list_sessions(conn)[0].session

    def key(self) -> str:
        with self.site.services.engine.begin() as conn:
            return create_api_key(conn, "k", ["read"])[0].id

    def connection(self, connector: str = "generic") -> str:
        name = f"c{next(NUMBERS)}"
        connect(self.site, name, connector, Auth("bearer", ("a-secret-of-the-connection",)))
        return name

    def unread(self) -> str:
        body = '{"message": "permission denied for table pay"}'
        self.site.seed_unparsed(body)
        if self.site.services.connections.get("sentry-prod") is None:
            connect(self.site, "sentry-prod", "generic", Auth("none"))
        delivery: str = self.api.get("/api/v1/unparsed").json()["items"][0]["id"]
        return delivery

    def correction(self, failure_id: str) -> dict[str, str]:
        page = self.browser.get(f"/failures/{failure_id}/correct").text
        form = re.findall(r'(?s)<form[^>]*action="/failures/[^"]*/correct[^>]*>(.*?)</form>', page)[0]
        fields = dict(re.findall(r'<input[^>]*name="([^"]+)"[^>]*value="([^"]*)"', form))
        fields |= dict(re.findall(r'(?s)<textarea[^>]*name="([^"]+)"[^>]*>\n(.*?)</textarea>', form))
        for name, options in re.findall(r'(?s)<select[^>]*name="([^"]+)"[^>]*>(.*?)</select>', form):
            chosen = re.search(r'value="([^"]*)" selected', options)
            fields[name] = chosen[1] if chosen else ""
        return {name: html.unescape(value) for name, value in fields.items()}


def _review(w: World) -> httpx.Response:
    failure = w.failure()
    seen = w.seen(failure)
    body = {"decision": "approve", "expected_version": int(seen["version"])}
    return w.api.post(f"/api/v1/analyses/{seen['analysis']}/review", json=body)


def _decide(w: World) -> httpx.Response:
    failure = w.failure()
    return w.browser.post(f"/failures/{failure}/review", data={**w.seen(failure), "decision": "approve"})


def _correct(w: World) -> httpx.Response:
    failure = w.failure()
    return w.browser.post(f"/failures/{failure}/correct", data=w.correction(failure))


def _alike(w: World) -> httpx.Response:
    ticked = {f"pick-{one}": str(w.version(one)) for one in (w.failure(), w.failure())}
    return w.browser.post(f"/failures/{next(iter(ticked)).removeprefix('pick-')}/alike", data=ticked)


def _sign_out_elsewhere(w: World) -> httpx.Response:
    email = f"p{next(NUMBERS)}@example.com"
    w.site.add_account(email, "viewer")
    w.visitor(email)
    return w.visitor(email).post("/account/sessions/others")


def _set_up(w: World) -> httpx.Response:
    """Again the first account, which has everybody signed out."""
    with w.site.services.engine.begin() as conn:
        conn.exec_driver_sql("DELETE FROM account")
    w.site.services.sign_in._is_set_up = False
    form = {"token": w.site.services.sign_in.open_setup_token(), "email": EMAIL, "password": PASSWORD}
    reply = w.visitor(None).post("/setup", data=form)
    w.browser = w.visitor()
    return reply


RECIPES: dict[tuple[str, str], Callable[[World], httpx.Response]] = {
    ("POST", "/api/v1/accounts"): lambda w: w.api.post("/api/v1/accounts", json={"email": "made@example.com"}),
    ("PATCH", "/api/v1/accounts/{account_id}"): lambda w: w.api.patch(
        f"/api/v1/accounts/{w.account()}", json={"role": "reviewer"}
    ),
    ("DELETE", "/api/v1/accounts/{account_id}/sessions"): lambda w: w.api.delete(
        f"/api/v1/accounts/{w.session().account_id}/sessions"
    ),
    ("POST", "/api/v1/analyses/{analysis_id}/review"): _review,
    ("POST", "/api/v1/connections"): lambda w: w.api.post(
        "/api/v1/connections", json={"name": "made", "connector": "generic", "auth": {"scheme": "bearer"}}
    ),
    ("POST", "/api/v1/connections/{name}/rotate"): lambda w: w.api.post(f"/api/v1/connections/{w.connection()}/rotate"),
    ("PUT", "/api/v1/connections/{name}/secrets"): lambda w: w.api.put(
        f"/api/v1/connections/{w.connection()}/secrets", json={"secrets": ["another-secret"]}
    ),
    ("POST", "/api/v1/connections/{name}/test"): lambda w: w.api.post(f"/api/v1/connections/{w.connection()}/test"),
    ("DELETE", "/api/v1/connections/{name}/test"): lambda w: w.api.delete(f"/api/v1/connections/{w.connection()}/test"),
    ("DELETE", "/api/v1/connections/{name}"): lambda w: w.api.delete(f"/api/v1/connections/{w.connection()}"),
    ("PUT", "/api/v1/connections/{name}/pull"): lambda w: w.api.put(
        f"/api/v1/connections/{w.connection('github')}/pull", json={"settings": {"token": "t-o-k-e-n"}}
    ),
    ("DELETE", "/api/v1/connections/{name}/pull"): lambda w: w.api.delete(
        f"/api/v1/connections/{w.connection('github')}/pull"
    ),
    ("PUT", "/api/v1/connections/{name}/limits"): lambda w: w.api.put(
        f"/api/v1/connections/{w.connection()}/limits", json={"rate": 5}
    ),
    ("POST", "/api/v1/failures/{failure_id}/retry"): lambda w: w.api.post(
        f"/api/v1/failures/{w.failure('failed')}/retry"
    ),
    ("POST", "/api/v1/failures/{failure_id}/steps"): lambda w: w.api.post(
        f"/api/v1/failures/{w.failure()}/steps", json={"step": "note", "note": "asked"}
    ),
    ("POST", "/api/v1/api-keys"): lambda w: w.api.post("/api/v1/api-keys", json={"name": "k", "scopes": ["read"]}),
    ("DELETE", "/api/v1/api-keys/{key_id}"): lambda w: w.api.delete(f"/api/v1/api-keys/{w.key()}"),
    ("DELETE", "/api/v1/sessions/{session_id}"): lambda w: w.api.delete(f"/api/v1/sessions/{w.session().id}"),
    ("POST", "/api/v1/unparsed/{delivery_id}/replay"): lambda w: w.api.post(f"/api/v1/unparsed/{w.unread()}/replay"),
    ("POST", "/login"): lambda w: w.visitor(None).post("/login", data={"email": EMAIL, "password": PASSWORD}),
    ("POST", "/logout"): lambda w: w.person().post("/logout"),
    ("POST", "/account/password"): lambda w: w.person().post(
        "/account/password", data={"old": PASSWORD, "new": "another long word"}
    ),
    ("POST", "/account/sessions/end"): lambda w: w.browser.post(
        "/account/sessions/end", data={"session": w.session().id}
    ),
    ("POST", "/account/sessions/others"): _sign_out_elsewhere,
    ("POST", "/failures/{failure_id}/alike"): _alike,
    ("POST", "/sources/new"): lambda w: w.browser.post(
        "/sources/new", data={"name": "by-form", "connector": "generic", "scheme": "bearer"}
    ),
    ("POST", "/sources/{name}/secret"): lambda w: w.browser.post(
        f"/sources/{w.connection()}/secret", data={"secret": "another-secret"}
    ),
    ("POST", "/sources/{name}/limits"): lambda w: w.browser.post(
        f"/sources/{w.connection()}/limits", data={"events_per_day": "9"}
    ),
    ("POST", "/sources/{name}/rotate"): lambda w: w.browser.post(f"/sources/{w.connection()}/rotate"),
    ("POST", "/sources/{name}/test"): lambda w: w.browser.post(f"/sources/{w.connection()}/test"),
    ("POST", "/sources/{name}/test/delete"): lambda w: w.browser.post(f"/sources/{w.connection()}/test/delete"),
    ("POST", "/sources/{name}/delete"): lambda w: w.browser.post(f"/sources/{w.connection()}/delete"),
    ("POST", "/failures/{failure_id}/correct"): _correct,
    ("POST", "/failures/{failure_id}/steps"): lambda w: w.browser.post(
        f"/failures/{(one := w.failure())}/steps", data={**w.seen(one), "step": "note", "note": "asked"}
    ),
    ("POST", "/settings/keys"): lambda w: w.browser.post("/settings/keys", data={"name": "k", "scope-read": "yes"}),
    ("POST", "/settings/keys/revoke"): lambda w: w.browser.post("/settings/keys/revoke", data={"key": w.key()}),
    ("POST", "/settings/accounts"): lambda w: w.browser.post(
        "/settings/accounts", data={"email": "by-form@example.com", "role": "viewer"}
    ),
    ("POST", "/settings/accounts/{account_id}"): lambda w: w.browser.post(
        f"/settings/accounts/{w.account()}", data={"do": "lock"}
    ),
    ("POST", "/settings/sessions/end"): lambda w: w.browser.post(
        "/settings/sessions/end", data={"session": w.session().id}
    ),
    ("POST", "/failures/{failure_id}/review"): _decide,
    ("POST", "/failures/{failure_id}/retry"): lambda w: w.browser.post(f"/failures/{w.failure('failed')}/retry"),
    ("POST", "/sources/unparsed/{delivery_id}/replay"): lambda w: w.browser.post(
        f"/sources/unparsed/{w.unread()}/replay"
    ),
    ("POST", "/setup"): _set_up,
}


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    folder = tmp_path_factory.mktemp("audit")
    with running_site(folder, extra_rules=[str(RULE)], admin_api_key=ADMIN_KEY) as site, client(site) as api:
        yield World(site, api)


def changing_routes() -> set[tuple[str, str]]:
    """Every method and path that may change something."""
    pages, open_pages = find_pages()
    return {
        (method, route.path)
        for router in (*find_routers(), *pages, *open_pages)
        for route in router.routes
        for method in route.methods - {"GET", "HEAD", "OPTIONS"}
    }


def test_every_route_that_changes_something_is_known_here() -> None:
    assert changing_routes() == RECIPES.keys() | EXEMPT.keys()


@pytest.mark.parametrize("route", RECIPES, ids=" ".join)
def test_a_change_leaves_a_row_of_its_own_in_the_audit_log(world: World, route: tuple[str, str]) -> None:
    reply = RECIPES[route](world)
    assert reply.status_code < 400, reply.text
    assert (reply.headers.get("location") == "/login") == (route[1] == "/logout"), "nobody was signed in"
    pattern = re.sub(r"\\\{\w+\\\}", "[^/]+", re.escape(route[1]))
    assert (reply.request.method, bool(re.fullmatch(pattern, reply.request.url.path))) == (route[0], True)
    assert world.rows() - world.before
